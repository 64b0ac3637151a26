"""The runtime `process`: instances are operating-system processes under a supervisor of their own, so they need no controller.

    STATE/run/<instance>/     what runs (supervisor.py), with instance.json
    STATE/logs/               what it wrote (logfiles.py)
    STATE/ports/, fences/     whose a port is; the highest fencing number seen
    STATE/volumes/            what accessories keep, a directory each
    STATE/homes/              of the environments that are confined (confines.py)

What an instance declares as its memory it is kept to (memorykeeper.py); the plan refuses what was declared beyond the budget.
Must not: decide what runs, probe, or route.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mooring.drivers import peers
from mooring.drivers.runtime import listeners, shell
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
from mooring.drivers.runtime.process import kernel, landlock, record, surroundings
from mooring.drivers.runtime.process.asking import asked
from mooring.drivers.runtime.process.confines import Confines, shortcoming
from mooring.drivers.runtime.process.fences import Fences
from mooring.drivers.runtime.process.following import merged, tell
from mooring.drivers.runtime.process.instances import InstanceRecord, Sizes, instance_view, read_record, views, write_record
from mooring.drivers.runtime.process.logfiles import LogFiles
from mooring.drivers.runtime.process.memory import budget
from mooring.drivers.runtime.process.ports import Ports
from mooring.drivers.runtime.process.program import Program, read_program
from mooring.drivers.runtime.process.session import Command, open_session, sweep
from mooring.drivers.runtime.process.supervisor import Supervisor, view
from mooring.drivers.runtime.process.tasks import Tasks
from mooring.drivers.runtime.shell import signal_name
from mooring.errors import InvalidInput, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.health import Listening
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskView
from mooring.model.lease import Mark
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact

LOG_KEEPER = "log-keeper"
MEMORY_KEEPER = "memory-keeper"
_HERE = Path(__file__).resolve().parent
_ADDRESS = "127.0.0.1"


class ProcessRuntime:
    """Of one host, in one state directory. `ports` are the first and last that instances may get; `memory_budget` in bytes.

    All runs as the user who runs the platform: `takes_strangers` is the operator's word alone. What is confined is kept from the
    directories `hidden`, and from this runtime's own.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        ports: tuple[int, int] = (20_000, 29_999),
        memory_budget: int | None = None,
        takes_strangers: bool = False,
        hidden: Sequence[Path] = (),
    ) -> None:
        directory = supervisor.directory
        self._supervisor = supervisor
        self._run = directory / "run"
        self._logs = LogFiles(directory / "logs")
        self._fences = Fences(directory / "fences")
        self._volumes = directory / "volumes"
        self._ports = Ports(directory / "ports", low=ports[0], high=ports[1])
        self._confines = Confines(directory / "homes", hidden=(directory, *hidden))
        self._tasks = Tasks(supervisor, self._logs, self._confines)
        self._keepers: set[str] = set()
        self._sizes = Sizes()
        sweep(self._run)
        self.capabilities = RuntimeCapabilities(
            limits_memory=True,
            limits_processors=False,
            runs_interactively=True,
            takes_strangers=takes_strangers,
            memory_budget=budget() if memory_budget is None else memory_budget,
            processors=float(os.cpu_count() or 0),
            unconfined=shortcoming(landlock.version(), tells_apart=peers.tells_apart()),
        )

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        """It runs where it was built. Raises Unavailable where somebody removed it, InvalidInput for an image."""
        self._fences.check(mark)
        if artifact.image:
            raise InvalidInput("an image runs in a container engine only", hint='set runtime = "docker", and add a host that has it')
        if not await asyncio.to_thread(Path(artifact.directory).is_dir):
            raise Unavailable(f"the artifact {artifact.id} is gone", hint="deploy its source again", where=artifact.directory)
        return Delivery(sent=0, total=artifact.size)

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        """Nothing: whoever built them prunes them."""
        self._fences.check(mark)
        return 0

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        """No artifact: each lies where it was built. The home of what is confined counts as a volume."""
        places = [self._confines.home(environment), *await asyncio.to_thread(self._volumes_of, environment)]
        return Holdings(volumes=tuple(f"{place.parent.name}/{place.name}" for place in places if place.exists()))

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        signal_name(spec.stop_signal)
        self._fences.check(mark)
        with _translated(spec.key.slug):
            await self._ensure_log_keeper()
            if spec.memory:
                await self._ensure_memory_keeper()
            directory = self._directory(spec.key)
            program = read_program(directory)
            if program is not None and program.is_kept and read_record(directory) is not None:
                await self._supervisor.start_program(spec.key.slug)
            else:
                await self._supervisor.remove_program(spec.key.slug, grace=spec.kill_timeout)  # what is left of one whose record is damaged
                await self._put(spec, variables)

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        self._fences.check(mark)
        with _translated(key.slug):
            if self._directory(key).exists():
                await self._supervisor.retire_program(key.slug, grace=grace)
                self._ports.give_back(key.slug)
                await self._supervisor.forget_program(key.slug)

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        self._fences.check(mark)
        with _translated(key.slug):
            if read_program(self._directory(key)) is not None:
                await self._supervisor.restart_program(key.slug, grace=grace)

    async def observe(self) -> tuple[InstanceView, ...]:
        with _translated("instances"):
            return await asyncio.to_thread(self._views)

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        with _translated(key.slug):
            return await asyncio.to_thread(self._inspect, key, lines)

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        with _translated(key.slug):
            program, variables = await asyncio.to_thread(self._running, key)
            try:
                async with asyncio.timeout(within):
                    return await asked(self._directory(key), program, variables, command)
            except TimeoutError:
                return Heard(code=None)

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        self._fences.check(mark)
        with _translated(spec.name):
            await self._ensure_log_keeper()
            await self._tasks.run(spec, variables)

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        with _translated(name):
            return await asyncio.to_thread(self._tasks.view, environment, name)

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        self._fences.check(mark)
        with _translated(name):
            await self._tasks.stop(environment, name)

    def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        return tell(self._logs, query)

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        self._fences.check(mark)
        with _translated(environment.slug):
            await self._tasks.forget(environment, releases=releases)
            known = self._logs.releases(environment)
            gone = known if releases is None else [number for number in known if number in releases]
            freed = sum([await asyncio.to_thread(_remove, self._logs.release_directory(environment, number)) for number in gone])
            if releases is None:
                await asyncio.to_thread(_remove, self._logs.directory / environment.slug)
                await asyncio.to_thread(self._confines.forget, environment)
            if releases is None and volumes:
                await asyncio.to_thread(self._ports.give_back, environment.slug)
                freed += sum([await asyncio.to_thread(_remove, place) for place in self._volumes_of(environment)])
            return freed

    async def attach(self, spec: TaskSpec, variables: Variables, *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        """With a terminal or with pipes; it ends with its session, not with the supervisor."""
        with _translated(spec.name):
            around = await asyncio.to_thread(self._confines.around, spec)
            command = Command(
                argv=shell.argv(spec.command),
                directory=spec.directory,
                variables=surroundings.environment(variables, home=around.home),
                size=(rows, columns) if terminal else None,
                bounds=around.bounds,
            )
            return await asyncio.to_thread(open_session, self._run, command)

    async def enter(self, key: InstanceKey, argv: Sequence[str], *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        """Beside it, with what it was started with; secrets that it finds as files are the same files."""
        with _translated(key.slug):
            program, variables = await asyncio.to_thread(self._running, key)
            command = Command(
                argv=shell.words(argv),
                directory=program.directory,
                variables=variables,
                size=(rows, columns) if terminal else None,
                bounds=program.bounds,
            )
            return await asyncio.to_thread(open_session, self._run, command)

    def _volumes_of(self, environment: EnvironmentId) -> list[Path]:
        """Its own, and those of its accessories."""
        return [self._volumes / environment.slug, *self._volumes.glob(f"{environment.slug}.*")]

    def _directory(self, key: InstanceKey) -> Path:
        return self._supervisor.run_directory(key.slug)

    def _running(self, key: InstanceKey) -> tuple[Program, dict[str, str]]:
        """With its variables. Raises Unavailable where it has no process."""
        directory = self._directory(key)
        program, remembered = read_program(directory), read_record(directory)
        if program is None or remembered is None:
            raise shell.not_running(str(key))
        if not instance_view(directory, remembered, Sizes(), is_supervised=self._supervisor.is_running()).pid:
            raise shell.not_running(str(key))
        return program, record.fields(str(directory / "environment"))

    async def _put(self, spec: InstanceSpec, variables: Variables) -> None:
        owner = spec.key.environment.slug if spec.lasting is not None else spec.key.slug
        port = await asyncio.to_thread(self._ports.take, owner) if spec.listens else 0
        volume = self._volumes / spec.key.environment.slug
        if spec.lasting is not None:
            record.make_directory(str(volume))
            variables = {**variables, "VOLUME": str(volume)}
        stdout, stderr = self._logs.prepare_instance(spec.key, limit=spec.log_bytes)
        own = (stdout, stderr, *([str(volume)] if spec.lasting is not None else []))
        around = await asyncio.to_thread(self._confines.around, spec, program=self._directory(spec.key), own=own)
        write_record(self._directory(spec.key), InstanceRecord(spec=spec, address=_ADDRESS, port=port))
        program = Program(
            argv=shell.argv(spec.command),
            directory=spec.directory if spec.lasting is None else str(volume),
            stdout=stdout,
            stderr=stderr,
            stop_signal=signal_name(spec.stop_signal),
            memory=spec.memory,
            grace=spec.kill_timeout,
            bounds=around.bounds,
        )
        environment = surroundings.environment(variables, home=around.home, address=_ADDRESS, port=port)
        await self._supervisor.put_program(spec.key.slug, program, environment)

    async def _ensure_log_keeper(self) -> None:
        await self._ensure_keeper(LOG_KEEPER, "logkeeper.py", self._logs.directory)

    async def _ensure_memory_keeper(self) -> None:
        await self._ensure_keeper(MEMORY_KEEPER, "memorykeeper.py", self._run)

    async def _ensure_keeper(self, name: str, script: str, place: Path) -> None:
        """A small program for all instances; it looks after what lies in `place`."""
        if name in self._keepers:
            return
        for needed in (self._logs.directory, place):
            record.make_directory(str(needed))
        program = Program(
            argv=(sys.executable, "-I", "-S", "-E", str(_HERE / script), str(place)),
            directory=str(place),
            stdout="/dev/null",
            stderr=str(self._logs.directory / f"{name}.log"),
            priority=200,
            umask=0o077,
        )
        await self._supervisor.put_program(name, program, {})
        self._keepers.add(name)

    def _views(self) -> tuple[InstanceView, ...]:
        return views(self._run, self._sizes, is_supervised=self._supervisor.is_running())

    def _inspect(self, key: InstanceKey, lines: int) -> Inspection:
        directory = self._directory(key)
        remembered = read_record(directory)
        said = tuple(line.text for line in merged(self._logs.of_instance(key), lines))
        if remembered is None:
            return Inspection(view=None, last_lines=said)
        is_supervised = self._supervisor.is_running()
        seen = instance_view(directory, remembered, Sizes(), is_supervised=is_supervised)
        pids = [process.pid for process in kernel.members(str(directory), leader=seen.pid)]
        return Inspection(
            view=seen,
            listening=tuple(Listening(where, port) for where, port in listeners.listening(pids)),
            is_out_of_memory=view(directory, is_supervised=is_supervised).is_out_of_memory,
            last_lines=said,
            port_holder=listeners.holder(remembered.port, besides=pids) if remembered.port else "",
        )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """The file system's refusals in this program's words."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{what}: {error.strerror or error}", hint="see the disk's space and the permissions", where=what) from error


def _remove(directory: Path) -> int:
    """Bytes that it took on disk."""
    if not directory.is_dir():
        return 0
    size = sum(path.lstat().st_blocks * 512 for path in directory.rglob("*") if not path.is_dir())
    shutil.rmtree(directory, ignore_errors=True)
    return size


_runtime: type[Runtime] = ProcessRuntime
_interactive: type[Interactive] = ProcessRuntime
