"""Finds the lines of one environment and one window in the access log, without reading what is certainly older. Must not: judge them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from mooring.drivers.edge.contract import PROBE_AGENT
from mooring.drivers.edge.envoy.access_log import Line
from mooring.drivers.edge.envoy.rotation import segments
from mooring.errors import Unavailable

SLACK = 2.0  # seconds by which lines may be out of the order of their ends
CHUNK = 65_536

_decoder = msgspec.json.Decoder(Line)


def read_lines(path: Path, slug: str, *, since: float, until: float) -> list[Line]:
    """Requests that began or ended in the window, Mooring's own probes left out. Raises Unavailable."""
    found: list[Line] = []
    try:
        for segment in segments(path):
            with segment.open("rb") as file:
                _seek(file, since - SLACK)
                found += [line for line in _parsed(file, slug) if line.start <= until and line.end >= since]
                if _first_end(segment) < since - SLACK:
                    break
    except OSError as error:
        raise Unavailable(f"the edge's access log {path} cannot be read: {error.strerror}") from error
    return sorted(found, key=lambda line: line.start)


def _parsed(file: BinaryIO, slug: str) -> Iterator[Line]:
    mine = f'"{slug}/'.encode()
    for raw in file:
        line = _decoded(raw) if mine in raw else None
        if line and (line.route or "").startswith(f"{slug}/") and not (line.agent or "").startswith(PROBE_AGENT):
            yield line


def _decoded(raw: bytes) -> Line | None:
    """None for half a line, such as a crash leaves, and for one that is damaged."""
    try:
        line = _decoder.decode(raw)
        return line if 0 <= line.start < math.inf else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _first_end(segment: Path) -> float:
    with segment.open("rb") as file:
        return _next_end(file)


def _seek(file: BinaryIO, moment: float) -> None:
    """To the first line that may have ended at `moment` or later: lines are in the order of their ends, but for the slack."""
    low, high = 0, file.seek(0, 2)
    while high - low > CHUNK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        if _next_end(file) < moment:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()


def _next_end(file: BinaryIO) -> float:
    """When the next whole line's request ended; infinitely late at the end of the file."""
    for raw in file:
        line = _decoded(raw)
        if line is not None:
            return line.end
    return float("inf")
