"""Reads the logs of containers: what the engine gives as frames becomes lines with their time. Must not: redact (the caller knows secrets).

A frame is one byte for the stream, three empty, four for the length, then the content; a line begins with its time, and one longer
than 16 kB comes in several frames. Source: Docker Engine API 1.41, ContainerAttach and ContainerLogs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import aiohttp
import msgspec

from mooring.drivers.runtime.docker import times
from mooring.drivers.runtime.docker.engine import Engine, Missing
from mooring.model.instance import CUT

LONGEST_LINE = 64 * 1024  # bytes
_HEADER = 8
_STREAMS = {1: "stdout", 2: "stderr"}
_LONGEST_FRAME = 1_000_000


Place = tuple[str, int]
"""Of a line in its log: its stamp, and which it is of those that have the same. Podman's stamps are whole seconds."""

BEGINNING: Place = ("", 0)


class Said(msgspec.Struct, frozen=True):
    """One line; `at` wall seconds."""

    at: float
    stream: str
    text: str
    place: Place


async def last_lines(engine: Engine, container: str, count: int) -> tuple[str, ...]:
    return tuple([line.text async for line in said(engine, container, lines=count)])


async def said(engine: Engine, container: str, *, lines: int | None, follow: bool = False, after: Place = BEGINNING) -> AsyncIterator[Said]:
    """The last `lines` of a container (None: all); of those, what comes after a place. Following ends with the container."""
    if lines is None or (await engine.dialect()).cuts_logs:
        async for line in _asked(engine, container, lines=lines, follow=follow, after=after):
            yield line
    else:
        newest: deque[Said] = deque(maxlen=lines)
        async for line in _asked(engine, container, lines=None, follow=False, after=after):
            newest.append(line)
        for line in newest:
            yield line


async def _asked(engine: Engine, container: str, *, lines: int | None, follow: bool, after: Place) -> AsyncIterator[Said]:
    asked: dict[str, str | int] = {
        "stdout": 1,
        "stderr": 1,
        "timestamps": 1,
        "tail": "all" if lines is None else lines,
        "follow": int(follow),
    }
    if after > BEGINNING:
        asked |= {"since": f"{times.seconds(after[0]):.9f}", "tail": "all"}
    try:
        async with engine.stream(f"containers/{container}/logs", asked) as content:
            place = BEGINNING
            async for line in _lines(content):
                is_repeated = line.place[0] == place[0]
                place = (place[0], place[1] + 1) if is_repeated else line.place
                if place > after:
                    yield msgspec.structs.replace(line, place=place) if is_repeated else line
    except Missing:
        return  # it was forgotten meanwhile


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[Said]:
    """An unfinished last line too; each as if it were the first with its stamp."""
    begun: dict[str, tuple[str, bytearray]] = {}
    async for stream, frame in _frames(content):
        stamp, _, text = frame.partition(b" ")
        first, line = begun.pop(stream, (stamp.decode("ascii", "replace"), bytearray()))
        line += text[: max(LONGEST_LINE + 1 - len(line), 0)]
        if text.endswith(b"\n"):
            yield _said(first, stream, bytes(line))
        else:
            begun[stream] = (first, line)
    for stream, (first, line) in begun.items():
        yield _said(first, stream, bytes(line))


async def _frames(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, bytes]]:
    while True:
        try:
            header = await content.readexactly(_HEADER)
            length = int.from_bytes(header[4:], "big")
            if length > _LONGEST_FRAME:
                return  # no frame of an engine: a terminal's output has none
            yield _STREAMS.get(header[0], "stdout"), await content.readexactly(length)
        except asyncio.IncompleteReadError:
            return


def _said(stamp: str, stream: str, line: bytes) -> Said:
    is_cut = len(line) > LONGEST_LINE
    text = line[:LONGEST_LINE].decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    return Said(times.seconds(stamp), stream, text + CUT if is_cut else text, (stamp, 1))
