"""Looks at all instances of one host: one list, and a closer look at those that changed since the last. Must not: change anything."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from mooring.drivers.runtime.docker.engine import Engine, Missing
from mooring.drivers.runtime.docker.labels import ContainerKind, Names, asking
from mooring.drivers.runtime.docker.views import LIVE, instance_view
from mooring.drivers.runtime.docker.watching import Watcher
from mooring.errors import MooringError
from mooring.model.instance import InstanceView

_AT_ONCE = 8  # questions
_MEMORY_EVERY = 5.0  # seconds


class _Look(msgspec.Struct, frozen=True):
    version: int
    status: str
    answer: dict[str, Any]


class Observer:
    def __init__(self, engine: Engine, watcher: Watcher, names: Names, *, address: str) -> None:
        self._engine = engine
        self._watcher = watcher
        self._names = names
        self._address = address
        self._looks: dict[str, _Look] = {}
        self._memory: dict[str, tuple[float, int]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def observe(self) -> tuple[InstanceView, ...]:
        await self._watcher.begin()
        every = await self._engine.listed("containers/json", asking(self._names.controller, ContainerKind.INSTANCE), all=1)
        listed = [each for each in every if each["State"] in LIVE]
        self._forget(frozenset(each["Id"] for each in listed))
        views = await asyncio.gather(*(self._view(each["Id"], each["State"]) for each in listed))
        return tuple(sorted((view for view in views if view is not None), key=lambda view: view.key))

    async def _view(self, container: str, status: str) -> InstanceView | None:
        try:
            async with self._room:
                answer = await self._inspected(container, status)
                memory = await self._used(container) if answer["State"].get("Pid") else 0
        except Missing:
            return None
        return self.view_of(answer, memory=memory)

    def view_of(self, answer: dict[str, Any], *, memory: int = 0) -> InstanceView | None:
        is_retired = self._names.is_retired(answer["Name"])
        container = answer["Id"]
        return instance_view(
            answer,
            end=self._watcher.end(container),
            is_retired=is_retired,
            dies_often=self._watcher.dies_often(container),
            address=self._address,
            memory=memory,
        )

    async def _inspected(self, container: str, status: str) -> dict[str, Any]:
        """As it was, if nothing has happened to it since."""
        version, known = self._watcher.version(container), self._looks.get(container)
        if known is not None and (known.version, known.status) == (version, status):
            return known.answer
        answer: dict[str, Any] = await self._engine.get(f"containers/{container}/json")
        if version is not None:
            self._looks[container] = _Look(version, status, answer)
        return answer

    async def _used(self, container: str) -> int:
        """Bytes of memory, as of a few seconds ago; 0 where the engine does not say."""
        now = asyncio.get_running_loop().time()
        at, used = self._memory.get(container, (float("-inf"), 0))
        if now - at < _MEMORY_EVERY:
            return used
        try:
            told = await self._engine.get(f"containers/{container}/stats", {"stream": 0, "one-shot": 1})
            used = memory_of(told) if isinstance(told, dict) else 0
        except MooringError:
            used = 0  # it has just ended: the next look tells
        self._memory[container] = (now, used)
        return used

    def _forget(self, alive: frozenset[str]) -> None:
        self._watcher.forget(alive)
        for known in (self._looks, self._memory):
            for container in known.keys() - alive:
                del known[container]


def memory_of(stats: dict[str, Any]) -> int:
    """Without what the kernel gives back when it needs room, as `docker stats` counts. Source: docker/cli, calculateMemUsageUnixNoCache."""
    memory = stats.get("memory_stats") or {}
    details = memory.get("stats") or {}
    cached = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(int(memory.get("usage") or 0) - int(cached or 0), 0)
