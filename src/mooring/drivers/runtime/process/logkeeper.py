"""Keeps logs: notes when each grew, and bounds what they take on disk. One small process for a whole platform, under the supervisor.

Run as `python -I -S -E logkeeper.py LOGS`. Programs write their output to files themselves and need nobody for it; while this
process is away, times become coarser and files grow. A log over its limit loses its older half: the disk space is given back
(fallocate, punch hole) while sizes and places stay as they are, so nothing is copied, and no line is lost that a rename or a
truncation would race with. File systems that cannot do this (few) have the log emptied instead.

A log that grows has disk space ready beyond its end: on a full disk a program that prints would otherwise fail where it prints, and
most fail their request with it. When there is no more to be had, the log's own oldest lines make room for the newest.
Must not: read a log.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # run by path, without site-packages: the package is found from here
    sys.path.append(__file__.rsplit("/", 5)[0])

from mooring.drivers.runtime.process import times

_LOOK = 0.25  # seconds between two looks at a log that grows
_LOOK_AT_IDLE = 2.0
_IDLE_AFTER = 10.0
_SEARCH = 1.0  # seconds between two searches for new logs
_AHEAD = 128 * 1024  # bytes of disk space made ready beyond the end of a log that grows; at most a quarter of its limit
_KEEP_SIZE = 0x01  # FALLOC_FL_KEEP_SIZE, fallocate(2)
_PUNCH = _KEEP_SIZE | 0x02  # FALLOC_FL_PUNCH_HOLE
_BLOCK = 4096
_LONGEST = 1 << 36  # bytes of a file's nominal size after which it is emptied, long before any file system's own limit


class Watched:
    """One log, and when it is to be looked at again (monotonic)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.limit = times.limit_of(path)
        known = times.known(path)
        self.size = known[-1][1] if known else 0
        self.ahead = min(_AHEAD, self.limit // 4)
        self.ready = 0  # up to where there is disk space
        self.due = 0.0
        self.grew = 0.0


class LogKeeper:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._watched: dict[Path, Watched] = {}
        self._search_due = 0.0

    def look(self, now: float) -> None:
        """Once at everything that is due."""
        if now >= self._search_due:
            self._search()
            took = time.monotonic() - now
            self._search_due = now + max(_SEARCH, 20 * took)
        for watched in list(self._watched.values()):
            if now >= watched.due:
                self._look_at(watched, now)

    def _search(self) -> None:
        """ROOT/*/v*/*.log. Not by `glob`, which gives up where something goes meanwhile (Python before 3.13)."""
        releases = [place for environment in _within(self._root) for place in _within(environment) if place.name.startswith("v")]
        for path in (path for release in releases for path in _within(release) if path.suffix == ".log"):
            if path not in self._watched:
                self._watched[path] = Watched(path)

    def _look_at(self, watched: Watched, now: float) -> None:
        try:
            seen = watched.path.stat()
            if seen.st_size < watched.size:  # emptied by somebody
                times.begin_again(watched.path, keep=[])
                watched.size = watched.ready = 0
            if seen.st_size > watched.size:
                make_ready(watched, seen)
                times.add(watched.path, seen.st_mtime, seen.st_size)
                watched.size, watched.grew = seen.st_size, now
            if seen.st_blocks * 512 > watched.limit + _BLOCK or seen.st_size > _LONGEST:
                shorten(watched.path, seen, watched.limit)
        except FileNotFoundError:
            del self._watched[watched.path]
            return
        except OSError as error:
            print(f"{watched.path}: {error}", file=sys.stderr, flush=True)
        watched.due = now + (_LOOK if now - watched.grew < _IDLE_AFTER else _LOOK_AT_IDLE)


def _within(place: Path) -> list[Path]:
    """Nothing in what has gone, or is no directory."""
    try:
        return list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def make_ready(watched: Watched, seen: os.stat_result) -> None:
    """Disk space beyond the end, when half of it has been used. On a full disk from the log itself, while more is left of that."""
    left = max(watched.ready - seen.st_size, 0)
    if left >= watched.ahead // 2:
        return
    if _is_full(watched.path, seen.st_size, watched.ahead):
        taken = seen.st_blocks * 512 - left
        if taken <= 2 * watched.ahead:
            return
        shorten(watched.path, seen, taken)
        if _is_full(watched.path, seen.st_size, watched.ahead):
            return
    watched.ready = seen.st_size + watched.ahead


def shorten(path: Path, seen: os.stat_result, limit: int) -> None:
    """Keep the newer half of the limit."""
    end = (seen.st_size - limit // 2) // _BLOCK * _BLOCK
    if seen.st_size > _LONGEST or not _punch(path, end):
        os.truncate(path, 0)


def _punch(path: Path, end: int) -> bool:
    return _fallocate(path, _PUNCH, 0, end) == 0


def _is_full(path: Path, start: int, length: int) -> bool:
    """Whether there was no space to be had. Where it cannot be asked for, none is."""
    return _fallocate(path, _KEEP_SIZE, start, length) in (errno.ENOSPC, errno.EDQUOT)


def _fallocate(path: Path, mode: int, start: int, length: int) -> int:
    """0, or the error's number."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        result = ctypes.CDLL(None, use_errno=True).fallocate(descriptor, mode, ctypes.c_int64(start), ctypes.c_int64(length))
        return ctypes.get_errno() if result else 0
    finally:
        os.close(descriptor)


def main(root: str) -> None:
    keeper = LogKeeper(Path(root))
    while True:
        keeper.look(time.monotonic())
        time.sleep(_LOOK)


if __name__ == "__main__":
    main(sys.argv[1])
