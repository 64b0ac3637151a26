"""Follows the engine's events, so that only what changed is asked for again, and to know how things ended. Must not: be the only witness.

The engine forgets how a container ended as soon as it starts it again; its events tell. They come some milliseconds after what they tell,
and a broken stream may have swallowed some: while there is none, everything counts as changed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from contextlib import suppress
from typing import Any

from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.labels import asking
from mooring.drivers.runtime.docker.views import OFTEN, End
from mooring.errors import MooringError

_AGAIN_AFTER = 1.0  # seconds, when the stream broke
_SHORT_LIVES = 10.0  # seconds for OFTEN of them
_JUST_NOW = 3.0  # seconds
_BEGIN_WITHIN = 2.0  # seconds until the stream is open, before the first look goes on without it


class Watcher:
    """Begins with the first `begin`. `version` of a container grows with whatever happens to it."""

    def __init__(self, engine: Engine, controller: str) -> None:
        self._engine = engine
        self._controller = controller
        self._versions: Counter[str] = Counter()
        self._ends: dict[str, End] = {}
        self._out_of_memory: set[str] = set()
        self._deaths: dict[str, deque[tuple[float, float]]] = {}  # when by the engine's clock, and when it was told (monotonic)
        self._waits = True
        self._is_open = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_open.wait(), _BEGIN_WITHIN)

    def version(self, container: str) -> int | None:
        """None while nothing is known."""
        return self._versions[container] if self._is_open.is_set() else None

    def touch(self, container: str) -> None:
        """This driver itself is about to change it, or has."""
        self._versions[container] += 1

    def end(self, container: str) -> End | None:
        """How it ended last, where that was seen."""
        return self._ends.get(container)

    def dies_often(self, container: str) -> bool:
        """Just now, with an engine that does not wait before it starts it again: what is seen as running is gone in a moment."""
        deaths = self._deaths.get(container, deque())
        now = asyncio.get_running_loop().time()
        if self._waits or len(deaths) < OFTEN:
            return False
        (first, _), (last, told) = deaths[0], deaths[-1]
        return last - first < _SHORT_LIVES and now - told < _JUST_NOW

    def forget(self, alive: frozenset[str]) -> None:
        """What is known of containers that are gone."""
        for known in (self._versions, self._ends, self._deaths):
            for container in known.keys() - alive:
                del known[container]
        self._out_of_memory &= alive

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            with suppress(MooringError, ValueError):  # broken off, in the middle of a line too
                await self._follow()
            self._is_open.clear()
            await asyncio.sleep(_AGAIN_AFTER)

    async def _follow(self) -> None:
        """The engine tells those again first that it remembers: how something ended before this controller began is among them."""
        filters = json.dumps({"type": ["container"], **asking(self._controller)})
        self._waits = (await self._engine.dialect()).waits
        async with self._engine.stream("events", {"filters": filters, "since": "1"}) as content:
            self._deaths.clear()
            self._is_open.set()
            while line := await content.readline():
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        actor = event.get("Actor") or {}
        container, action = str(actor.get("ID", "")), str(event.get("Action", ""))
        self._versions[container] += 1
        if action == "oom":
            self._out_of_memory.add(container)
        if action == "die":
            code = int((actor.get("Attributes") or {}).get("exitCode") or 0)
            self._deaths.setdefault(container, deque(maxlen=OFTEN)).append(
                (int(event.get("timeNano") or 0) / 1e9, asyncio.get_running_loop().time())
            )
            self._ends[container] = End(code=code, is_out_of_memory=container in self._out_of_memory)
            self._out_of_memory.discard(container)
