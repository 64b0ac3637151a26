"""The runtime `docker`: instances are containers of an engine on one host, which keeps them running without a controller.

    containers      named after the instance, labelled with whose they are (labels.py); what was stopped stays for its log
    DIRECTORY/      on the host: the highest fencing number seen of each environment
    SECRETS/        on the host, in memory: what containers must find and the engine must not show

Speaks to whatever has the engine's API, over a socket that the transport leads to. Must not: touch a container or image without its label
or name, decide what runs, probe, or route.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import PurePosixPath
from typing import Any

import msgspec

from mooring.drivers.runtime.clocks import HostClock
from mooring.drivers.runtime.contract import (
    Connected,
    Delivery,
    Heard,
    Holdings,
    Inspection,
    Interactive,
    LogQuery,
    Runtime,
    RuntimeCapabilities,
    Terminal,
    Variables,
)
from mooring.drivers.runtime.docker import labels, logs, times
from mooring.drivers.runtime.docker.containers import Container
from mooring.drivers.runtime.docker.delivery import Deliveries
from mooring.drivers.runtime.docker.engine import Engine, Missing
from mooring.drivers.runtime.docker.entering import asked, entered
from mooring.drivers.runtime.docker.host import HostFiles
from mooring.drivers.runtime.docker.instances import Instances
from mooring.drivers.runtime.docker.labels import ContainerKind, Names, asking
from mooring.drivers.runtime.docker.making import Maker
from mooring.drivers.runtime.docker.observing import Observer
from mooring.drivers.runtime.docker.reading import last_lines
from mooring.drivers.runtime.docker.session import Session
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.runtime.docker.tasks import Tasks
from mooring.drivers.runtime.docker.views import end_of, is_running
from mooring.drivers.runtime.docker.volumes import Volumes
from mooring.drivers.runtime.docker.watching import Watcher
from mooring.drivers.transport.contract import Transport
from mooring.drivers.transport.local import LocalTransport
from mooring.model.environment import EnvironmentId
from mooring.model.health import Listening
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskView
from mooring.model.lease import Mark
from mooring.model.names import ArtifactId
from mooring.model.registry import Logins, nobody
from mooring.model.release import Artifact

_KILOBYTE = 1024


class DockerRuntime:
    """Of one host. Connects with the first call. `logins`: as whom it fetches images from registries."""

    def __init__(self, transport: Transport, settings: DockerSettings, *, logins: Logins = nobody) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = HostClock()
        self._engine = Engine(transport, settings.socket)
        self._source = Engine(LocalTransport(), PurePosixPath(settings.source)) if settings.source else None
        place = settings.directory / settings.controller
        self._files = HostFiles(transport, fences=place / "fences", secrets=settings.secrets / settings.controller)
        self._names = Names(settings.controller)
        self._watcher = Watcher(self._engine, settings.controller)
        self._maker = Maker(self._engine, self._files, settings)
        self._observer = Observer(self._engine, self._watcher, self._names, address=settings.bind)
        self._instances = Instances(
            self._engine, maker=self._maker, files=self._files, watcher=self._watcher, names=self._names, settings=settings
        )
        self._volumes = Volumes(self._engine, names=self._names, settings=settings)
        self._tasks = Tasks(self._engine, maker=self._maker, files=self._files, names=self._names)
        self._deliveries = Deliveries(self._engine, source=self._source, files=self._files, settings=settings, logins=logins)
        self.capabilities = RuntimeCapabilities(
            limits_memory=True,
            limits_processors=True,
            runs_interactively=True,
            takes_strangers=True,
            memory_budget=settings.memory_budget,
            processors=settings.processors,
        )

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        await self._files.check(mark)
        return await self._deliveries.deliver(artifact)

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        await self._files.check(mark)
        return await self._deliveries.reclaim(keep)

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        return Holdings(artifacts=await self._deliveries.artifacts(), volumes=await self._volumes.names(environment))

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        await self._files.check(mark)
        await self._instances.start(spec, variables)

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._files.check(mark)
        await self._instances.stop(key, grace=grace)

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._files.check(mark)
        await self._instances.restart(key, grace=grace)

    async def observe(self) -> tuple[InstanceView, ...]:
        return await self._observer.observe()

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        found = await self._instances.newest(key)
        if found is None:
            return Inspection(view=None)
        view = self._observer.view_of(found)
        ended = self._watcher.end(found["Id"]) or end_of(found["State"])
        return Inspection(
            view=view,
            listening=await self._listening(view, found) if view else (),
            is_out_of_memory=ended.is_out_of_memory,
            last_lines=await last_lines(self._engine, found["Id"], lines),
        )

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        try:
            async with asyncio.timeout(within):
                return await asked(self._engine, key, await self._instances.running(key), command)
        except TimeoutError:
            return Heard(code=None)

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        await self._files.check(mark)
        await self._tasks.run(spec, variables)

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        return await self._tasks.view(environment, name)

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        await self._files.check(mark)
        await self._tasks.stop(environment, name)

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        before = time.time()
        said = times.seconds((await self._engine.get("info"))["SystemTime"])
        self._clock.heard(said, before=before, after=time.time())
        async with aclosing(logs.tell(self._engine, self._settings.controller, query)) as lines:
            async for line in lines:
                yield msgspec.structs.replace(line, at=self._clock.ours(line.at))

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        await self._files.check(mark)
        listed = await self._engine.listed("containers/json", asking(self._settings.controller, environment=str(environment)), all=1)
        asked = [each for each in listed if releases is None or int(labels.number(each["Labels"], labels.RELEASE)) in releases]
        freed = sum([await self._forgotten(each["Id"]) for each in asked])
        if releases is None and volumes:
            await self._volumes.remove(environment)
        return freed

    async def attach(self, spec: TaskSpec, variables: Variables, *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        image = await self._maker.image(spec.artifact)
        name = self._names.session(spec.environment, spec.name)
        container = Container(
            image=image.id,
            argv=image.argv_of(spec.command),
            environment={},
            labels=labels.of_task(self._settings.controller, spec, kind=ContainerKind.SESSION),
            terminal=terminal,
        )
        made = await self._maker.make(name, container, {"TERM": "xterm-256color", **variables} if terminal else variables, image)
        stream = await self._engine.attached(made)
        session = Session(self._engine, f"containers/{made}", stream, is_terminal=terminal, end=lambda: self._maker.discard(made, name))
        try:
            await session.begin(rows=rows, columns=columns)
        except BaseException:
            await session.close()
            raise
        return session

    async def enter(self, key: InstanceKey, argv: Sequence[str], *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        found = await self._instances.running(key)
        return await entered(self._engine, key, found, argv, terminal=terminal, rows=rows, columns=columns)

    async def close(self) -> None:
        """Let go of the engine; what runs goes on."""
        await self._watcher.close()
        for engine in (self._engine, self._source):
            if engine is not None:
                await engine.close()

    async def _listening(self, view: InstanceView, found: dict[str, Any]) -> tuple[Listening, ...]:
        """By the number that the edge uses, for the port which is published under another than it has inside."""
        bindings = found["HostConfig"].get("PortBindings") or {}
        outside = {int(inside.partition("/")[0]): view.port for inside in bindings}
        seen = await self._files.listening(view.pid) if view.pid else ()
        return tuple(Listening(each.address, outside.get(each.port, each.port)) for each in seen)

    async def _forgotten(self, container: str) -> int:
        """Bytes of one that does not run: what it wrote, and its log where the host lets us see it."""
        try:
            found = await self._engine.get(f"containers/{container}/json", {"size": 1})
            if is_running(found):
                return 0
            taken = int(found.get("SizeRw") or 0) + await self._on_disk(found.get("LogPath") or "")
            await self._maker.discard(container, found["Name"].lstrip("/"))
        except Missing:
            return 0
        return taken

    async def _on_disk(self, log: str) -> int:
        if not log:
            return 0
        ended = await self._transport.run(("du", "-sk", "--", str(PurePosixPath(log).parent)))
        words = ended.out.split()
        return int(words[0]) * _KILOBYTE if ended.code == 0 and words else 0


_runtime: type[Runtime] = DockerRuntime
_interactive: type[Interactive] = DockerRuntime
_connected: type[Connected] = DockerRuntime
