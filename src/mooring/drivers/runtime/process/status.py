"""What a program's directory says of its main process: written by the launcher before each start, read by whoever looks.

    launch        what to run, and how it is to be stopped (record; see program.py)
    environment   everything that the process finds in its environment (record, 0600)
    status        which process it is now, since when, how often it was started (this file)
    exit          how its last process ended (written by the daemon that reaped it)

Imported by the launcher, so nothing heavy is imported. Must not: start or end anything.
"""

from __future__ import annotations

from mooring.drivers.runtime.process import kernel, record

RUNNING = "running"
WAITING = "waiting"  # died often: sleeps before its next start


class Status:
    """`began` is monotonic seconds since boot, `started_at` and `retry_at` wall seconds; `previous` the pid before this one."""

    def __init__(self) -> None:
        self.pid = 0
        self.ticks = 0
        self.boot = ""
        self.phase = ""
        self.began = 0.0
        self.started_at = 0.0
        self.retry_at = 0.0
        self.starts = 0
        self.short_lives = 0
        self.previous = 0

    @classmethod
    def read(cls, directory: str, name: str = "status") -> Status:
        """All zero when the program was never started, or what was written of it cannot be read any more."""
        status = cls()
        found = record.fields(f"{directory}/{name}")
        try:
            for field, empty in vars(cls()).items():
                text = found.get(field, "")
                if text:
                    setattr(status, field, text if isinstance(empty, str) else float(text) if isinstance(empty, float) else int(text))
        except ValueError:
            return cls()
        return status

    def write(self, directory: str, name: str = "status") -> None:
        record.write_fields(f"{directory}/{name}", {field: str(value) for field, value in vars(self).items()})

    def is_alive(self) -> bool:
        """Whether the process that it names lives."""
        return bool(self.pid) and kernel.is_same(self.pid, self.ticks) and self.boot == kernel.boot()


class Exit:
    """`code` None and `signal` a number, or the other way round. `was_asked`: it was being stopped."""

    def __init__(self, *, pid: int, code: int | None, signal: int, at: float, was_asked: bool, is_out_of_memory: bool) -> None:
        self.pid = pid
        self.code = code
        self.signal = signal
        self.at = at
        self.was_asked = was_asked
        self.is_out_of_memory = is_out_of_memory

    @classmethod
    def read(cls, directory: str) -> Exit | None:
        """None when no end was noted, or the note cannot be read any more."""
        found = record.fields(f"{directory}/exit")
        try:
            return cls(
                pid=int(found["pid"]),
                code=int(found["code"]) if found["code"] else None,
                signal=int(found["signal"]),
                at=float(found["at"]),
                was_asked=found["was_asked"] == "yes",
                is_out_of_memory=found["is_out_of_memory"] == "yes",
            )
        except (KeyError, ValueError):
            return None

    def write(self, directory: str) -> None:
        record.write_fields(
            f"{directory}/exit",
            {
                "pid": str(self.pid),
                "code": "" if self.code is None else str(self.code),
                "signal": str(self.signal),
                "at": str(self.at),
                "was_asked": "yes" if self.was_asked else "no",
                "is_out_of_memory": "yes" if self.is_out_of_memory else "no",
            },
        )
