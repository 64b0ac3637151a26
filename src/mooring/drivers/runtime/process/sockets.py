"""Where processes listen, as the kernel says in /proc/net. Must not: connect."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mooring.model.health import Listening

_LISTEN = "0A"


class _Row(msgspec.Struct, frozen=True):
    address: str
    port: int
    user: int
    inode: str


def listening(pids: Iterable[int]) -> tuple[Listening, ...]:
    """The sockets that these processes listen on, each once, in order."""
    inodes = {inode for pid in pids for inode in _inodes(pid)}
    found = {(row.address, row.port) for row in _rows() if row.inode in inodes}
    return tuple(Listening(address, port) for address, port in sorted(found))


def holder(port: int, *, besides: Iterable[int]) -> str:
    """Who else listens on that port: `nginx (pid 4711)`, or by user where no more can be seen; empty when nobody does."""
    own = {inode for pid in besides for inode in _inodes(pid)}
    rows = [row for row in _rows() if row.port == port and row.inode not in own]
    if not rows:
        return ""
    wanted = {row.inode for row in rows}
    for name in sorted(path.name for path in Path("/proc").iterdir()):
        if name.isdigit() and not wanted.isdisjoint(_inodes(int(name))):
            return f"{_name(name)} (pid {name})"
    return f"a program of user {rows[0].user}"


def _rows() -> list[_Row]:
    rows = []
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        rows += [_row(line.split()) for line in lines if line.split()[3] == _LISTEN]
    return rows


def _row(columns: list[str]) -> _Row:
    place, port = columns[1].split(":")
    return _Row(address(place), int(port, 16), int(columns[7]), columns[9])


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
    try:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            target = _link(path)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "a program"
