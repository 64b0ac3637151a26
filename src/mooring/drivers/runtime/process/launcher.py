"""Starts a program's process: run by the supervisor as `python -I -S -E launcher.py DIRECTORY`, it becomes that process by exec.

Before that it sees to five things that must hold without the controller:
  - One copy: where an earlier process of the program lives on (its supervisor was killed), it waits for that one instead (adoption.py).
  - Nothing is left of a process that died: what it started is ended first, since it may hold the port.
  - Ever more slowly: after three short lives in a row it waits 1, 2, 4 … 60 seconds.
  - Output goes straight to files, so that no other process has to live for the program to write.
  - What is to be confined is confined (landlock.py), or does not start.
Must not: import what costs time (8 ms of start-up is python itself), or put anything of the app's into an argument list.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":  # run by path, without site-packages: the package is found from here
    sys.path.append(__file__.rsplit("/", 5)[0])

import fcntl
import resource

from mooring.drivers.runtime.process import kernel, record
from mooring.drivers.runtime.process.status import RUNNING, WAITING, Exit, Status

LONG_LIFE = 60.0  # seconds after which a life was no short one
QUICK_STARTS = 3  # short lives before it waits
LONGEST_WAIT = 60.0
OPEN_FILES = 65_536
UMASK = "022"  # of an app's programs; also of records that earlier versions wrote, which have none
_PATIENCE = 2.0  # seconds that leftovers of a dead process get to end by themselves
_GIVE_UP = 10.0


def main(directory: str) -> None:
    _take_turn(directory)
    before = Status.read(directory)
    now = Status()
    now.pid, now.boot = os.getpid(), kernel.boot()
    itself = kernel.process(now.pid)
    now.ticks = itself.ticks if itself else 0
    if before.starts:
        _end_leftovers(directory)
        count_lives(now, before, Exit.read(directory))
    now.starts = before.starts
    _wait(now, directory)
    now.starts += 1
    now.phase, now.began, now.started_at = RUNNING, time.monotonic(), time.time()
    now.write(directory)
    become(directory)


def _take_turn(directory: str) -> None:
    """Hold the lock until exec closes it; never returns while an earlier process of the program lives."""
    lock = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_mine = True
        except BlockingIOError:
            is_mine = False
        earlier = Status.read(directory)
        if earlier.pid != os.getpid() and earlier.is_alive():
            from mooring.drivers.runtime.process.adoption import attend

            os.close(lock)
            attend(earlier)
        if is_mine:
            return
        time.sleep(0.02)


def _end_leftovers(directory: str) -> None:
    began = time.monotonic()
    while left := kernel.members(directory):
        waited = time.monotonic() - began
        if waited > _GIVE_UP:
            return  # what SIGKILL does not end waits within the kernel; nothing more can be done
        for process in left:
            kernel.send(process, 9 if waited > _PATIENCE else 15)
        time.sleep(0.05)


def count_lives(now: Status, before: Status, exit: Exit | None) -> None:
    was_asked = exit is not None and exit.pid == before.pid and exit.was_asked
    now.previous = 0 if was_asked else before.pid
    if was_asked or before.boot != now.boot:
        return
    lived = time.monotonic() - before.began
    now.short_lives = before.short_lives + 1 if lived < LONG_LIFE else 0


def _wait(now: Status, directory: str) -> None:
    if now.short_lives < QUICK_STARTS:
        return
    seconds = min(LONGEST_WAIT, 2.0 ** (now.short_lives - QUICK_STARTS))
    now.phase, now.began, now.retry_at = WAITING, time.monotonic(), time.time() + seconds
    now.write(directory)
    time.sleep(seconds)
    now.retry_at = 0.0


def become(directory: str) -> None:
    """Turn into what the program's records say: files, limits, working directory, environment. Does not return."""
    launch = record.read(f"{directory}/launch")
    argv = [value for key, value in launch if key == b"argv"]
    settings = dict(launch)
    _redirect(settings[b"stdout"], settings[b"stderr"])
    environment = dict(record.read(f"{directory}/environment"))
    environment[kernel.MARKER.encode()] = os.fsencode(directory)
    try:
        _limit(umask=int(settings.get(b"umask", UMASK), 8))
        os.chdir(settings[b"directory"])
        if b"hidden" in settings:
            from mooring.drivers.runtime.process.landlock import confine

            confine(launch)
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - argv comes from a record of ours
    except OSError as error:
        print(f"mooring: {os.fsdecode(error.filename or argv[0])}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(126 if isinstance(error, PermissionError) else 127)


def _redirect(stdout: bytes, stderr: bytes) -> None:
    for number, path, flags in ((0, b"/dev/null", os.O_RDONLY), (1, stdout, _APPEND), (2, stderr, _APPEND)):
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError:
            descriptor = os.open("/dev/null", os.O_RDWR)  # a program without a log is better than none
        os.dup2(descriptor, number)
        os.close(descriptor)


def _limit(*, umask: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
    os.umask(umask)
    kernel.restore_signals()


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND

if __name__ == "__main__":
    main(sys.argv[1])
