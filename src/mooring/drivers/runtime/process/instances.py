"""The records and views of instances, on top of the supervisor's programs. Must not: start or stop one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from mooring.drivers.runtime.process import kernel, record
from mooring.drivers.runtime.process.supervisor import view
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView

_PAGE = 4096


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


def views(run: Path, *, is_supervised: bool) -> tuple[InstanceView, ...]:
    """Of every instance, from files and /proc alone."""
    memory = _memory_by_group()
    found = [instance_view(place, each, is_supervised=is_supervised, memory=memory) for place, each in records(run).items()]
    return tuple(sorted(found, key=lambda each: each.key))


def instance_view(
    directory: Path, remembered: InstanceRecord, *, is_supervised: bool, memory: dict[int, int] | None = None
) -> InstanceView:
    seen = view(directory, is_supervised=is_supervised)
    sizes = memory if memory is not None else _memory_by_group()
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
        memory=sizes.get(seen.pid, 0),
    )


def program_directory(run: Path, key: InstanceKey) -> Path:
    return run / key.slug


def _memory_by_group() -> dict[int, int]:
    """Resident bytes of each process group. Pages shared within it count once for each process."""
    sizes: dict[int, int] = {}
    for process in kernel.processes().values():
        with contextlib.suppress(OSError, IndexError, ValueError):
            resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * _PAGE
            sizes[process.group] = sizes.get(process.group, 0) + resident
    return sizes
