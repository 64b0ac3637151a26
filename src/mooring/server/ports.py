"""Whether a port can be had, and if not, who has it. Must not: keep one."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping

from mooring.errors import InvalidInput
from mooring.server.wiring import port_holder

_NEARBY = 100
_FOR_ROOT = 8000  # a port that is for root only is commonly moved up by so many


def check_free(address: str, ports: Mapping[str, int]) -> None:
    """`ports` by the option that sets each. Raises InvalidInput naming all that cannot be had, each taker, and the ports to choose
    instead, or the address that is not this machine's."""
    troubles = {option: trouble for option, port in ports.items() if (trouble := _trouble(address, port)) is not None}
    if not troubles:
        return
    said = "; ".join(_said(trouble, address, ports[option]) for option, trouble in troubles.items())
    can_be_stopped = any(trouble.errno == errno.EADDRINUSE for trouble in troubles.values())
    words = _instead(address, ports, troubles)
    raise InvalidInput(said, hint=f"{'stop it, or choose' if can_be_stopped else 'choose'} another: `mooring up {words}`")


def _said(trouble: OSError, address: str, port: int) -> str:
    """Raises InvalidInput where no port of this address can be had."""
    if trouble.errno == errno.EADDRINUSE:
        taker = port_holder(port)
        return f"port {port} is taken{f' by {taker}' if taker else ''}"
    if trouble.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is for root only"
    hint = "choose an address of this machine with --bind"
    raise InvalidInput(f"nothing can listen on {address}:{port}: {trouble.strerror}", hint=hint)


def _instead(address: str, ports: Mapping[str, int], troubles: Mapping[str, OSError]) -> str:
    """The options with ports that can be had, each another one."""
    found: dict[str, int | None] = {}
    for option, trouble in troubles.items():
        first = ports[option] + (1 if trouble.errno == errno.EADDRINUSE else _FOR_ROOT)
        near = (port for port in range(first, min(first + _NEARBY, 65_536)) if port not in (*ports.values(), *found.values()))
        found[option] = next((port for port in near if _trouble(address, port) is None), None)
    return " ".join(f"{option} {port or 'PORT'}" for option, port in found.items())


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
