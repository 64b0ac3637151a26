"""When the bytes of a log file were written: pairs of wall time and the file's size at that time, kept beside it by the log keeper.

The first pair is (-1, the number of bytes that the log may take on disk). Must not: cost the program that writes anything.
Imported by the log keeper, so nothing heavy is imported.
"""

from __future__ import annotations

import struct
from pathlib import Path

from mooring.drivers.runtime.process import record

_PAIR = struct.Struct("<dQ")
_LARGEST = 512 * 1024
DEFAULT_LIMIT = 10_000_000

Pair = tuple[float, int]


def place(log: Path) -> Path:
    return log.with_suffix(".times")


def begin(log: Path, *, limit: int) -> None:
    """Unless it has begun."""
    if not place(log).exists():
        record.write_whole(str(place(log)), _PAIR.pack(-1.0, limit))


def limit_of(log: Path) -> int:
    pairs = _pairs(place(log), first=True)
    return pairs[0][1] if pairs else DEFAULT_LIMIT


def known(log: Path) -> list[Pair]:
    """Oldest first, without the limit."""
    return _pairs(place(log))[1:]


def add(log: Path, at: float, size: int) -> None:
    path = place(log)
    with path.open("ab") as file:
        file.write(_PAIR.pack(at, size))
        is_large = file.tell() > _LARGEST
    if is_large:
        begin_again(log, keep=known(log)[-_LARGEST // (_PAIR.size * 2) :])


def begin_again(log: Path, *, keep: list[Pair]) -> None:
    record.write_whole(str(place(log)), b"".join(_PAIR.pack(*pair) for pair in [(-1.0, limit_of(log)), *keep]))


def time_of(pairs: list[Pair], end: int, *, otherwise: float) -> float:
    """When the line that ends at byte `end` was there: the first time at which the file was that large."""
    low, high = 0, len(pairs)
    while low < high:
        middle = (low + high) // 2
        if pairs[middle][1] >= end:
            high = middle
        else:
            low = middle + 1
    return pairs[low][0] if low < len(pairs) else otherwise


def _pairs(path: Path, *, first: bool = False) -> list[Pair]:
    try:
        with path.open("rb") as file:
            content = file.read(_PAIR.size if first else -1)
    except OSError:
        return []
    whole = len(content) - len(content) % _PAIR.size
    return [(at, size) for at, size in _PAIR.iter_unpack(content[:whole])]
