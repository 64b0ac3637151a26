"""Where processes listen, as the kernel says in /proc/net. Must not: connect; need more than Python's own library: it goes to hosts too."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterable

LISTEN = "0A"  # a socket's state, as /proc/net/tcp writes it


def listening(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Addresses and ports that these processes listen on, each once, in order."""
    own = {inode for pid in pids for inode in _inodes(pid)}
    return sorted({(where, port) for where, port, _, inode in _rows() if inode in own})


def holder(port: int, *, besides: Iterable[int]) -> str:
    """Who else listens on that port: `nginx (pid 4711)`, or by user where no more can be seen; empty when nobody does."""
    own = {inode for pid in besides for inode in _inodes(pid)}
    rows = [row for row in _rows() if row[1] == port and row[3] not in own]
    if not rows:
        return ""
    wanted = {inode for _, _, _, inode in rows}
    for name in sorted(os.listdir("/proc")):
        if name.isdigit() and wanted & _inodes(int(name)):
            with contextlib.suppress(OSError), open(f"/proc/{name}/comm") as file:
                return f"{file.read().strip()} (pid {name})"
    return f"a program of user {rows[0][2]}"


def is_free(port: int) -> bool:
    """Whether nobody listens there, on any address of this machine, IPv4 or IPv6."""
    return all(_can_bind(family, address, port) for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")))


def _can_bind(family: int, address: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are closing do not count
            if family == socket.AF_INET6:
                trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            trial.bind((address, port))
    except OSError as error:
        return error.errno not in (errno.EADDRINUSE, errno.EACCES)  # a machine without IPv6 has no listener there
    return True


def _rows() -> list[tuple[str, int, int, str]]:
    rows = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{table}") as file:
            for columns in [line.split() for line in file][1:]:
                where, port = columns[1].split(":")
                if columns[3] == LISTEN:
                    rows.append((address(where), int(port, 16), int(columns[7]), columns[9]))
    return rows


def address(text: str) -> str:
    """Hexadecimal words of 32 bits, each in the byte order of the machine."""
    words = bytes.fromhex(text)
    raw = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw)
    mapped = raw[:12] == b"\0" * 10 + b"\xff\xff"
    return socket.inet_ntop(socket.AF_INET, raw[12:]) if mapped else socket.inet_ntop(socket.AF_INET6, raw)


def _inodes(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
