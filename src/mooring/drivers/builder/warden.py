"""The parent of one build command: a small program of its own (not imported), so that nothing of a build outlives the build.

    python -I -S warden.py MEMORY_BYTES COMMAND [ARGUMENT …]

It adopts every process the command leaves behind, and kills them all when the command ends, or when its standard input closes: the
controller closes it to cancel, and the kernel closes it when the controller dies. Exits as the command did (128 + signal number).
Must not: import anything of Mooring or what costs time (pathlib is 10 ms, and there are several commands to a build), or read the
build's files.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE = 2.0
NICENESS = 10


def main() -> int:
    memory, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    child = os.fork()
    if child == 0:
        _become(command, memory=memory)
    try:
        return _watch(child, woken)
    finally:
        _end_all()


def _become(command: list[str], *, memory: int) -> None:
    """Polite and limited: a build gives way to what serves, and is the first to go when memory runs out."""
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    _write("/proc/self/oom_score_adj", "500")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    try:
        os.execvp(command[0], command)  # noqa: S606  # an argv list, without a shell: what is wanted
    except OSError as failure:
        print(f"{command[0]}: {failure.strerror}", file=sys.stderr, flush=True)
    os._exit(127)


def _watch(child: int, woken: int) -> int:
    asked_to_stop_at: float | None = None
    while (status := _reap(child)) is None:
        watched = [woken] if asked_to_stop_at is not None else [woken, 0]
        patience = None if asked_to_stop_at is None else max(0.0, asked_to_stop_at + GRACE - time.monotonic())
        ready, _, _ = select.select(watched, [], [], patience)
        if not ready:
            return 128 + signal.SIGKILL
        if woken in ready:
            os.read(woken, 4096)
        if 0 in ready and not os.read(0, 4096):
            asked_to_stop_at = time.monotonic()
            _signal_group(child)
    return status


def _reap(child: int) -> int | None:
    """Bury whoever has died; the command's own exit code once it is among them."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == child:
            status = os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else 128 + os.WTERMSIG(ended)


def _end_all() -> None:
    """Until no child is left: everything below this process dies, and what is orphaned by that comes here and dies too."""
    while True:
        for pid in _descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  # names, not paths, and many of them
        if name.isdigit():
            children.setdefault(_parent(name), []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # as said above
            return int(file.read().rpartition(b") ")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _signal_group(child: int) -> None:
    """The command's group; or the command alone, so young that it has no group yet. (Not reaped yet, so its number is its own.)"""
    try:
        os.killpg(child, signal.SIGTERM)
    except ProcessLookupError:
        os.kill(child, signal.SIGTERM)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:  # noqa: PTH123  # as said above
            file.write(text)
    except OSError:
        pass


if __name__ == "__main__":
    code = main()
    os._exit(code)
