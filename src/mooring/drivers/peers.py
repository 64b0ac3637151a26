"""Whether who is at the other end of a Unix socket is a confined program. Such a one may connect to any socket of its account: Landlock
knows no rule for that, and its marks are not to be seen. But what is confined has given up new privileges, for good and for its children,
and the kernel tells that of everybody. Must not: answer for who has gone.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from pathlib import Path
from typing import NamedTuple, Protocol

_CREDENTIALS = struct.Struct("3i")  # as of Credentials
_NUMBER = struct.Struct("i")
_PEER_PIDFD = 77  # SO_PEERPIDFD of Linux 6.5; the number has no name in Python's socket yet
_SIGN = "NoNewPrivs:\t1\n"  # of proc(5)


class Connection(Protocol):
    """A socket, or asyncio's view of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


class Credentials(NamedTuple):
    """Whose the other end is, as the kernel says; unix(7): SO_PEERCRED."""

    pid: int
    uid: int
    gid: int


def credentials(connection: Connection) -> Credentials:
    """Of an accepted connection."""
    return Credentials(*_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)))


def tells_apart() -> bool:
    """Not where the platform itself may gain no privileges (NoNewPrivileges= of its unit, say): all that it starts looks confined then."""
    return not _is_signed("self")


def is_confined(connection: Connection) -> bool:
    """Of an accepted connection. Also where the process has ended meanwhile: it may have handed the connection on.

    Never so where confined programs are not to be told apart."""
    if not tells_apart():
        return False
    pid = credentials(connection).pid
    try:
        descriptor = _NUMBER.unpack(connection.getsockopt(socket.SOL_SOCKET, _PEER_PIDFD, _NUMBER.size))[0]
    except OSError as error:
        return error.errno != errno.ENOPROTOOPT or _is_signed(str(pid))
    try:
        return _is_signed(str(pid)) or _has_ended(descriptor)
    finally:
        os.close(descriptor)


def _is_signed(pid: str) -> bool:
    """Also who is not there to be asked."""
    try:
        return _SIGN in Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return True


def _has_ended(descriptor: int) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))
