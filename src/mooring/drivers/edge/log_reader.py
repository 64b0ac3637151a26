"""Finds the lines of one environment and one window in the access log, without reading what is certainly older.

Must not: judge them, or know how a proxy writes them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import msgspec

from mooring.drivers.edge.contract import PROBE_AGENT
from mooring.drivers.edge.rotation import segments
from mooring.errors import Unavailable

SLACK = 2.0  # seconds by which lines may be out of the order of their ends
CHUNK = 65_536


class Logged(Protocol):
    """What a line says whichever proxy wrote it. `start` and `end` in wall seconds; `route` is `environment slug/process`."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def route(self) -> str | None: ...

    @property
    def agent(self) -> str | None: ...


_L = TypeVar("_L", bound=Logged)


def read_lines(path: Path, slug: str, decode: Callable[[bytes], _L], *, since: float, until: float) -> list[_L]:
    """`decode` raises what msgspec raises, or ValueError, for a damaged line.

    Requests that began or ended in the window, Mooring's own probes left out. Raises Unavailable.
    """
    found: list[_L] = []
    try:
        for segment in segments(path):
            with segment.open("rb") as file:
                _seek(file, since - SLACK, decode)
                found += parsed(file, slug, decode, since=since, until=until)
                if _first_end(segment, decode) < since - SLACK:
                    break
    except OSError as error:
        raise Unavailable(f"the edge's access log {path} cannot be read: {error.strerror}") from error
    return sorted(found, key=lambda line: line.start)


def parsed(lines: Iterable[bytes], slug: str, decode: Callable[[bytes], _L], *, since: float, until: float) -> list[_L]:
    """Those of the environment's requests that began or ended in the window, Mooring's own probes left out."""
    return [line for line in _mine(lines, slug, decode) if line.start <= until and line.end >= since]


def _mine(lines: Iterable[bytes], slug: str, decode: Callable[[bytes], _L]) -> Iterator[_L]:
    mine = f'"{slug}/'.encode()
    for raw in lines:
        line = _decoded(raw, decode) if mine in raw else None
        if line and (line.route or "").startswith(f"{slug}/") and not (line.agent or "").startswith(PROBE_AGENT):
            yield line


def _decoded(raw: bytes, decode: Callable[[bytes], _L]) -> _L | None:
    """None for half a line, such as a crash leaves, and for one that is damaged."""
    try:
        line = decode(raw)
        return line if 0 <= line.start < math.inf else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _first_end(segment: Path, decode: Callable[[bytes], Logged]) -> float:
    with segment.open("rb") as file:
        file.seek(_first_byte(file))
        return _next_end(file, decode)


def _seek(file: BinaryIO, moment: float, decode: Callable[[bytes], Logged]) -> None:
    """To the first line that may have ended at `moment` or later: lines are in the order of their ends, but for the slack."""
    first = low = _first_byte(file)
    high = file.seek(0, os.SEEK_END)
    while high - low > CHUNK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        if _next_end(file, decode) < moment:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low > first:
        file.readline()


def _first_byte(file: BinaryIO) -> int:
    """Where the file's content begins: what is older may have been cut away, and has left a hole."""
    try:
        return os.lseek(file.fileno(), 0, os.SEEK_DATA)
    except OSError:  # nothing but a hole, or an empty file
        return file.seek(0, os.SEEK_END)


def _next_end(file: BinaryIO, decode: Callable[[bytes], Logged]) -> float:
    """When the next whole line's request ended; infinitely late at the end of the file."""
    for raw in file:
        line = _decoded(raw, decode)
        if line is not None:
            return line.end
    return float("inf")
