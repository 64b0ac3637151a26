"""The runtimes and the edge as a controller reaches them over a Wire. With nothing going wrong on it they keep their contracts.

Must not: do more than pass on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from mooring.drivers.edge.contract import Edge, EdgeCapabilities
from mooring.drivers.runtime.contract import Delivery, Heard, Holdings, Inspection, LogQuery, Runtime, RuntimeCapabilities, Variables
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskView
from mooring.model.lease import Mark
from mooring.model.names import LOCAL, ArtifactId, HostId, Hostname
from mooring.model.release import Artifact
from mooring.model.routing import RouteTable, RouteView, Traffic
from mooring.testing.simulator.wire import EDGE, Wire


class RuntimeLine:
    """A runtime at the other end of the wire."""

    def __init__(self, runtime: Runtime, wire: Wire, host: HostId = LOCAL) -> None:
        self._runtime = runtime
        self._wire = wire
        self._host = host

    @property
    def capabilities(self) -> RuntimeCapabilities:
        return self._runtime.capabilities

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        return await self._wire.carry(self._host, "runtime.deliver", mark, artifact.id, lambda: self._runtime.deliver(mark, artifact))

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        return await self._wire.carry(self._host, "runtime.reclaim", mark, mark.environment, lambda: self._runtime.reclaim(mark, keep=keep))

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        return await self._wire.look(self._host, lambda: self._runtime.holdings(environment), task=(environment, "holdings"))

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        await self._wire.carry(self._host, "runtime.start", mark, spec.key, lambda: self._runtime.start(mark, spec, variables))

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._wire.carry(self._host, "runtime.stop", mark, key, lambda: self._runtime.stop(mark, key, grace=grace))

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._wire.carry(self._host, "runtime.restart", mark, key, lambda: self._runtime.restart(mark, key, grace=grace))

    async def observe(self) -> tuple[InstanceView, ...]:
        return await self._wire.look(self._host, self._runtime.observe)

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        return await self._runtime.inspect(key, lines=lines)

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        """It waits for no effect, and nothing is learnt by it of what was lost. What is gone refuses at once, as to a FakeProber."""
        if not self._wire.reaches(self._host) and key in {view.key for view in await self._runtime.observe()}:
            await self._wire.swallow(seconds=within)
            return Heard(code=None)
        return await self._runtime.ask(key, command, within=within)

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        await self._wire.carry(self._host, "runtime.run_task", mark, spec.name, lambda: self._runtime.run_task(mark, spec, variables))

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        return await self._wire.look(self._host, lambda: self._runtime.observe_task(environment, name), task=(environment, name))

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        await self._wire.carry(self._host, "runtime.stop_task", mark, name, lambda: self._runtime.stop_task(mark, environment, name))

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        async for line in self._runtime.logs(query):
            yield line

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        return await self._wire.carry(
            self._host,
            "runtime.forget",
            mark,
            environment,
            lambda: self._runtime.forget(mark, environment, releases=releases, volumes=volumes),
        )


class EdgeLine:
    """An edge at the other end of the wire."""

    def __init__(self, edge: Edge, wire: Wire) -> None:
        self._edge = edge
        self._wire = wire

    @property
    def capabilities(self) -> EdgeCapabilities:
        return self._edge.capabilities

    async def apply(self, mark: Mark, table: RouteTable) -> None:
        await self._wire.carry(EDGE, "edge.apply", mark, mark.environment, lambda: self._edge.apply(mark, table))

    async def remove(self, mark: Mark) -> None:
        await self._wire.carry(EDGE, "edge.remove", mark, mark.environment, lambda: self._edge.remove(mark))

    async def observe(self, environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        return await self._wire.look(EDGE, lambda: self._edge.observe(environment))

    async def traffic(self, environment: EnvironmentId, *, since: float, until: float) -> Traffic:
        return await self._edge.traffic(environment, since=since, until=until)

    async def waited_for(self) -> frozenset[EnvironmentId]:
        return await self._edge.waited_for()

    def url(self, hostname: Hostname) -> str:
        return self._edge.url(hostname)


_runtime: type[Runtime] = RuntimeLine
_edge: type[Edge] = EdgeLine
