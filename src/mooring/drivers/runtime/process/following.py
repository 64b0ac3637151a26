"""Tells the lines that a query asks for, merged by time: history first, then what comes, new instances included. Must not: redact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.process.logfiles import LogFile, LogFiles
from mooring.drivers.runtime.process.reading import Follower, last_lines
from mooring.model.instance import LogLine

_LOOK = 0.1  # seconds between two looks at the files
_SEARCH_EVERY = 5  # looks between two searches for new files

Followers = dict[LogFile, Follower]


async def tell(files: LogFiles, query: LogQuery) -> AsyncIterator[LogLine]:
    """Ends after the history, or never when the query follows."""
    lines, followers = await asyncio.to_thread(_history, files, query)
    for line in lines:
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


def _history(files: LogFiles, query: LogQuery) -> tuple[list[LogLine], Followers]:
    lines: list[LogLine] = []
    followers: Followers = {}
    for _, group in groupby(files.asked(query), key=lambda file: (file.release, file.path.name.rsplit(".std", 1)[0])):
        own: list[LogLine] = []
        for file in group:
            found, end = last_lines(file, query.lines)
            own += found
            followers[file] = Follower(file, end)
        lines += sorted(own, key=lambda line: line.at)[-query.lines :] if query.lines else []
    return sorted(lines, key=lambda line: line.at), followers


def _search(files: LogFiles, query: LogQuery, followers: Followers) -> None:
    for file in files.asked(query):
        if file not in followers:
            followers[file] = Follower(file, 0)


def _news(followers: Followers) -> list[LogLine]:
    lines = [line for follower in followers.values() for line in follower.news()]
    return sorted(lines, key=lambda line: line.at)
