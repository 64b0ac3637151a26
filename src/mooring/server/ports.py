"""Whether a port can be had, and if not, who has it. Must not: keep one."""

from __future__ import annotations

import errno
import socket

from mooring.errors import InvalidInput, MooringError
from mooring.server.wiring import port_holder

_NEARBY = 100


def check_free(address: str, port: int, *, option: str) -> None:
    """Raises InvalidInput naming the taker and a port to choose instead, or the address that is not this machine's."""
    trouble = _trouble(address, port)
    if trouble is None:
        return
    if trouble.errno == errno.EADDRINUSE:
        taker = port_holder(port)
        raise InvalidInput(f"port {port} is taken{f' by {taker}' if taker else ''}", hint=_instead(address, port, option))
    raise _other(trouble, address, port, option)


def _other(trouble: OSError, address: str, port: int, option: str) -> MooringError:
    if trouble.errno in (errno.EACCES, errno.EPERM):
        return InvalidInput(f"port {port} is for root only", hint=f"choose one from 1024 up: `mooring up {option} 8080`")
    return InvalidInput(f"nothing can listen on {address}:{port}: {trouble.strerror}", hint="choose an address of this machine with --bind")


def _instead(address: str, port: int, option: str) -> str:
    free = next((other for other in range(port + 1, min(port + _NEARBY, 65_536)) if _trouble(address, other) is None), None)
    return f"stop it, or choose another: `mooring up {option} {free or 'PORT'}`"


def _trouble(address: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((address, port))
            trying.listen(1)
        except OSError as trouble:
            return trouble
    return None
