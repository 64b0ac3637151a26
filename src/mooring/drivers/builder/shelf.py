"""Finished directories, each named by its content: artifacts, shared dependencies. Must not: know what is in them.

A directory is made at its final path, since virtual environments and build tools write absolute paths into what they make; it counts
as finished only when its record stands beside it, written after everything else is on the disk. What has no record is left over from
a crash, and is removed. One lock per name (held by the kernel, so it dies with its holder): whoever asks for a directory while another
makes it waits, and finds it made.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from mooring.drivers.builder.tree import remove_tree, settle, size_of, to_completion
from mooring.errors import InvalidInput

_NAME = re.compile(r"\A[a-z0-9]{1,64}\Z")
_POLL = 0.05


class Shelf:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locks = directory / ".locks"
        self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)

    def place(self, name: str) -> Path:
        """Where the directory of that name is, or will be."""
        if not _NAME.match(name):
            raise InvalidInput(f"{name!r} is not a name on a shelf")
        return self._directory / name

    def record(self, name: str) -> bytes | None:
        """What was written when it was finished; None when it is not there, or not finished."""
        place = self.place(name)
        try:
            record = self._mark(name).read_bytes()
        except FileNotFoundError:
            return None
        return record if place.is_dir() else None

    def names(self) -> frozenset[str]:
        """Of the finished ones."""
        return frozenset(mark.stem for mark in self._directory.glob("*.json") if _NAME.match(mark.stem))

    @contextlib.asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Keep everybody else from making or removing it; waits for its turn."""
        self.place(name)
        lock = await self._wait_for_lock(name)
        try:
            yield
        finally:
            os.close(lock)

    async def finish(self, name: str, record: bytes) -> None:
        """Everything of it is there: put it on the disk, then say so."""
        await to_completion(self._finish, name, record)

    async def clear(self, name: str) -> None:
        """Remove it, finished or not. Only while holding it."""
        await to_completion(self._clear, name)

    def sweep(self) -> int:
        """Remove what was left unfinished and is not being made now; how many directories."""
        present = {path.name for path in self._directory.iterdir() if _NAME.match(path.name)}
        return sum(self._clear_if_free(name) for name in present - self.names())

    def prune(self, keep: frozenset[str]) -> int:
        """Remove the finished ones that are not kept, nor being used; bytes freed."""
        freed = 0
        for name in self.names() - keep:
            size = size_of(self.place(name))
            freed += size if self._clear_if_free(name) else 0
        return freed

    def _finish(self, name: str, record: bytes) -> None:
        settle(self.place(name))
        mark, beside = self._mark(name), self._directory / f"{name}.new"
        with beside.open("wb") as file:
            file.write(record)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(mark)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _clear(self, name: str) -> None:
        self._mark(name).unlink(missing_ok=True)
        if self.place(name).exists():
            remove_tree(self.place(name))

    def _clear_if_free(self, name: str) -> bool:
        with self._lock_if_free(name) as is_ours:
            if is_ours:
                self._clear(name)
                (self._locks / name).unlink(missing_ok=True)
            return is_ours

    @contextlib.contextmanager
    def _lock_if_free(self, name: str) -> Iterator[bool]:
        lock = self._try_lock(name)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    async def _wait_for_lock(self, name: str) -> int:
        while True:
            lock = self._try_lock(name)
            if lock is not None:
                return lock
            await asyncio.sleep(_POLL)

    def _try_lock(self, name: str) -> int | None:
        """A descriptor that holds the lock while it is open. A lock file removed in the meantime is no lock: then once more, later."""
        path = self._locks / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return None

    def _mark(self, name: str) -> Path:
        return self._directory / f"{name}.json"
