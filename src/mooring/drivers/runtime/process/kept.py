"""Programs as supervisord keeps them: made from their records, their ends noted. Part of the daemon (daemon.py).

supervisord itself never gives up and never waits (startsecs 0): waiting before a start is the launcher's, which knows how long
each life was. Only where the launcher itself cannot run does `KeptProcess` slow down. Must not: decide what is to run.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

from supervisor.datatypes import RestartUnconditionally
from supervisor.options import ProcessConfig, ProcessGroupConfig
from supervisor.process import Subprocess
from supervisor.states import ProcessStates

from mooring.drivers.runtime.process.program import Program, read_program
from mooring.drivers.runtime.process.status import Exit

_HERE = Path(__file__).resolve().parent
_INSTANT = 0.3  # seconds; a launcher that works waits longer than that from the third short life on
_INSTANTS = 5
_PAUSE = 2.0
STOP_PATIENCE = 600  # seconds until supervisord kills by itself, when whoever asked for the stop is gone


class KeptProcess(Subprocess):  # type: ignore[misc]  # supervisor has no types
    """Notes how it ended, and does not burn the processor when its launcher cannot run."""

    instants = 0
    not_before = 0.0

    def finish(self, pid: int, status: int) -> None:
        was_asked = bool(self.killing)
        lived = time.time() - self.laststart
        self.instants = self.instants + 1 if 0 <= lived < _INSTANT and not was_asked else 0
        self.not_before = time.time() + _PAUSE if self.instants >= _INSTANTS else 0.0
        super().finish(pid, status)
        try:
            _note(self.config.run_directory, pid, status, was_asked=was_asked, memory_watch=self.config.options.memory_watch)
        except OSError as error:
            self.config.options.logger.warn(f"the end of {self.config.name} could not be noted: {error}")

    def withdraw(self) -> None:
        """It is being stopped by somebody else, who has it signalled: its end is no reason to start it again."""
        state = self.state
        if state == ProcessStates.BACKOFF or state == ProcessStates.EXITED:
            self.change_state(ProcessStates.STOPPED)
        elif self.pid and state in (ProcessStates.STARTING, ProcessStates.RUNNING):
            self.administrative_stop = self.killing = True
            self.delay = time.time() + self.config.stopwaitsecs
            self.change_state(ProcessStates.STOPPING)

    def resume(self) -> None:
        """It was being stopped, by somebody who has gone, and is to run again: whether it dies of that or not, it is kept."""
        if self.pid and self.state == ProcessStates.STOPPING:
            self.administrative_stop = self.killing = False
            self.delay = 0
            self.change_state(ProcessStates.RUNNING)

    def transition(self) -> None:
        now = time.time()
        if self.state == ProcessStates.EXITED and now < self.not_before <= now + _PAUSE:
            return
        super().transition()


class KeptConfig(ProcessConfig):  # type: ignore[misc]  # supervisor has no types
    run_directory = ""

    def make_process(self, group: Any = None) -> KeptProcess:
        process = KeptProcess(self)
        process.group = group
        return process


class MemoryWatch:
    """Whether the kernel ended something for want of memory since the last question."""

    def __init__(self) -> None:
        self._seen = self._count()

    def has_killed(self) -> bool:
        before, self._seen = self._seen, self._count()
        return self._seen > before

    @staticmethod
    def _count() -> int:
        try:
            lines = Path("/proc/vmstat").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def groups(options: Any, run: Path) -> list[Any]:
    """Of every program that is to be kept. A record that cannot be read costs that program only."""
    options.memory_watch = MemoryWatch()
    names = sorted(path.name for path in run.iterdir()) if run.is_dir() else []
    found = [group for name in names if (group := group_of(options, run / name)) is not None]
    return sorted(found, key=lambda group: (group.priority, group.name))


def group_of(options: Any, directory: Path, *, kept_only: bool = True) -> Any:
    """None where there is nothing to keep."""
    program = read_program(directory)
    if program is None or (kept_only and not program.is_kept):
        return None
    config = _config(options, directory, program)
    return ProcessGroupConfig(options, directory.name, program.priority, [config])


def _config(options: Any, directory: Path, program: Program) -> KeptConfig:
    script = _HERE / ("launcher.py" if program.is_kept else "task.py")
    place = str(directory.absolute())
    config = KeptConfig(
        options,
        name=directory.name,
        uid=None,
        command=shlex.join([sys.executable, "-I", "-S", "-E", str(script), place]),
        directory=None,
        umask=None,
        priority=program.priority,
        autostart=program.is_kept,
        autorestart=RestartUnconditionally if program.is_kept else False,
        startsecs=0,
        startretries=10**9,
        stdout_logfile=None,
        stdout_capture_maxbytes=0,
        stdout_events_enabled=False,
        stdout_syslog=False,
        stdout_logfile_backups=0,
        stdout_logfile_maxbytes=0,
        stderr_logfile=None,
        stderr_capture_maxbytes=0,
        stderr_logfile_backups=0,
        stderr_logfile_maxbytes=0,
        stderr_events_enabled=False,
        stderr_syslog=False,
        stopsignal=signal.Signals[f"SIG{program.stop_signal}"],
        stopwaitsecs=STOP_PATIENCE,
        stopasgroup=False,
        killasgroup=True,
        exitcodes=[0],
        redirect_stderr=True,
        environment={},
    )
    config.run_directory = place
    return config


def _note(directory: str, pid: int, status: int, *, was_asked: bool, memory_watch: MemoryWatch) -> None:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    is_out_of_memory = number == signal.SIGKILL and not was_asked and memory_watch.has_killed()
    if Path(directory).is_dir():
        Exit(pid=pid, code=code, signal=number, at=time.time(), was_asked=was_asked, is_out_of_memory=is_out_of_memory).write(directory)
