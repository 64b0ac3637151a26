"""Tells the lines that a query asks for, merged by time: history first, then what comes, new instances included. Must not: redact."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import groupby, islice

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.process.logfiles import LogFile, LogFiles
from mooring.drivers.runtime.process.reading import Follower, last_lines, tail
from mooring.model.instance import LogLine

_LOOK = 0.1  # seconds between two looks at the files
_SEARCH_EVERY = 5  # looks between two searches for new files
_BATCH = 256 * 1024  # characters of history read at a time
_LINE_COST = 200  # characters that each line counts on top of its own: it is an object in memory

Followers = dict[LogFile, Follower]


async def tell(files: LogFiles, query: LogQuery) -> AsyncIterator[LogLine]:
    """Ends after the history, or never when the query follows."""
    history, followers = await asyncio.to_thread(_history, files, query)
    while batch := await asyncio.to_thread(_batch, history):
        for line in batch:
            yield line
    looks = 0
    while query.follow:
        looks += 1
        if looks % _SEARCH_EVERY == 0:
            await asyncio.to_thread(_search, files, query, followers)
        news = await asyncio.to_thread(_news, followers)
        for line in news:
            yield line
        if not news:
            await asyncio.sleep(_LOOK)


def merged(files: list[LogFile], count: int) -> list[LogLine]:
    """The newest `count` lines of one instance's streams, oldest first."""
    lines = [line for file in files for line in last_lines(file, count)[0]]
    return sorted(lines, key=lambda line: line.at)[-count:] if count else []


def _history(files: LogFiles, query: LogQuery) -> tuple[Iterator[LogLine], Followers]:
    """The lines are read as they are asked for: somebody who asks for many and reads slowly costs no memory."""
    followers: Followers = {}
    instances = []
    for _, group in groupby(files.asked(query), key=lambda file: (file.release, file.path.name.rsplit(".std", 1)[0])):
        tails = [tail(file, query.lines) for file in group]
        followers |= {each.file: Follower(each.file, each.whole) for each in tails}
        surplus = max(sum(each.count for each in tails) - query.lines, 0)
        instances.append(islice(_by_time(each.lines() for each in tails), surplus, None))
    return _by_time(instances), followers


def _by_time(sources: Iterable[Iterator[LogLine]]) -> Iterator[LogLine]:
    return heapq.merge(*sources, key=lambda line: line.at)


def _batch(lines: Iterator[LogLine]) -> list[LogLine]:
    """The next ones, as many as are worth a change of threads; empty at the end."""
    batch: list[LogLine] = []
    size = 0
    while size < _BATCH and (line := next(lines, None)) is not None:
        batch.append(line)
        size += len(line.text) + _LINE_COST
    return batch


def _search(files: LogFiles, query: LogQuery, followers: Followers) -> None:
    for file in files.asked(query):
        if file not in followers:
            followers[file] = Follower(file, 0)


def _news(followers: Followers) -> list[LogLine]:
    lines = [line for follower in followers.values() for line in follower.news()]
    return sorted(lines, key=lambda line: line.at)
