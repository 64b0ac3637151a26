"""The records and views of instances, on top of the supervisor's programs. Must not: start or stop one."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec

from mooring.drivers.runtime.listeners import is_free
from mooring.drivers.runtime.process import kernel, record
from mooring.drivers.runtime.process.program import read_program
from mooring.drivers.runtime.process.supervisor import view
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, ProcessState

_PAGE = 4096
_MEASURE_EVERY = 3.0  # seconds between two measurements of what all instances take
_ALIVE = (ProcessState.RUNNING, ProcessState.STOPPING, ProcessState.BACKOFF)
_LISTENING = (ProcessState.RUNNING, ProcessState.STOPPING)


class InstanceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What must be remembered of an instance beside its program; never its variables."""

    spec: InstanceSpec
    address: str
    port: int


def write_record(directory: Path, remembered: InstanceRecord) -> None:
    record.make_directory(str(directory))
    record.write_whole(str(directory / "instance.json"), msgspec.json.encode(remembered))


def read_record(directory: Path) -> InstanceRecord | None:
    """None where there is no instance, or its record cannot be read."""
    try:
        return msgspec.json.decode((directory / "instance.json").read_bytes(), type=InstanceRecord)
    except (OSError, msgspec.DecodeError):
        return None


def records(run: Path) -> dict[Path, InstanceRecord]:
    directories = sorted(run.iterdir()) if run.is_dir() else []
    return {directory: found for directory in directories if (found := read_record(directory)) is not None}


def make_way(run: Path) -> None:
    """An instance that does not run, and whose port a stranger has by now, is not there any more: it is made anew, with another port.

    For a supervisor that is about to start: it would start every instance as it was."""
    for directory, remembered in records(run).items():
        if remembered.port and view(directory, is_supervised=False).state not in _LISTENING and not is_free(remembered.port):
            (directory / "launch").unlink(missing_ok=True)


class Sizes:
    """Resident bytes of each process group, at most seconds old: reading every process of the machine at each look would cost
    more than the look itself. Pages shared within a group count once for each process."""

    def __init__(self) -> None:
        self._measured: dict[int, int] = {}
        self._due = 0.0

    def of(self, group: int) -> int:
        """0 for none. One that is new is measured at once."""
        if time.monotonic() >= self._due or (group and group not in self._measured):
            self._measured = _memory_by_group()
            self._due = time.monotonic() + _MEASURE_EVERY
        return self._measured.get(group, 0)


def views(run: Path, sizes: Sizes, *, is_supervised: bool) -> tuple[InstanceView, ...]:
    """Of every instance, from files and /proc alone. One that does not run, and whose program cannot be read any more, is not there."""
    found = {place: instance_view(place, each, sizes, is_supervised=is_supervised) for place, each in records(run).items()}
    there = [view for place, view in found.items() if view.state in _ALIVE or read_program(place) is not None]
    return tuple(sorted(there, key=lambda each: each.key))


def instance_view(directory: Path, remembered: InstanceRecord, sizes: Sizes, *, is_supervised: bool) -> InstanceView:
    seen = view(directory, is_supervised=is_supervised)
    ended = read_program(directory) if seen.state is ProcessState.EXITED else None
    return InstanceView(
        key=remembered.spec.key,
        state=seen.state,
        address=remembered.address,
        port=remembered.port,
        pid=seen.pid,
        started_at=seen.started_at,
        restarts=seen.restarts,
        exit_code=seen.exit_code,
        signal=seen.signal,
        retry_at=seen.retry_at,
        end_reason=seen.end_reason,
        is_retired=ended is not None and not ended.is_kept,
        memory=sizes.of(seen.pid),
    )


def program_directory(run: Path, key: InstanceKey) -> Path:
    return run / key.slug


def _memory_by_group() -> dict[int, int]:
    sizes: dict[int, int] = {}
    for process in kernel.processes().values():
        with contextlib.suppress(OSError, IndexError, ValueError):
            resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * _PAGE
            sizes[process.group] = sizes.get(process.group, 0) + resident
    return sizes
