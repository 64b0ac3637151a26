"""One running copy of one process type of one release on one host: what it should be, and what was seen. Must not: start one."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.accessory import Lasting
from mooring.model.environment import EnvironmentId
from mooring.model.health import Health
from mooring.model.names import LOCAL, HostId, ProcessName
from mooring.model.release import Artifact


class InstanceKey(msgspec.Struct, frozen=True, order=True):
    """The identity: running the same key twice is the same instance. `slot` counts from 1; `generation` grows with restarts by hand."""

    environment: EnvironmentId
    process: ProcessName
    slot: int
    release: int
    generation: int = 0
    host: HostId = LOCAL

    def __str__(self) -> str:
        where = "" if self.host == LOCAL else f" on {self.host}"
        return f"v{self.release} {self.process}.{self.slot}{where}"

    @property
    def slug(self) -> str:
        """A name for programs, folders and endpoints, unique over all environments."""
        where = "" if self.host == LOCAL else f"@{self.host}"
        return f"{self.environment.slug}--{self.process}.{self.slot}.v{self.release}.{self.generation}{where}"


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """That a process is kept from what is not its environment's, where the runtime does not keep all apart anyway.

    Absolute paths: `hidden` are directories in which other environments have files, `own` what is its own of them.
    """

    hidden: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a runtime needs to start it, but for the environment, which travels apart because it holds secrets.

    `artifact` is what was delivered to the host; None where `directory`, as it lies on the controller's machine, is all there is.
    `lasting`: of an accessory. `confinement`: of a review app.
    """

    key: InstanceKey
    command: str
    directory: str
    is_routed: bool
    stop_signal: str = "TERM"
    kill_timeout: float = 10.0
    memory: int = 0
    cpus: float = 0.0
    log_bytes: int = 10_000_000
    artifact: Artifact | None = None
    lasting: Lasting | None = None
    confinement: Confinement | None = None

    @property
    def listens(self) -> bool:
        """Whether it is given a port."""
        return self.is_routed or self.lasting is not None


class ProcessState(enum.Enum):
    """What the runtime says of the process itself. BACKOFF: it died too often and waits before its next start."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    UNKNOWN = "unknown"


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed. `started_at` is wall time in seconds; `restarts` counts since the instance was first started.

    `end_reason` says why it ended last where exit code and signal do not: `OOM: used 612 MB of 512 MB declared`.
    `address`:`port` is where it was told to listen (port 0: not routed). `retry_at` is the wall time of the next start in BACKOFF.
    `is_retired`: somebody began to stop it and did not finish; once it is EXITED nothing but a start brings it back.
    """

    key: InstanceKey
    state: ProcessState
    address: str = "127.0.0.1"
    port: int = 0
    pid: int = 0
    started_at: float = 0.0
    restarts: int = 0
    exit_code: int | None = None
    signal: str = ""
    end_reason: str = ""
    is_retired: bool = False
    retry_at: float = 0.0
    memory: int = 0
    health: Health = Health.UNKNOWN
    ready_since: float | None = None  # monotonic seconds of the controller; None when not ready


class TaskState(enum.Enum):
    """A one-off command's life, seen from outside. LOST: it was started, is not running, and left no exit code."""

    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A command run once, under the supervisor too, so that a dying controller neither kills nor repeats it. `name`: `release.v7`.

    `artifact` and `confinement` as in InstanceSpec.
    """

    environment: EnvironmentId
    name: str
    command: str
    directory: str
    timeout: float
    release: int
    host: HostId = LOCAL
    artifact: Artifact | None = None
    confinement: Confinement | None = None


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    environment: EnvironmentId
    name: str
    state: TaskState
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()


CUT = " … [line cut]"
"""Ends a text that was longer than what is kept of it: whoever redacts it must reckon with half a secret before it."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line an instance wrote, redacted. `stream` is stdout or stderr; `at` wall seconds, 0.0 when the source kept none."""

    at: float
    source: str  # "web.1"
    release: int
    stream: str
    text: str
    host: HostId = LOCAL
