"""The highest fencing number seen of each environment, on disk: an effect with a lower one is refused. Must not: decide who leads."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mooring.drivers.runtime.process import record
from mooring.errors import StaleFence, StateDamaged, Unavailable
from mooring.model.lease import Mark


class Fences:
    """One small file per environment below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def check(self, mark: Mark) -> None:
        """Remember this number; raises StaleFence when a higher one was seen. It is on disk when this returns."""
        path = self._directory / mark.environment.slug
        try:
            record.make_directory(str(self._directory))
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"the fencing numbers cannot be written: {error.strerror}", where=str(path)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            seen = _read(path)
            if mark.fence < seen:
                raise StaleFence(
                    f"{mark.operation}: number {mark.fence} is older than {seen}",
                    hint="another controller has taken over; this one stops here",
                    where=str(mark.environment),
                )
            if mark.fence > seen:
                _write(path, mark.fence)
        finally:
            os.close(descriptor)


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise StateDamaged(
            f"the fencing number in {path.name} cannot be read", hint=f"remove {path} when only one controller runs"
        ) from error


def _write(path: Path, number: int) -> None:
    try:
        record.write_whole(str(path), str(number).encode(), is_synced=True)
    except OSError as error:
        raise Unavailable(f"the fencing number cannot be written: {error.strerror}", where=str(path)) from error
