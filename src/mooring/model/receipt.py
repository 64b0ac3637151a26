"""What a deployment proves when it ends: counted by the edge, and by Mooring's own probe stream. Must not: be estimated."""

from __future__ import annotations

import msgspec

from mooring.model.assets import AssetCount
from mooring.model.health import Diagnosis
from mooring.model.routing import Traffic


class ProbeStream(msgspec.Struct, frozen=True, kw_only=True):
    """Mooring's own requests through the edge at a constant rate (per second) for the whole deployment. Latency in seconds."""

    rate: float
    sent: int
    answered: int
    failed: int
    slowest: float
    failures: tuple[str, ...] = ()


class PhaseTime(msgspec.Struct, frozen=True):
    phase: str
    seconds: float


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """`from_release` 0: there was none. `seconds` from the request to the end.

    `broken_by_app`: those of the edge's failed requests that an instance broke off by itself, though nobody had told it to stop.
    `bytes_sent`: to other hosts, of the artifact's `artifact_bytes` for each of them.
    `first_answer`: seconds from request until the new release was routed."""

    environment: str
    deployment: str
    outcome: str
    from_release: int
    to_release: int
    serving_release: int
    seconds: float
    phases: tuple[PhaseTime, ...]
    traffic: Traffic
    probes: ProbeStream | None
    broken_by_app: int = 0
    first_answer: float | None = None
    instances_started: int = 0
    instances_stopped: int = 0
    connections_moved: int = 0
    artifact_bytes: int = 0
    bytes_sent: int = 0
    assets: AssetCount | None = None  # None: none were pushed, or a controller that died did
    urls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()

    @property
    def failed(self) -> int:
        """Requests that failed and not by the app's own code: the number that must be 0."""
        return self.traffic.failed + (self.probes.failed if self.probes else 0)
