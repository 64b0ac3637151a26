"""What is asked of an instance, what it answered, and what that means for it. Must not: ask."""

from __future__ import annotations

import enum

import msgspec


class CheckKind(enum.Enum):
    HTTP = "http"
    TCP = "tcp"
    COMMAND = "command"
    ALIVE = "alive"  # the process runs: what remains for a worker without a check of its own


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `paths` are tried in order until one does not answer 404 (HTTP only). Seconds throughout."""

    kind: CheckKind = CheckKind.ALIVE
    paths: tuple[str, ...] = ()
    command: str = ""
    host: str = ""
    interval: float = 5.0
    timeout: float = 3.0
    failures: int = 3


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """Startup is asked every `startup.interval` until it passes; readiness decides on routing; liveness on restarting."""

    startup: Check
    readiness: Check
    liveness: Check | None = None


class ProbeTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask: the instance's own address, and the Host header it is asked under."""

    address: str
    port: int
    hostname: str
    pid: int = 0


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `latency` in seconds; `status` the HTTP status or exit code, 0 when there was none; `said` is for people."""

    passed: bool
    at: float
    latency: float
    path: str = ""
    status: int = 0
    said: str = ""


class Health(enum.Enum):
    """UNKNOWN is not failed: a controller that has just started has asked nobody yet."""

    UNKNOWN = "unknown"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    SICK = "sick"  # liveness failed: to be restarted


class Listening(msgspec.Struct, frozen=True):
    """A socket that the instance's processes listen on."""

    address: str
    port: int


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All a person needs to see why an instance is not ready. `likely_cause` is a sentence, `hint` what to do."""

    instance: str
    process_state: str
    likely_cause: str
    hint: str = ""
    port: int = 0
    listening: tuple[Listening, ...] = ()
    exit_code: int | None = None
    signal: str = ""
    is_out_of_memory: bool = False
    restarts: int = 0
    probes: tuple[ProbeResult, ...] = ()
    last_lines: tuple[str, ...] = ()
