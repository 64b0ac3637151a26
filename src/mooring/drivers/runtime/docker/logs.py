"""Tells the lines that a query asks for, of running and stopped containers, merged by time: history first, then news. Must not: redact."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import count, groupby
from typing import Any

import msgspec

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.docker import labels
from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.labels import asking
from mooring.drivers.runtime.docker.reading import BEGINNING, Place, Said, said
from mooring.model.instance import LogLine

_LOOK = 0.3  # seconds between two looks for new containers
_WAITING = 1000  # lines that may wait for whoever follows
_LIVE = ("running", "restarting", "stopped")


class Source(msgspec.Struct, frozen=True, order=True):
    """A container as a log: ordered by release and source, then by age."""

    release: int
    source: str
    created: float
    container: str
    is_live: bool


async def tell(engine: Engine, controller: str, query: LogQuery) -> AsyncGenerator[LogLine, None]:
    """Ends after the history, or never when the query follows."""
    reached: dict[str, Place] = {}
    async with aclosing(_history(engine, controller, query, reached)) as history:
        async for line in history:
            yield line
    if query.follow:
        async with aclosing(_news(engine, controller, query, reached)) as news:
            async for line in news:
                yield line


async def sources(engine: Engine, controller: str, query: LogQuery) -> list[Source]:
    listed = await engine.listed("containers/json", asking(controller, environment=str(query.environment)), all=1)
    found = [_source(each) for each in listed]
    return sorted(each for each, marks in zip(found, [each["Labels"] for each in listed], strict=True) if _is_asked(query, each, marks))


def _source(listed: dict[str, Any]) -> Source:
    marks = listed["Labels"]
    name = marks.get(labels.TASK) or f"{marks.get(labels.PROCESS)}.{marks.get(labels.SLOT)}"
    release = int(labels.number(marks, labels.RELEASE))
    return Source(release, name, float(listed["Created"]), listed["Id"], listed["State"] in _LIVE)


def _is_asked(query: LogQuery, source: Source, marks: dict[str, str]) -> bool:
    if marks.get(labels.KIND) == labels.ContainerKind.SESSION.value:
        return False  # whoever is attached sees it
    if query.release is not None and source.release != query.release:
        return False
    if query.process is not None and marks.get(labels.PROCESS) != query.process:
        return False
    return query.slot is None or marks.get(labels.SLOT) == str(query.slot)


async def _history(engine: Engine, controller: str, query: LogQuery, reached: dict[str, Place]) -> AsyncGenerator[LogLine, None]:
    """Of each instance its newest lines; one line of each container in memory, and those that are asked for where an instance had several
    containers or the engine cannot cut its logs.
    """
    groups = groupby(await sources(engine, controller, query), key=lambda each: (each.release, each.source))
    told = [_of_instance(engine, list(group), query.lines, reached) for _, group in groups]
    numbers = count()
    heap: list[tuple[float, int, LogLine, AsyncIterator[LogLine]]] = []
    for lines in told:
        await _push(heap, lines, numbers)
    while heap:
        _, _, line, lines = heapq.heappop(heap)
        yield line
        await _push(heap, lines, numbers)


async def _push(heap: list[tuple[float, int, LogLine, AsyncIterator[LogLine]]], lines: AsyncIterator[LogLine], numbers: count[int]) -> None:
    line = await anext(lines, None)
    if line is not None:
        heapq.heappush(heap, (line.at, next(numbers), line, lines))


async def _of_instance(engine: Engine, containers: list[Source], lines: int, reached: dict[str, Place]) -> AsyncIterator[LogLine]:
    if len(containers) == 1:
        async for line in _of_container(engine, containers[0], lines, reached):
            yield line
        return
    newest: deque[LogLine] = deque(maxlen=lines)
    for each in containers:
        newest.extend([line async for line in _of_container(engine, each, lines, reached)])
    for line in newest:
        yield line


async def _of_container(engine: Engine, source: Source, lines: int, reached: dict[str, Place]) -> AsyncIterator[LogLine]:
    reached.setdefault(source.container, BEGINNING)
    async for line in said(engine, source.container, lines=max(lines, 1)):
        reached[source.container] = line.place
        if lines:
            yield _told(source, line)


async def _news(engine: Engine, controller: str, query: LogQuery, reached: dict[str, Place]) -> AsyncGenerator[LogLine, None]:
    """What every container says from where the history ended; those that began later, from their first line."""
    waiting: asyncio.Queue[LogLine] = asyncio.Queue(_WAITING)
    follower = asyncio.create_task(_follow_all(engine, controller, query, reached, waiting))
    try:
        while True:
            asked = asyncio.create_task(waiting.get())
            await asyncio.wait({asked, follower}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                asked.cancel()
                follower.result()  # raises what ended it
                return
            yield asked.result()
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


async def _follow_all(engine: Engine, controller: str, query: LogQuery, reached: dict[str, Place], waiting: asyncio.Queue[LogLine]) -> None:
    """One stream for each container that runs; of one that ended, its last words once more."""
    ended: set[str] = set()
    following: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            for each in await sources(engine, controller, query):
                task = following.get(each.container)
                if each.container in ended or not (task is None or task.done()):
                    continue
                if task is not None:
                    task.result()  # raises what ended it
                if not each.is_live:
                    ended.add(each.container)
                following[each.container] = asyncio.create_task(_follow(engine, each, reached, waiting))
            await asyncio.sleep(_LOOK)
    finally:
        for task in following.values():
            task.cancel()
        await asyncio.gather(*following.values(), return_exceptions=True)


async def _follow(engine: Engine, source: Source, reached: dict[str, Place], waiting: asyncio.Queue[LogLine]) -> None:
    after = reached.get(source.container, BEGINNING)
    async for line in said(engine, source.container, lines=None, follow=source.is_live, after=after):
        reached[source.container] = line.place
        await waiting.put(_told(source, line))


def _told(source: Source, line: Said) -> LogLine:
    return LogLine(at=line.at, source=source.source, release=source.release, stream=line.stream, text=line.text)
