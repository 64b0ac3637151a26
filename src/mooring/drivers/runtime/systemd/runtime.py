"""The runtime `systemd`: instances are units of a host's own systemd, so they need nothing of Mooring's to run.

    DIRECTORY/            what lies there: onhost/place.py
    unit files            mooring-<slug>.service, enabled: the host starts them when it boots
    the host's journal    what they said

Over a transport, one round trip for each call; what has to happen there as one is in onhost/. Root gets units of the system, with a
user made for each environment; any other account gets units of its own, which linger. Must not: decide what runs, probe, or route.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, BinaryIO, cast

import msgspec

from mooring.drivers.runtime.clocks import HostClock
from mooring.drivers.runtime.contract import (
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
from mooring.drivers.runtime.hearing import told
from mooring.drivers.runtime.shell import SHELL
from mooring.drivers.runtime.systemd import asked
from mooring.drivers.runtime.systemd.asking import OnHost
from mooring.drivers.runtime.systemd.delivery import Parcel, parcel, write_tar
from mooring.drivers.runtime.systemd.session import opened
from mooring.drivers.transport.contract import Transport
from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.model.health import Listening
from mooring.model.host import INSTANCE_PORTS, HostRuntime
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskView
from mooring.model.lease import Mark
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact

_PIECE = 4_000_000  # bytes that cross the line at once
_WITHIN = 60.0  # seconds for what waits for no app
_UNPACK_WITHIN = 600.0
_MARGIN = 60.0  # seconds beyond a grace
_ASK_MARGIN = 15.0  # seconds beyond the time of a check's command
_MOST_ASKED = 3  # at once
_FOLLOW = 10.0  # seconds that the host waits for a line before it says that there is none


class SystemdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`address`: where instances are to listen, and where the edge reaches them. `ports`: the first and last that they may get.

    `memory_budget` in bytes; `processors` that the host has, 0: not known. `directory` on the host: empty for the usual one of the account.
    """

    memory_budget: int
    processors: float = 0.0
    address: str = "127.0.0.1"
    ports: tuple[int, int] = INSTANCE_PORTS[HostRuntime.SYSTEMD]
    takes_strangers: bool = False
    directory: str = ""


