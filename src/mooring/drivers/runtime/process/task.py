"""Runs a one-off to its end and records how it ended: run by the supervisor as `python -I -S -E task.py DIRECTORY`.

Never twice: the mark `begun` is made (and only one can make it) before the command runs. Its time limit is kept here, since the
controller may be dead by then. Must not: be restarted by anybody.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":  # run by path, without site-packages: the package is found from here
    sys.path.append(__file__.rsplit("/", 5)[0])

import select
import signal
from types import FrameType

from mooring.drivers.runtime.process import kernel, record
from mooring.drivers.runtime.process.launcher import become
from mooring.drivers.runtime.process.status import RUNNING, Status

TIMED_OUT = 124  # as timeout(1) says it
_STOPS = (signal.SIGTERM, signal.SIGINT)
_KILL_AFTER = 5.0  # seconds between SIGTERM and SIGKILL


def main(directory: str) -> None:
    told = _Told()  # before it has begun: from then on it may be told to stop
    if not _begin(directory):
        return
    timeout = float(dict(record.read(f"{directory}/launch"))[b"timeout"])
    child = os.fork()
    if child == 0:
        told.ignore()
        os.setpgid(0, 0)
        become(directory)
    is_in_time = told.ends_within(timeout, child=child) and not told.was_told
    if not is_in_time:
        _end(directory, child)
    status = os.waitpid(child, 0)[1]
    _end_rest(directory)
    _record(directory, TIMED_OUT if not is_in_time and not told.was_told else os.waitstatus_to_exitcode(status))


def _begin(directory: str) -> bool:
    """False when it was begun before."""
    status = Status()
    itself = kernel.process(os.getpid())
    status.pid, status.ticks, status.boot = os.getpid(), itself.ticks if itself else 0, kernel.boot()
    status.phase, status.starts, status.began, status.started_at = RUNNING, 1, time.monotonic(), time.time()
    mine = f"begun.{status.pid}"
    status.write(directory, mine)
    try:
        os.link(f"{directory}/{mine}", f"{directory}/begun")
    except FileExistsError:
        return False
    finally:
        os.unlink(f"{directory}/{mine}")  # noqa: PTH108 - this file starts without pathlib
    status.write(directory)
    _sync(directory)
    return True


class _Told:
    """SIGTERM to us means that the one-off is to be stopped."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self.was_told = False
        for number in _STOPS:
            signal.signal(number, self._tell)

    def ignore(self) -> None:
        """In the child, which ends by the signal as any program does."""
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)

    def ends_within(self, seconds: float, *, child: int) -> bool:
        """Whether the child ended, rather than the time, or we were told."""
        descriptor = os.pidfd_open(child)
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.register(self._reader, select.POLLIN)
        ready = waiting.poll(max(0, int(seconds * 1000)))
        return any(each == descriptor for each, _ in ready)

    def _tell(self, _number: int, _frame: FrameType | None) -> None:
        self.was_told = True
        os.write(self._writer, b"x")


def _end(directory: str, child: int) -> None:
    for process in kernel.members(directory, leader=child):
        kernel.send(process, signal.SIGTERM)
    deadline = time.monotonic() + _KILL_AFTER
    while time.monotonic() < deadline and kernel.members(directory, leader=child):
        time.sleep(0.02)
    for process in kernel.members(directory, leader=child):
        kernel.send(process, signal.SIGKILL)


def _end_rest(directory: str) -> None:
    """A one-off leaves nothing behind."""
    for process in kernel.members(directory):
        kernel.send(process, signal.SIGKILL)


def _record(directory: str, code: int) -> None:
    """Negative: the signal that ended it. On disk before this process ends; its secrets, no longer needed, are gone before that is seen."""
    os.unlink(f"{directory}/environment")  # noqa: PTH108 - this file starts without pathlib
    _remove_files(f"{directory}/secrets")
    beside = f"{directory}/result.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.write(descriptor, record.encoded([(b"code", str(code).encode())]))
    os.fsync(descriptor)
    os.close(descriptor)
    os.rename(beside, f"{directory}/result")  # noqa: PTH104 - likewise
    _sync(directory)


def _remove_files(folder: str) -> None:
    if not os.path.isdir(folder):  # noqa: PTH112 - likewise
        return
    for name in os.listdir(folder):  # noqa: PTH208 - likewise
        os.unlink(f"{folder}/{name}")  # noqa: PTH108 - likewise
    os.rmdir(folder)  # noqa: PTH106 - likewise


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1])
