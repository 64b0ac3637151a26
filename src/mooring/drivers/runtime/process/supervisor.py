"""One supervisor per state directory: keeps every program that must outlive the controller. The instances, the edge, the controller.

    DIRECTORY/supervisord.{conf,sock,pid,log}   the daemon (daemon.py), detached, with a clean environment
    DIRECTORY/run/NAME/                         a program: launch, environment, status, exit, lock (status.py)

Killing the daemon ends no program: each goes on, and the next daemon adopts it (adoption.py).
Must not: know an app; hold state of its own beside the files.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from mooring.drivers.runtime.process import kernel, record, rpc
from mooring.drivers.runtime.process.ending import end
from mooring.drivers.runtime.process.overuse import Overuse
from mooring.drivers.runtime.process.program import Program, program_name, read_program, write_launch, write_program
from mooring.drivers.runtime.process.status import WAITING, Exit, Status
from mooring.errors import NotFound, OutcomeUnknown, Unavailable
from mooring.model.instance import ProcessState
from mooring.model.secret import Secret

_DAEMON = Path(__file__).resolve().with_name("daemon.py")
_START_PATIENCE = 15.0  # seconds
_REAP_PATIENCE = 5.0


class ProgramView(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen of a program. Wall times; `signal` is a name such as SIGKILL; `exit_code` and `signal` of its last end, and
    `end_reason` in words where more is known of it."""

    name: str
    state: ProcessState
    pid: int = 0
    started_at: float = 0.0
    retry_at: float = 0.0
    restarts: int = 0
    exit_code: int | None = None
    signal: str = ""
    is_out_of_memory: bool = False
    end_reason: str = ""