class SystemdRuntime:
    """Of one host."""

    def __init__(self, transport: Transport, settings: SystemdSettings) -> None:
        self._host = OnHost(transport, settings.directory)
        self._settings = settings
        self._clock = HostClock()
        self._asking = asyncio.Semaphore(_MOST_ASKED)
        self.capabilities = RuntimeCapabilities(
            limits_memory=True,
            limits_processors=True,
            runs_interactively=True,
            takes_strangers=settings.takes_strangers,
            memory_budget=settings.memory_budget,
            processors=settings.processors,
        )

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        if artifact.image:
            raise InvalidInput("an image runs in a container engine only", hint='set runtime = "docker", and add a host that has it')
        found = await asyncio.to_thread(parcel, artifact)
        words: dict[str, Any] = {"mark": asked.mark_words(mark), "id": found.id}
        offered = await self._host.ask("offer", **words, sizes=found.sizes, needs=found.needs, dependencies=list(artifact.dependencies))
        if offered["total"]:
            return Delivery(sent=0, total=offered["total"])
        sent = await self._send(found, offered["wanted"])
        manifest = {"total": found.total, "shown": found.trees}
        await self._host.ask("unpack", within=_UNPACK_WITHIN, **words, wanted=offered["wanted"], manifest=manifest)
        return Delivery(sent=sent, total=found.total)

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        return int((await self._host.ask("reclaim", within=_UNPACK_WITHIN, mark=asked.mark_words(mark), keep=sorted(keep)))["freed"])

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        found = await self._host.ask("holdings", environment=environment.slug)
        return Holdings(artifacts=frozenset(map(ArtifactId, found["artifacts"])), volumes=tuple(found["volumes"]))

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        await self._host.ask(
            "start",
            mark=asked.mark_words(mark),
            spec=asked.instance_words(spec, variables),
            address=self._settings.address,
            ports=self._settings.ports,
        )

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._host.ask("stop", within=grace + _MARGIN, mark=asked.mark_words(mark), slug=key.slug, grace=grace)

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._host.ask("restart", within=grace + _MARGIN, mark=asked.mark_words(mark), slug=key.slug, grace=grace)

    async def observe(self) -> tuple[InstanceView, ...]:
        seen = (await self._host.ask("observe"))["instances"]
        return tuple(sorted((asked.instance_view(each) for each in seen), key=lambda view: view.key))

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        found = await self._host.ask("inspect", slug=key.slug, lines=lines)
        if found["instance"] is None:
            return Inspection(view=None, last_lines=tuple(found["lines"]))
        return Inspection(
            view=asked.instance_view(found["instance"]),
            listening=tuple(Listening(address, port) for address, port in found["listening"]),
            is_out_of_memory=bool(found["instance"]["exit"].get("is_out_of_memory")),
            last_lines=tuple(found["lines"]),
            port_holder=found["port_holder"],
        )

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        """Some at a time: each takes one of the few places that a host has for commands, for as long as it lasts."""
        words = asked.entering_words(key, (SHELL, "-c", command), None)
        async with self._asking:
            found = await self._host.ask("check", within=within + _ASK_MARGIN, name=secrets.token_hex(8), seconds=within, **words)
        return Heard(code=None) if found["code"] is None else told(int(found["code"]), found["said"].encode())

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        await self._host.ask("run_task", mark=asked.mark_words(mark), spec=asked.task_words(spec, variables))

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        seen = await self._host.ask("observe_task", slug=asked.task_slug(environment.slug, name))
        return asked.task_view(environment, name, seen)

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        slug = asked.task_slug(environment.slug, name)
        await self._host.ask("stop_task", within=_MARGIN, mark=asked.mark_words(mark), slug=slug)

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        """Following asks the host again and again; each time it answers when there is something, or after ten seconds."""
        words, before = asked.query_words(query), time.time()
        found = await self._host.ask("history", **words)
        self._clock.heard(found["place"][0] / 1_000_000, before=before, after=time.time())
        while True:
            for row in found["lines"]:
                line = asked.log_line(row)
                yield msgspec.structs.replace(line, at=self._clock.ours(line.at))
            if not query.follow:
                return
            found = await self._host.ask("follow", **words, place=found["place"], wait=_FOLLOW)

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        """What is remembered of the journal goes; the lines themselves go when the host's journal drops its oldest."""
        wanted = None if releases is None else sorted(releases)
        answer = await self._host.ask("forget", mark=asked.mark_words(mark), environment=environment.slug, releases=wanted, volumes=volumes)
        return int(answer["freed"])

    async def attach(self, spec: TaskSpec, variables: Variables, *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        window = (rows, columns) if terminal else None
        return await opened(self._host, asked.session_words(spec, variables, window), is_terminal=terminal)

    async def enter(self, key: InstanceKey, argv: Sequence[str], *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        window = (rows, columns) if terminal else None
        return await opened(self._host, asked.entering_words(key, argv, window), is_terminal=terminal)

    async def _send(self, found: Parcel, names: list[str]) -> int:
        """The tar file, a piece at a time, so that neither side holds more than one in memory; bytes."""
        with tempfile.TemporaryFile() as file:
            size = await asyncio.to_thread(write_tar, found, names, cast(BinaryIO, file))
            for offset in range(0, size, _PIECE):
                await self._host.ask("receive", id=found.id, offset=offset, payload=await asyncio.to_thread(_piece, file, offset))
        return size


def _piece(file: Any, offset: int) -> bytes:
    file.seek(offset)
    return cast(bytes, file.read(_PIECE))


_runtime: type[Runtime] = SystemdRuntime
_interactive: type[Interactive] = SystemdRuntime
