"""A whole runtime in memory: instances live, crash and are restarted by the clock they are given, virtual or real.

`behave` says how an instance behaves (a Behaviour per spec); `behave_task` likewise for tasks; `faults` loses answers and
refuses effects. It passes the same contract as the runtime `process`. Must not: start anything, or read another clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import msgspec

from mooring.drivers.runtime.contract import Delivery, Heard, Holdings, Inspection, LogQuery, Runtime, RuntimeCapabilities, Variables
from mooring.engine.contract import Clock
from mooring.errors import CapacityExceeded, StaleFence, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskState, TaskView
from mooring.model.lease import Mark
from mooring.model.names import LOCAL, ArtifactId, HostId
from mooring.model.release import Artifact
from mooring.model.secret import Secret, SecretFile, path_variable
from mooring.testing.behaviour import Behaviour
from mooring.testing.driver_faults import DriverFaults
from mooring.testing.life import FakeLife

_FOLLOW_EVERY = 0.1


class Disk(msgspec.Struct, frozen=True):
    """What outlives a host's loss of power: the instances that are to run, and what was delivered."""

    lives: tuple[FakeLife, ...]
    delivered: dict[ArtifactId, Artifact]


@dataclass
class _Task:
    spec: TaskSpec
    behaviour: Behaviour
    variables: dict[str, str]
    began: float
    stopped: float | None = None
    is_lost: bool = False  # its host went down while it ran


