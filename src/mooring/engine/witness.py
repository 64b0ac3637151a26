"""Gathers what a deployment proves: phase times, the edge's counts, Mooring's own probe stream. Must not: decide, or guess a number."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mooring.drivers.probe.contract import Stream
from mooring.engine.parts import Parts
from mooring.errors import DriverError
from mooring.model.deployment import Deployment, Phase
from mooring.model.health import Diagnosis
from mooring.model.names import Hostname
from mooring.model.receipt import PhaseTime, ProbeStream, Receipt
from mooring.model.routing import Traffic
from mooring.planner.goal import Wanted
from mooring.planner.verdict import regression

_LOOK_EVERY = 1.0  # seconds between two readings of the access log while watching


class Witness:
    """Of one deployment, from its start to its receipt. Wall times for the log, monotonic ones for durations."""

    def __init__(self, parts: Parts, deployment: Deployment) -> None:
        self._parts = parts
        self._deployment = deployment
        self._began_wall = parts.clock.wall()
        self._phases: list[PhaseTime] = []
        self._phase: tuple[Phase, float] | None = None
        self._stream: Stream | None = None
        self._switched_wall: float | None = None
        self._looked_at = float("-inf")
        self.started = 0
        self.stopped = 0
        self.moved = 0
        self.notes: list[str] = []
        self.diagnoses: list[Diagnosis] = []

    async def watch_edge(self, before: Wanted | None, path: str) -> None:
        """From now on ask the app through the edge at a constant rate; only where something serves already."""
        routed = before is not None and any(process.is_routed and before.count(process) for process in before.release.processes)
        record = self._parts.memory.environment(self._deployment.environment)
        if not routed or before is None or not before.release.hostnames or (record is not None and record.is_maintenance):
            return
        hostname = _asked_name(before.release.hostnames)
        try:
            self._stream = await self._parts.streams.open(hostname=hostname, path=path, rate=self._parts.probe_rate)
        except DriverError as error:
            self.notes.append(f"no probe stream: {error.message}")

    def enter(self, phase: Phase) -> float | None:
        """Note the phase's beginning; gives the seconds of the one it ends."""
        seconds = self.leave()
        self._phase = (phase, self._parts.clock.monotonic())
        return seconds

    def leave(self) -> float | None:
        if self._phase is None:
            return None
        phase, began = self._phase
        seconds = self._parts.clock.monotonic() - began
        self._phases.append(PhaseTime(phase.value, round(seconds, 3)))
        self._phase = None
        return seconds

    def switched(self, *, in_flight: int) -> None:
        """The edge has acknowledged the new release; `in_flight` requests were on the old one."""
        self.moved += in_flight
        if self._switched_wall is None:
            self._switched_wall = self._parts.clock.wall()

    async def finding(self, wanted: Wanted) -> str:
        """Whether the new release does worse since the switch: a sentence, or empty. Reads the log once a second at most."""
        now = self._parts.clock.monotonic()
        if self._switched_wall is None or now - self._looked_at < _LOOK_EVERY:
            return ""
        self._looked_at = now
        try:
            before = await self._traffic(since=self._began_wall, until=self._switched_wall)
            after = await self._traffic(since=self._switched_wall, until=self._parts.clock.wall())
        except DriverError:
            return ""
        return regression(before, after, wanted.release.policy)

    async def receipt(self, *, outcome: str, before: Wanted | None, target: Wanted | None, serving: Wanted | None) -> Receipt:
        """All of it, at the end."""
        self.leave()
        probes = await self._close_stream()
        try:
            traffic = await self._traffic(since=self._began_wall, until=self._parts.clock.wall())
        except DriverError as error:
            traffic = Traffic()
            self.notes.append(f"the edge's own count is missing: {error.message}")
        switched = self._switched_wall
        return Receipt(
            environment=str(self._deployment.environment),
            deployment=self._deployment.id,
            outcome=outcome,
            from_release=before.release.number if before else 0,
            to_release=target.release.number if target else 0,
            serving_release=serving.release.number if serving else 0,
            seconds=round(self._parts.clock.wall() - self._deployment.requested_at, 3),
            phases=tuple(self._phases),
            traffic=traffic,
            probes=probes,
            first_answer=round(switched - self._deployment.requested_at, 3) if switched else None,
            instances_started=self.started,
            instances_stopped=self.stopped,
            connections_moved=self.moved,
            artifact_bytes=target.release.artifact.size if target else 0,
            urls=tuple(self._parts.edge.url(name) for name in _routed_names(serving)),
            notes=tuple(self.notes),
            diagnoses=tuple(self.diagnoses),
        )

    async def close(self) -> None:
        """When it ends without a receipt."""
        await self._close_stream()

    async def _close_stream(self) -> ProbeStream | None:
        stream, self._stream = self._stream, None
        return await stream.close() if stream is not None else None

    async def _traffic(self, *, since: float, until: float) -> Traffic:
        return await self._parts.edge.traffic(self._deployment.environment, since=since, until=until)


def _routed_names(wanted: Wanted | None) -> tuple[Hostname, ...]:
    if wanted is None or not any(process.is_routed for process in wanted.release.processes):
        return ()
    return wanted.release.hostnames


def _asked_name(names: tuple[Hostname, ...]) -> str:
    """A hostname that can be asked for: a wildcard's star becomes a label."""
    exact = next((name for name in names if not name.startswith("*")), names[0])
    return str(exact).replace("*", "www", 1)


def cleaned(diagnosis: Diagnosis, redact: Callable[[str], str]) -> Diagnosis:
    """The same with every line an app wrote redacted."""
    return msgspec.structs.replace(
        diagnosis,
        last_lines=tuple(redact(line) for line in diagnosis.last_lines),
        probes=tuple(msgspec.structs.replace(probe, said=redact(probe.said)) for probe in diagnosis.probes),
        likely_cause=redact(diagnosis.likely_cause),
        hint=redact(diagnosis.hint),
    )
