"""That a program's process used more memory than it declared, and is ended for it: written by the memory keeper seconds before.

Imported by the memory keeper, so nothing heavy is imported. Must not: measure.
"""

from __future__ import annotations

from mooring.drivers.runtime.process import record

_MEGA = 1_000_000


class Overuse:
    """Of the process `pid` that began at `ticks` (kernel.py); bytes."""

    def __init__(self, *, pid: int, ticks: int, used: int, limit: int) -> None:
        self.pid = pid
        self.ticks = ticks
        self.used = used
        self.limit = limit

    @classmethod
    def read(cls, directory: str) -> Overuse | None:
        """None when there was none, or the note cannot be read any more."""
        found = record.fields(f"{directory}/overuse")
        try:
            return cls(pid=int(found["pid"]), ticks=int(found["ticks"]), used=int(found["used"]), limit=int(found["limit"]))
        except (KeyError, ValueError):
            return None

    def write(self, directory: str) -> None:
        record.write_fields(f"{directory}/overuse", {name: str(value) for name, value in vars(self).items()})

    def sentence(self) -> str:
        """`OOM: used 612 MB of 512 MB declared`."""
        return f"OOM: used {self.used / _MEGA:.0f} MB of {self.limit / _MEGA:.0f} MB declared"
