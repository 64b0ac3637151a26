"""Hands out ports: each once, free at that moment, and remembered until it is given back. Must not: listen on one.

Numbers go round, so that a port is not used again soon after: a late request to an instance that is gone must not reach another app.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mooring.drivers.runtime.listeners import is_free
from mooring.drivers.runtime.process import record
from mooring.errors import Unavailable


class Ports:
    """A file per port below `directory`, holding whose it is. `low` and `high` are included."""

    def __init__(self, directory: Path, *, low: int, high: int) -> None:
        self._directory = directory
        self._low = low
        self._high = high

    def take(self, owner: str) -> int:
        """For an owner that does not listen: the one it has already, unless a stranger listens there by now, or the next free one.

        Raises Unavailable when there is none.
        """
        with self._lock():
            owned = self._owned()
            kept = next((port for port, name in owned.items() if name == owner), None)
            if kept is not None and is_free(kept):
                return kept
            if kept is not None:
                (self._directory / str(kept)).unlink(missing_ok=True)
            for port in self._candidates():
                if port not in owned and is_free(port):
                    self._remember(port, owner)
                    return port
        raise Unavailable(f"no port of {self._low}-{self._high} is free", hint="stop something, or give the platform a wider range")

    def give_back(self, owner: str) -> None:
        with self._lock():
            for port, name in self._owned().items():
                if name == owner:
                    (self._directory / str(port)).unlink(missing_ok=True)

    def _owned(self) -> dict[int, str]:
        return {int(path.name): path.read_text(errors="replace") for path in self._directory.iterdir() if path.name.isdigit()}

    def _candidates(self) -> Iterator[int]:
        count = self._high - self._low + 1
        first = self._next() - self._low
        return (self._low + (first + step) % count for step in range(count))

    def _next(self) -> int:
        try:
            after = int((self._directory / ".last").read_text()) + 1
        except (OSError, ValueError):
            # platforms side by side on one machine begin at different places
            after = self._low + zlib.crc32(str(self._directory).encode()) % (self._high - self._low + 1)
        return after if self._low <= after <= self._high else self._low

    def _remember(self, port: int, owner: str) -> None:
        for name, text in ((str(port), owner), (".last", str(port))):
            record.write_whole(str(self._directory / name), text.encode())

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            record.make_directory(str(self._directory))
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"ports cannot be remembered: {error.strerror}", where=str(self._directory)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
