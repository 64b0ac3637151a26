"""A runtime at the other end of a long line: every call takes the time of a round trip. Must not: change what is asked or answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from mooring.drivers.runtime.contract import Delivery, Heard, Holdings, Inspection, LogQuery, Runtime, RuntimeCapabilities, Variables
from mooring.engine.contract import Clock
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskView
from mooring.model.lease import Mark
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact

Answer = TypeVar("Answer")


class DistantRuntime:
    """`round_trip` in seconds, half of it before anything happens. `calls` counts what was asked, by name."""

    def __init__(self, runtime: Runtime, clock: Clock, *, round_trip: float) -> None:
        self.calls: dict[str, int] = {}
        self._runtime = runtime
        self._clock = clock
        self._half = round_trip / 2

    @property
    def capabilities(self) -> RuntimeCapabilities:
        return self._runtime.capabilities

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        await self._there("deliver")
        return await self._back(await self._runtime.deliver(mark, artifact))

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        await self._there("reclaim")
        return await self._back(await self._runtime.reclaim(mark, keep=keep))

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        await self._there("holdings")
        return await self._back(await self._runtime.holdings(environment))

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        await self._there("start")
        await self._runtime.start(mark, spec, variables)
        await self._back(None)

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._there("stop")
        await self._runtime.stop(mark, key, grace=grace)
        await self._back(None)

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._there("restart")
        await self._runtime.restart(mark, key, grace=grace)
        await self._back(None)

    async def observe(self) -> tuple[InstanceView, ...]:
        await self._there("observe")
        return await self._back(await self._runtime.observe())

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        await self._there("inspect")
        return await self._back(await self._runtime.inspect(key, lines=lines))

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        await self._there("ask")
        return await self._back(await self._runtime.ask(key, command, within=within))

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        await self._there("run_task")
        await self._runtime.run_task(mark, spec, variables)
        await self._back(None)

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        await self._there("observe_task")
        return await self._back(await self._runtime.observe_task(environment, name))

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        await self._there("stop_task")
        await self._runtime.stop_task(mark, environment, name)
        await self._back(None)

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        await self._there("logs")
        async for line in self._runtime.logs(query):
            yield line

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        await self._there("forget")
        return await self._back(await self._runtime.forget(mark, environment, releases=releases, volumes=volumes))

    async def _there(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        await self._clock.sleep(self._half)

    async def _back(self, answer: Answer) -> Answer:
        await self._clock.sleep(self._half)
        return answer


_: type[Runtime] = DistantRuntime