class FakeRuntime:
    """`starts` counts how often each key and each task was really begun: what a law about 'never twice' looks at.

    `room`: bytes of artifacts that can be delivered; None: it runs them where they were built. `host`: where in the world it is: its
    lives have it in their keys, though nobody who uses it as a runtime sees or says it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        memory_budget: int = 8_000_000_000,
        processors: float = 0.0,
        room: int | None = None,
        host: HostId = LOCAL,
        first_port: int = 20_000,
    ) -> None:
        self.capabilities = RuntimeCapabilities(
            limits_memory=False,
            limits_processors=False,
            runs_interactively=False,
            takes_strangers=True,
            memory_budget=memory_budget,
            processors=processors,
        )
        self.faults: DriverFaults[object] = DriverFaults("runtime")
        self.behave: Callable[[InstanceSpec], Behaviour] = lambda _: Behaviour()
        self.behave_task: Callable[[TaskSpec], Behaviour] = lambda _: Behaviour(exit_code=0)
        self.starts: dict[InstanceKey | tuple[EnvironmentId, str], int] = {}
        self.asked: set[tuple[InstanceKey, str]] = set()  # commands of checks, and of whom
        self.gone: dict[InstanceKey, float] = {}  # when what is no more went, in monotonic seconds
        self.delivered: dict[ArtifactId, Artifact] = {}
        self.is_full = False  # its disk: nothing new can be put there
        self._room = room
        self._clock = clock
        self._lives: dict[InstanceKey, FakeLife] = {}
        self._tasks: dict[tuple[EnvironmentId, str], _Task] = {}
        self._begun: set[tuple[EnvironmentId, str]] = set()  # every task ever begun
        self._past_lines: list[tuple[EnvironmentId, LogLine]] = []
        self._fences: dict[EnvironmentId, int] = {}
        self.volumes: dict[EnvironmentId, list[InstanceKey]] = {}  # who has written into it, of those there are
        self._ports: dict[EnvironmentId, int] = {}  # of what is lasting
        self._host = host
        self._next_port = first_port
        self._next_pid = first_port - 10_000

    # what the contract asks

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        with self._effect("deliver", mark, artifact.id):
            if self._room is None or artifact.id in self.delivered:
                return Delivery(sent=0, total=artifact.size)
            free = 0 if self.is_full else self._room - sum(each.size for each in self.delivered.values())
            if artifact.size > free:
                raise CapacityExceeded(f"{artifact.id} needs {artifact.size} bytes, and {free} are free")
            self.delivered[artifact.id] = artifact
            return Delivery(sent=artifact.size, total=artifact.size)

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        with self._effect("reclaim", mark, mark.environment):
            running = {life.spec.artifact.id for life in self._lives.values() if life.spec.artifact}
            gone = [each for name, each in self.delivered.items() if name not in keep | running]
            for each in gone:
                del self.delivered[each.id]
            return sum(each.size for each in gone)

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        self.faults.check_sight()
        volumes = tuple(str(owner) for owner in self.volumes if environment in (owner, owner.home))
        return Holdings(artifacts=frozenset(self.delivered), volumes=volumes)

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        spec = msgspec.structs.replace(spec, key=self._placed(spec.key))
        with self._effect("start", mark, spec.key):
            known = self._lives.get(spec.key)
            if known is not None and not known.has_stopped(self._clock.monotonic()):
                return
            self._check_disk()
            self._check_delivered(spec.artifact)
            self._next_pid += 10_000
            self._lives[spec.key] = FakeLife(
                spec=spec,
                behaviour=self.behave(spec),
                port=self._port(spec),
                variables=_revealed(variables),
                started=self._clock.monotonic(),
                wall_offset=self._clock.wall() - self._clock.monotonic(),
                pid=self._next_pid,
            )
            self.starts[spec.key] = self.starts.get(spec.key, 0) + 1
            if spec.lasting is not None:
                self.volumes.setdefault(spec.key.environment, []).append(spec.key)

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        key = self._placed(key)
        with self._effect("stop", mark, key):
            life = self._lives.get(key)
            if life is None:
                return
            life.stops_at = self._clock.monotonic() + min(grace, life.behaviour.stop_takes)
            await self._sleep_until(life.stops_at)
            if self._lives.get(key) is life:  # and not lost with its host meanwhile, and back
                self._keep_lines(life)
                self._remove(key)

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        key = self._placed(key)
        with self._effect("restart", mark, key):
            life = self._lives.get(key)
            if life is None:
                return
            await self._sleep_until(self._clock.monotonic() + min(grace, life.behaviour.stop_takes))
            life.restart(self._clock.monotonic())

    async def observe(self) -> tuple[InstanceView, ...]:
        self.faults.check_sight()
        return tuple(self._view(self._lives[key]) for key in sorted(self._lives))

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        self.faults.check_sight()
        life = self._lives.get(self._placed(key))
        if life is None:
            said = [line.text for environment, line in self._past_lines if environment == key.environment and _is_of(line, key)]
            return Inspection(view=None, last_lines=tuple(said[-lines:]))
        now, view = self._clock.monotonic(), self._view(life)
        has_died = view.exit_code is not None or bool(view.signal)
        return Inspection(
            view=view,
            listening=life.listening(now),
            is_out_of_memory=life.behaviour.is_out_of_memory and has_died,
            last_lines=tuple(text for _, text in life.lines[-lines:]),
        )

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        """Whatever the command is: 0 once the instance is ready; no answer where it gives none over HTTP either."""
        self.faults.check_sight()
        self.asked.add((self._placed(key), command))
        life = self._lives.get(self._placed(key))
        if life is None or life.view(self._clock.monotonic()).pid == 0:
            raise Unavailable(f"{key} does not run now")
        if not life.is_ready(self._clock.monotonic()):
            return Heard(code=1, said="not ready")
        if life.behaviour.answers == 0:
            await self._clock.sleep(within)
            return Heard(code=None)
        await self._clock.sleep(life.behaviour.latency)
        life.has_answered = True
        return Heard(code=0)

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        name = (spec.environment, spec.name)
        with self._effect("run_task", mark, spec.name):
            if name in self._tasks:
                return
            self._check_disk()
            self._tasks[name] = _Task(spec, self.behave_task(spec), _revealed(variables), self._clock.monotonic())
            self.starts[name] = self.starts.get(name, 0) + 1
            self._begun.add(name)

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        self.faults.check_sight()
        task = self._tasks.get((environment, name))
        if task is None:
            return TaskView(environment=environment, name=name, state=TaskState.ABSENT)
        state, code = self._task_state(task)
        return TaskView(environment=environment, name=name, state=state, exit_code=code, last_lines=task.behaviour.lines[-50:])

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        with self._effect("stop_task", mark, name):
            task = self._tasks.get((environment, name))
            if task is not None and self._task_state(task)[0] is TaskState.RUNNING:
                task.stopped = self._clock.monotonic()

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        told: set[tuple[float, str, str]] = set()
        while True:
            self.faults.check_sight()
            for line in self._lines(query):
                mark = (line.at, f"{line.release}.{line.source}", line.text)
                if mark not in told:
                    told.add(mark)
                    yield line
            if not query.follow:
                return
            await self._clock.sleep(_FOLLOW_EVERY)

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        with self._effect("forget", mark, environment):
            gone = [entry for entry in self._past_lines if entry[0] == environment and (releases is None or entry[1].release in releases)]
            self._past_lines = [entry for entry in self._past_lines if entry not in gone]
            for name, task in list(self._tasks.items()):
                if name[0] == environment and (releases is None or task.spec.release in releases):
                    del self._tasks[name]
            if releases is None:  # whoever comes by this name is somebody else, and counts from 1
                self._begun = {name for name in self._begun if name[0] != environment}
                self.starts = {name: count for name, count in self.starts.items() if not isinstance(name, tuple) or name[0] != environment}
                if volumes:
                    self._ports.pop(environment, None)
                    self.volumes = {owner: each for owner, each in self.volumes.items() if environment not in (owner, owner.home)}
            return sum(len(line.text) + 1 for _, line in gone)

    # what a test asks

    def life(self, key: InstanceKey) -> FakeLife | None:
        """The instance itself: its variables, its behaviour, which may be replaced."""
        return self._lives.get(self._placed(key))

    def lives(self) -> tuple[FakeLife, ...]:
        return tuple(self._lives.values())

    def kill(self, key: InstanceKey) -> None:
        """Its process dies by SIGKILL, and is started again."""
        self._lives[self._placed(key)].kill(self._clock.monotonic())

    def lose_host(self, keys: Iterable[InstanceKey] | None = None) -> None:
        """These instances (None: all, and the tasks that run) are gone, as after a host's loss."""
        for task in self._tasks.values() if keys is None else ():
            task.is_lost = self._task_state(task)[0] is TaskState.RUNNING
        for key in list(self._lives if keys is None else keys):
            self._remove(key)

    def disk(self) -> Disk:
        """As it is now."""
        return Disk(
            lives=tuple(replace(life, lines=list(life.lines), stops_at=None) for life in self._lives.values()),
            delivered=dict(self.delivered),
        )

    def boot(self, disk: Disk) -> None:
        """It comes up with this disk: by itself it starts what is to run."""
        self.delivered = dict(disk.delivered)
        for life in disk.lives:
            life.restart(self._clock.monotonic())
            self._lives[life.spec.key] = life

    def put_back(self, lives: Mapping[InstanceKey, FakeLife]) -> None:
        """These live again, as on a host whose disk was restored."""
        self._lives.update(lives)

    def running_tasks(self, environment: EnvironmentId) -> tuple[str, ...]:
        """Names of its one-off commands that run now."""
        mine = [(name, task) for (owner, name), task in self._tasks.items() if owner == environment]
        return tuple(name for name, task in mine if self._task_state(task)[0] is TaskState.RUNNING)

    def task_counts(self, environment: EnvironmentId) -> dict[str, int]:
        """How often each of the commands of its releases was begun, by the task's name."""
        return {name: self.starts[owner, name] for owner, name in self._begun if owner == environment}

    def task_variables(self, environment: EnvironmentId, name: str) -> dict[str, str]:
        return self._tasks[environment, name].variables

    # within

    def _effect(self, method: str, mark: Mark, subject: object) -> AbstractContextManager[None]:
        seen = self._fences.get(mark.environment, 0)
        if mark.fence < seen:
            raise StaleFence(f"{mark.operation}: number {mark.fence} is older than {seen}", where=str(mark.environment))
        self._fences[mark.environment] = mark.fence
        return self.faults.around(method, subject)

    def _port(self, spec: InstanceSpec) -> int:
        """The next one; of what is lasting the one that it ever had."""
        known = self._ports.get(spec.key.environment) if spec.lasting is not None else None
        if known is not None or not spec.listens:
            return known or 0
        self._next_port += 1
        if spec.lasting is not None:
            self._ports[spec.key.environment] = self._next_port
        return self._next_port

    def _placed(self, key: InstanceKey) -> InstanceKey:
        return msgspec.structs.replace(key, host=self._host)

    def _view(self, life: FakeLife) -> InstanceView:
        view = life.view(self._clock.monotonic())
        return msgspec.structs.replace(view, key=msgspec.structs.replace(view.key, host=LOCAL))

    def _check_delivered(self, artifact: Artifact | None) -> None:
        if self._room is not None and (artifact is None or artifact.id not in self.delivered):
            raise Unavailable(f"the artifact {artifact.id if artifact else '?'} was not delivered")

    def _check_disk(self) -> None:
        if self.is_full:
            raise Unavailable("No space left on device")

    def _remove(self, key: InstanceKey) -> None:
        self._lives.pop(key, None)
        self.gone[key] = self._clock.monotonic()

    async def _sleep_until(self, moment: float) -> None:
        while (left := moment - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def _task_state(self, task: _Task) -> tuple[TaskState, int | None]:
        if task.is_lost:
            return TaskState.LOST, None
        ends = task.began + (task.behaviour.exits_after or 0.0)
        timeout = task.began + task.spec.timeout
        if task.stopped is not None and task.stopped < min(ends, timeout):
            return TaskState.FAILED, 143
        if self._clock.monotonic() < min(ends, timeout):
            return TaskState.RUNNING, None
        if timeout < ends:
            return TaskState.FAILED, 124
        return (TaskState.SUCCEEDED if task.behaviour.exit_code == 0 else TaskState.FAILED), task.behaviour.exit_code

    def _lines(self, query: LogQuery) -> list[LogLine]:
        lines = [line for environment, line in self._past_lines if environment == query.environment]
        for life in self._lives.values():
            life.advance(self._clock.monotonic())
            if life.spec.key.environment == query.environment:
                lines += _as_lines(life)
        chosen = [line for line in lines if _is_asked(line, query)]
        if not query.lines:
            return []
        sources = {(line.source, line.release) for line in chosen}
        own = ([line for line in chosen if (line.source, line.release) == source][-query.lines :] for source in sources)
        return sorted((line for lines in own for line in lines), key=lambda line: (line.at, line.source))

    def _keep_lines(self, life: FakeLife) -> None:
        self._past_lines += [(life.spec.key.environment, line) for line in _as_lines(life)]


def _revealed(variables: Variables) -> dict[str, str]:
    """As a process sees them; the files are not made, their values stand in place of the paths."""
    names = {name: path_variable(name) if isinstance(value, SecretFile) else name for name, value in variables.items()}
    return {names[name]: value.reveal() if isinstance(value, Secret) else value for name, value in variables.items()}


def _as_lines(life: FakeLife) -> list[LogLine]:
    key = life.spec.key
    source = f"{key.process}.{key.slot}"
    return [LogLine(at=at, source=source, release=key.release, stream="stdout", text=text) for at, text in life.lines]


def _is_of(line: LogLine, key: InstanceKey) -> bool:
    return line.source == f"{key.process}.{key.slot}" and line.release == key.release


def _is_asked(line: LogLine, query: LogQuery) -> bool:
    process, _, slot = line.source.partition(".")
    return (
        (query.process is None or process == query.process)
        and (query.slot is None or slot == str(query.slot))
        and (query.release is None or line.release == query.release)
    )


_: type[Runtime] = FakeRuntime
