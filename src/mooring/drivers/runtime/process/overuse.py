"""That a program's process used more memory than it declared, and was ended for it: written by the memory keeper before it ends it.

Imported by the memory keeper, so nothing heavy is imported. Must not: measure.
"""

from __future__ import annotations

from mooring.drivers.runtime.process import record

_MEGA = 1_000_000


class Overuse:
    """Of the process `pid`; bytes."""

    def __init__(self, *, pid: int, used: int, limit: int) -> None:
        self.pid = pid
        self.used = used
        self.limit = limit

    @classmethod
    def read(cls, directory: str) -> Overuse | None:
        """None when there was none, or the note cannot be read any more."""
        found = record.fields(f"{directory}/overuse")
        try:
            return cls(pid=int(found["pid"]), used=int(found["used"]), limit=int(found["limit"]))
        except (KeyError, ValueError):
            return None

    def write(self, directory: str) -> None:
        record.write_fields(f"{directory}/overuse", {name: str(value) for name, value in vars(self).items()})

    def sentence(self) -> str:
        """`OOM: used 612 MB of 512 MB declared`."""
        return f"OOM: used {self.used / _MEGA:.0f} MB of {self.limit / _MEGA:.0f} MB declared"