class Supervisor:
    """Every method may be called again after any failure: each looks first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._socket = self.directory / "supervisord.sock"

    def run_directory(self, name: str) -> Path:
        return self.directory / "run" / program_name(name)

    def is_running(self) -> bool:
        """Whether a daemon takes connections now."""
        try:
            rpc.connected(self._socket, timeout=1.0).close()
        except OSError:
            return False
        return True

    async def ensure_running(self) -> None:
        """Start the daemon unless it runs; it starts every program that is kept. Raises Unavailable."""
        if not self.is_running():
            await asyncio.to_thread(self._start_daemon)

    async def put_program(self, name: str, program: Program, variables: Mapping[str, str | Secret]) -> None:
        """Register and start it. One that runs goes on as it is; a changed record counts from its next start."""
        directory = self.run_directory(name)
        await asyncio.to_thread(_write, directory, program, variables)
        await self.start_program(name)

    async def start_program(self, name: str) -> None:
        """Start what is registered, unless it runs. Raises NotFound, Unavailable."""
        if read_program(self.run_directory(name)) is None:
            raise NotFound(f"no program {name} is registered")
        await self.ensure_running()
        await asyncio.to_thread(rpc.ask, self._socket, "mooring.put", name)

    async def stop_program(self, name: str, *, grace: float) -> None:
        """End all its processes; it stays registered, and is started with the next daemon."""
        directory = self.run_directory(name)
        program = read_program(directory)
        child = await self._withdraw(name)
        number = signal.Signals[f"SIG{program.stop_signal}"] if program else signal.SIGTERM
        await end(str(directory), stop_signal=number, grace=grace, child=child)
        if child:
            await self._forget(name)

    async def restart_program(self, name: str, *, grace: float) -> None:
        """Raises NotFound where none of that name is registered."""
        if read_program(self.run_directory(name)) is None:
            raise NotFound(f"no program {name} is registered")
        await self.stop_program(name, grace=grace)
        await self.start_program(name)

    async def retire_program(self, name: str, *, grace: float) -> None:
        """Stop it for good: no daemon starts it again. Its directory stays, until `forget_program`."""
        directory = self.run_directory(name)
        program = read_program(directory)
        if program is not None and program.is_kept:
            await asyncio.to_thread(write_launch, directory, msgspec.structs.replace(program, is_kept=False))
        await self.stop_program(name, grace=grace)

    async def forget_program(self, name: str) -> None:
        """Of a retired one, or one that ended by itself: nothing is left of it."""
        if self.is_running():
            await self._forget(name)
        await asyncio.to_thread(shutil.rmtree, self.run_directory(name), ignore_errors=True)

    async def remove_program(self, name: str, *, grace: float) -> None:
        """Stop it and forget it. Nothing happens where it is gone."""
        if self.run_directory(name).exists():
            await self.retire_program(name, grace=grace)
            await self.forget_program(name)

    def programs(self) -> tuple[ProgramView, ...]:
        """Everything that is registered, running or not; read from files, so the daemon need not answer."""
        run = self.directory / "run"
        names = sorted(entry.name for entry in os.scandir(run)) if run.is_dir() else []
        is_running = self.is_running()
        return tuple(view(run / name, is_supervised=is_running) for name in names if (run / name / "launch").exists())

    async def shutdown(self, *, grace: float = 10.0) -> None:
        """Stop every program, then the daemon. All that is kept starts again with the next one."""
        views = await asyncio.to_thread(self.programs)
        results = await asyncio.gather(*(self.stop_program(each.name, grace=grace) for each in views), return_exceptions=True)
        daemon = self._daemon()
        if self.is_running():
            await asyncio.to_thread(rpc.ask, self._socket, "supervisor.shutdown")
        await self._until_ended(daemon)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _withdraw(self, name: str) -> int:
        """The pid of the daemon's process for it, or 0. Where there is no daemon, nobody restarts it either."""
        if not self.is_running():
            return 0
        return int(await asyncio.to_thread(rpc.ask, self._socket, "mooring.withdraw", name))

    async def _forget(self, name: str) -> None:
        deadline = time.monotonic() + _REAP_PATIENCE
        while not await asyncio.to_thread(rpc.ask, self._socket, "mooring.remove", name):
            if time.monotonic() > deadline:
                raise OutcomeUnknown(f"the supervisor does not let go of {name}")
            await asyncio.sleep(0.02)

    async def _until_ended(self, daemon: kernel.Process | None) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while self.is_running() or (daemon is not None and kernel.is_same(daemon.pid, daemon.ticks)):
            if time.monotonic() > deadline:
                raise OutcomeUnknown("the supervisor does not end")
            await asyncio.sleep(0.05)

    def _daemon(self) -> kernel.Process | None:
        """By its pid file, which a daemon that was killed leaves behind: the process must also be ours by its arguments."""
        try:
            pid = int((self.directory / "supervisord.pid").read_text())
            is_ours = os.fsencode(self.directory) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return kernel.process(pid) if is_ours else None

    def _start_daemon(self) -> None:
        with self._lock():
            if self.is_running():
                return
            record.make_directory(str(self.directory / "run"))
            argv = [sys.executable, "-I", str(_DAEMON), str(self.directory)]
            trouble = self.directory / "supervisord.trouble"
            with os.fdopen(os.open(trouble, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as output:
                code = _run(argv, output)
            self._await_daemon(trouble, code=code)

    def _await_daemon(self, trouble: Path, *, code: int) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while not self.is_running():
            if code != 0 or trouble.stat().st_size or time.monotonic() > deadline:
                said = _whole(trouble)
                last = said.splitlines()[-1] if said else f"no answer within {_START_PATIENCE:g} s"
                raise Unavailable(f"the supervisor did not start: {last}", hint="see supervisord.log", where=str(self.directory))
            time.sleep(0.01)
        trouble.unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One start at a time, over all controllers and commands."""
        record.make_directory(str(self.directory))
        descriptor = os.open(self.directory / "supervisord.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _whole(file: Path) -> str:
    """What is in it once nothing more comes: whoever dies says why line by line."""
    before, text = None, ""
    while text != before:
        before, text = text, file.read_text(errors="replace")
        time.sleep(0.1)
    return text.strip()


def _run(argv: list[str], output: BinaryIO) -> int:
    """The exit code of the process that detaches the daemon."""
    try:
        done = subprocess.run(  # noqa: S603 - our own file, by the interpreter that runs us
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_clean(), timeout=_START_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OutcomeUnknown(f"the supervisor has not started within {_START_PATIENCE:g} s") from error
    return done.returncode


def view(directory: Path, *, is_supervised: bool) -> ProgramView:
    """Of one program, from its files. A process that lives is RUNNING, supervised or not; STOPPING once it is announced to end."""
    status, exit = Status.read(str(directory)), Exit.read(str(directory))
    is_alive = status.is_alive()
    overuse = Overuse.read(str(directory))
    ended = exit if exit is not None and not exit.was_asked and exit.pid in (status.pid, status.previous) else None
    is_overuse = ended is not None and overuse is not None and overuse.pid == ended.pid
    is_ending = overuse is not None and (overuse.pid, overuse.ticks) == (status.pid, status.ticks)
    return ProgramView(
        name=directory.name,
        state=_state(status, is_alive=is_alive, is_ending=is_ending, is_supervised=is_supervised),
        pid=status.pid if is_alive and status.phase != WAITING else 0,
        started_at=status.started_at,
        retry_at=status.retry_at if is_alive else 0.0,
        restarts=max(0, status.starts - 1),
        exit_code=ended.code if ended else None,
        signal=signal.Signals(ended.signal).name if ended and ended.signal else "",
        is_out_of_memory=bool(ended and (ended.is_out_of_memory or is_overuse)),
        end_reason=overuse.sentence() if overuse and is_overuse else "",
    )


def _state(status: Status, *, is_alive: bool, is_ending: bool, is_supervised: bool) -> ProcessState:
    if is_alive:
        return ProcessState.BACKOFF if status.phase == WAITING else ProcessState.STOPPING if is_ending else ProcessState.RUNNING
    if not is_supervised:
        return ProcessState.UNKNOWN
    return ProcessState.EXITED if status.starts else ProcessState.STARTING


def _write(directory: Path, program: Program, variables: Mapping[str, str | Secret]) -> None:
    try:
        record.make_directory(str(directory))
        write_program(directory, program, variables)
    except OSError as error:
        raise Unavailable(f"{directory.name} cannot be written: {error.strerror}", where=str(directory)) from error


def _clean() -> dict[str, str]:
    """What the daemon may inherit: nothing of the controller's, whose own programs it will outlive."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": os.environ.get("LANG", "C.UTF-8"), "HOME": os.environ.get("HOME", "/")}
