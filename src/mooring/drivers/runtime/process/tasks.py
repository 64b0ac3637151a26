"""One-offs: begun at most once, running without the controller, their end on disk. Must not: run one again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec

from mooring.drivers.runtime import shell
from mooring.drivers.runtime.contract import Variables
from mooring.drivers.runtime.process import record, surroundings
from mooring.drivers.runtime.process.confines import Confines
from mooring.drivers.runtime.process.ending import end
from mooring.drivers.runtime.process.following import merged
from mooring.drivers.runtime.process.logfiles import LogFiles
from mooring.drivers.runtime.process.program import Program
from mooring.drivers.runtime.process.status import Status
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.errors import OutcomeUnknown
from mooring.model.environment import EnvironmentId
from mooring.model.instance import TaskSpec, TaskState, TaskView

_LOG_BYTES = 10_000_000
_LAST_LINES = 50
_BEGIN_PATIENCE = 10.0  # seconds
_STOP_GRACE = 15.0  # the one-off itself gives its command 5 of them


class Tasks:
    """`run/<environment>@<name>/` beside the instances' directories: task.json, begun, result."""

    def __init__(self, supervisor: Supervisor, logs: LogFiles, confines: Confines) -> None:
        self._supervisor = supervisor
        self._logs = logs
        self._confines = confines

    async def run(self, spec: TaskSpec, variables: Variables) -> None:
        """Returns when it has begun; at once when it ever had."""
        name = _program(spec.environment, spec.name)
        directory = self._supervisor.run_directory(name)
        if (directory / "begun").exists():
            return
        stdout, stderr = self._logs.prepare_task(spec.environment, spec.name, spec.release, limit=_LOG_BYTES)
        around = self._confines.around(spec, program=directory, own=(stdout, stderr))
        program = Program(
            argv=shell.argv(spec.command),
            directory=spec.directory,
            stdout=stdout,
            stderr=stderr,
            is_kept=False,
            timeout=spec.timeout,
            bounds=around.bounds,
        )
        record.make_directory(str(directory))
        record.write_whole(str(directory / "task.json"), msgspec.json.encode(spec))
        await self._supervisor.put_program(name, program, surroundings.environment(variables, home=around.home))
        await self._until_begun(directory)

    def view(self, environment: EnvironmentId, name: str) -> TaskView:
        directory = self._supervisor.run_directory(_program(environment, name))
        state, code = _state(directory)
        return TaskView(environment=environment, name=name, state=state, exit_code=code, last_lines=self._last_lines(directory))

    async def stop(self, environment: EnvironmentId, name: str) -> None:
        """Nothing happens unless it runs."""
        directory = self._supervisor.run_directory(_program(environment, name))
        begun = Status.read(str(directory), "begun")
        if begun.is_alive():
            await end(str(directory), stop_signal=signal.SIGTERM, grace=_STOP_GRACE, child=begun.pid)

    async def forget(self, environment: EnvironmentId, *, releases: frozenset[int] | None) -> None:
        """Those of these releases (None: all) that do not run."""
        run = self._supervisor.directory / "run"
        for directory in sorted(run.glob(f"{environment.slug}@*")):
            spec = _spec(directory)
            is_asked = releases is None or (spec is not None and spec.release in releases)
            if is_asked and _state(directory)[0] is not TaskState.RUNNING:
                await self._supervisor.forget_program(directory.name)

    def _last_lines(self, directory: Path) -> tuple[str, ...]:
        spec = _spec(directory)
        if spec is None:
            return ()
        files = self._logs.of_task(spec.environment, spec.name, spec.release)
        return tuple(line.text for line in merged(files, _LAST_LINES))

    async def _until_begun(self, directory: Path) -> None:
        deadline = asyncio.get_running_loop().time() + _BEGIN_PATIENCE
        while not (directory / "begun").exists():
            if asyncio.get_running_loop().time() > deadline:
                raise OutcomeUnknown(f"{directory.name} was handed to the supervisor and has not begun")
            await asyncio.sleep(0.005)


def _program(environment: EnvironmentId, name: str) -> str:
    """`@` is in no name of an instance."""
    return f"{environment.slug}@{shell.task_name(name)}"


def _spec(directory: Path) -> TaskSpec | None:
    try:
        return msgspec.json.decode((directory / "task.json").read_bytes(), type=TaskSpec)
    except (OSError, msgspec.DecodeError):
        return None


def _state(directory: Path) -> tuple[TaskState, int | None]:
    """The result is looked for last as well as first: it may be written between two looks."""
    code = _code(directory)
    if code is None:
        if not (directory / "begun").exists():
            return TaskState.ABSENT, None
        if Status.read(str(directory), "begun").is_alive():
            return TaskState.RUNNING, None
        code = _code(directory)
    if code is None:
        return TaskState.LOST, None
    return (TaskState.SUCCEEDED if code == 0 else TaskState.FAILED), code if code >= 0 else 128 - code


def _code(directory: Path) -> int | None:
    text = record.fields(str(directory / "result")).get("code")
    return int(text) if text else None
