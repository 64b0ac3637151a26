"""Keeps instances within the memory that they declared. One small process for a whole platform, under the supervisor.

Run as `python -I -S -E memorykeeper.py RUN`; started with the first instance that declares memory. Without root and without a cgroup
the kernel limits only address space, which breaks programs that merely reserve it. So this looks once a second at what each instance's
processes hold: anonymous and shared memory, what several of them share counted once (proc(5), smaps_rollup: Pss_Anon, Pss_Shmem). Mapped
files do not count: the kernel takes their pages back by itself. An instance that is over for five seconds gets its stop signal, so that
its requests in flight can end, and SIGKILL after its grace; one that is over twice its limit gets SIGKILL at once. The supervisor starts
it again as after any crash. Why it ended is in its directory (overuse.py).
Must not: end what declares nothing, or what is within its limit.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":  # run by path, without site-packages: the package is found from here
    sys.path.append(__file__.rsplit("/", 5)[0])

import _signal  # type: ignore[import-not-found]  # what `signal` wraps; see kernel.py

from mooring.drivers.runtime.process import kernel, record
from mooring.drivers.runtime.process.overuse import Overuse
from mooring.drivers.runtime.process.status import RUNNING, Status

LOOK_EVERY = 1.0  # seconds
PATIENCE = 5.0  # seconds over the limit
NOTICE = 3.0  # seconds between the announcement and the stop signal: the controller looks once a second
_AT_ONCE = 2  # times the limit
_PAGE = os.sysconf("SC_PAGE_SIZE")
_COUNTED = (b"Pss_Anon:", b"Pss_Shmem:")


class Limited:
    """An instance that declared memory; since when its process is over it, is announced to end, and was told to (monotonic; 0: not)."""

    def __init__(self, directory: str, launch: dict[str, str]) -> None:
        self.directory = directory
        self.limit = int(launch.get("memory", "0"))
        self.grace = float(launch.get("grace", "0"))
        self.stop_signal = int(getattr(_signal, f"SIG{launch.get('stop_signal', 'TERM')}"))
        self.pid = 0
        self.ticks = 0
        self.over_since = 0.0
        self.announced_at = 0.0
        self.told_at = 0.0

    def begin(self, pid: int, ticks: int) -> None:
        """Another process is its main one now."""
        self.pid, self.ticks = pid, ticks
        self.over_since, self.announced_at, self.told_at = 0.0, 0.0, 0.0


class MemoryKeeper:
    """`look` once a second."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._known: dict[str, tuple[float, Limited]] = {}

    def look(self, now: float) -> None:
        limited = [each for each in self._search() if each.limit]
        if not limited:
            return
        everyone = kernel.processes()
        resident = _Resident(everyone)
        for each in limited:
            self._look_at(each, resident, now)

    def _search(self) -> list[Limited]:
        """Of every program, read anew where its record has changed."""
        known: dict[str, tuple[float, Limited]] = {}
        for entry in os.scandir(self._run):
            try:
                changed = os.stat(f"{entry.path}/launch").st_mtime  # noqa: PTH116 - this file starts without pathlib
            except OSError:
                continue
            before = self._known.get(entry.name)
            is_same = before is not None and before[0] == changed
            known[entry.name] = before if is_same and before else (changed, Limited(entry.path, record.fields(f"{entry.path}/launch")))
        self._known = known
        return [limited for _, limited in known.values()]

    def _look_at(self, limited: Limited, resident: _Resident, now: float) -> None:
        status = Status.read(limited.directory)
        if status.phase != RUNNING or not status.is_alive():
            return
        if (status.pid, status.ticks) != (limited.pid, limited.ticks):
            limited.begin(status.pid, status.ticks)
        if limited.told_at:
            if now - limited.told_at > limited.grace:
                _kill(limited)
            return
        used = held(limited) if resident.of(status.pid) > limited.limit else 0
        if used > _AT_ONCE * limited.limit:
            limited.told_at = now
            _announce(limited, used)
            _kill(limited)
        elif limited.announced_at:
            if now - limited.announced_at >= NOTICE:
                limited.told_at = now
                _tell(limited)
        elif used <= limited.limit:
            limited.over_since = 0.0
        else:
            limited.over_since = limited.over_since or now
            if now - limited.over_since >= PATIENCE:
                limited.announced_at = now
                _announce(limited, used)


class _Resident:
    """Resident bytes of a main process with its group and descendants: never less than what it holds, and cheap to ask."""

    def __init__(self, everyone: dict[int, kernel.Process]) -> None:
        self._everyone = everyone
        self._children: dict[int, list[int]] = {}
        self._groups: dict[int, list[int]] = {}
        for each in everyone.values():
            self._children.setdefault(each.parent, []).append(each.pid)
            self._groups.setdefault(each.group, []).append(each.pid)

    def of(self, pid: int) -> int:
        found: set[int] = set()
        left = [pid, *self._groups.get(pid, [])]
        while left:
            each = left.pop()
            if each not in found:
                found.add(each)
                left += self._children.get(each, [])
        return sum(_resident(each) for each in found)


def held(limited: Limited) -> int:
    """Bytes that all its processes hold and the kernel cannot take back."""
    return sum(_held(process.pid) for process in kernel.members(limited.directory, leader=limited.pid))


def _announce(limited: Limited, used: int) -> None:
    Overuse(pid=limited.pid, ticks=limited.ticks, used=used, limit=limited.limit).write(limited.directory)


def _tell(limited: Limited) -> None:
    main = kernel.process(limited.pid)
    if main is not None and main.ticks == limited.ticks:
        kernel.send(main, limited.stop_signal)


def _kill(limited: Limited) -> None:
    for process in kernel.members(limited.directory, leader=limited.pid):
        kernel.send(process, 9)


def _resident(pid: int) -> int:
    words = _lines(f"/proc/{pid}/statm")
    return int(words[0].split()[1]) * _PAGE if words else 0


def _held(pid: int) -> int:
    """What it holds for itself, and its share of what it shares; all that is resident where the kernel does not say."""
    counted = [int(line.split()[1]) * 1024 for line in _lines(f"/proc/{pid}/smaps_rollup") if line.startswith(_COUNTED)]
    return sum(counted) if counted else _resident(pid)


def _lines(path: str) -> list[bytes]:
    """None when the process is gone."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - likewise
            return file.read().splitlines()
    except OSError:
        return []


def main(run: str) -> None:
    keeper = MemoryKeeper(run)
    while True:
        try:
            keeper.look(time.monotonic())
        except (OSError, ValueError) as error:
            print(f"memory keeper: {error}", file=sys.stderr, flush=True)
        time.sleep(LOOK_EVERY)


if __name__ == "__main__":
    main(sys.argv[1])
