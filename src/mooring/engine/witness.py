"""Gathers what a deployment proves: phase times, the edge's counts, Mooring's own probe stream. Must not: decide, or guess a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from mooring.drivers.probe.contract import Stream
from mooring.engine.attribution import broken_by_app, sentence
from mooring.engine.contract import Clock
from mooring.engine.parts import Parts
from mooring.errors import DriverError
from mooring.model.assets import AssetCount
from mooring.model.deployment import Deployment, Phase, Trigger
from mooring.model.health import Diagnosis
from mooring.model.names import Hostname
from mooring.model.receipt import PhaseTime, ProbeStream, Receipt
from mooring.model.records import JournalEntry
from mooring.model.routing import Traffic
from mooring.model.steps import SetRoutes, StartInstance, StopInstance
from mooring.planner.goal import Wanted
from mooring.planner.verdict import regression

_LOOK_EVERY = 1.0  # seconds between two readings of the access log while watching


class _When(NamedTuple):
    """A moment on both clocks. The log knows wall time, which may be set; how long ago it was is known by the other."""

    wall: float
    monotonic: float

    def on(self, clock: Clock) -> float:
        """Its wall time for the log: what it was, or earlier where the machine's clock was set back since."""
        return min(self.wall, clock.wall() - (clock.monotonic() - self.monotonic))


class Witness:
    """Of one deployment, from its start to its receipt. Wall times for the log, monotonic ones for durations.

    What was done is read from the journal, so that a controller that takes the deployment up again counts what its predecessor did.
    """

    def __init__(self, parts: Parts, deployment: Deployment, *, asked_at: float | None = None) -> None:
        self._parts = parts
        self._deployment = deployment
        self._began = self._made = self._now()
        waited = self._made.monotonic - asked_at if asked_at is not None else self._made.wall - deployment.requested_at
        self._waited = max(0.0, waited)
        self._phases: list[PhaseTime] = []
        self._phase: tuple[Phase, float] | None = None
        self._stream: Stream | None = None
        self._routed: tuple[Hostname, ...] = ()  # by the old release
        self._asked: Hostname | None = None
        self._path = ""
        self._switched: _When | None = None
        self._first_answer: float | None = None
        self._looked_at = float("-inf")
        self.moved = 0
        self.bytes_sent = 0
        self.assets: AssetCount | None = None
        self.notes: list[str] = []
        self.diagnoses: list[Diagnosis] = []

    async def watch_edge(self, before: Wanted | None, path: str) -> None:
        """From now on ask the app through the edge at a constant rate; only where something serves already."""
        if self._deployment.trigger is Trigger.DESTROY:
            return
        routed = before is not None and any(process.is_routed and before.count(process) for process in before.release.processes)
        record = self._parts.memory.environment(self._deployment.environment)
        if not routed or before is None or not before.release.hostnames or (record is not None and record.is_maintenance):
            return
        self._routed = before.release.hostnames
        self._asked = _preferred(self._routed)
        self._path = path
        await self._open_stream(self._asked, path)

    async def keep_to(self, target: Wanted) -> None:
        """What the target takes away on purpose is not asked for any more: all of it, or the hostname that was asked."""
        names = _routed_names(target) if any(target.count(each) for each in target.release.processes if each.is_routed) else ()
        if self._asked is None or self._asked in names:
            return
        await self._close_stream()
        kept = [name for name in self._routed if name in names]
        if kept:
            self._asked = _preferred(kept)
            await self._open_stream(self._asked, self._path)
        elif names:
            self.notes.append("no probe stream: all hostnames are new")

    async def _open_stream(self, name: Hostname, path: str) -> None:
        try:
            self._stream = await self._parts.streams.open(hostname=_in_full(name), path=path, rate=self._parts.probe_rate)
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
        if self._switched is None:
            self._switched = self._now()
            self._first_answer = self._seconds()

    def recall(self) -> None:
        """Taken up again: what the journal knows of the time before."""
        started, now = self._deployment.started_at, self._now()
        if started is not None and started < now.wall:
            self._began = _When(started, now.monotonic - (now.wall - started))
        self.notes.append("the controller was started again on the way: seconds and Mooring's own requests are counted from then on")
        switches = [entry for entry in self._done() if isinstance(entry.step, SetRoutes) and entry.step.is_switch]
        if switches and self._switched is None:
            at = min(now.wall, switches[0].ended_at or switches[0].intent_at)
            self._switched = _When(at, now.monotonic - (now.wall - at))
            self._first_answer = max(0.0, at - self._deployment.requested_at)

    async def finding(self, wanted: Wanted) -> str:
        """Whether the new release does worse since the switch: a sentence, or empty. Reads the log once a second at most."""
        now = self._parts.clock.monotonic()
        if self._switched is None or now - self._looked_at < _LOOK_EVERY:
            return ""
        self._looked_at = now
        clock = self._parts.clock
        try:
            before = await self._traffic(since=self._began.on(clock), until=self._switched.on(clock))
            after = await self._traffic(since=self._switched.on(clock), until=clock.wall())
        except DriverError:
            return ""
        return regression(before, after, wanted.release.policy)

    async def receipt(self, *, outcome: str, before: Wanted | None, target: Wanted | None, serving: Wanted | None) -> Receipt:
        """All of it, at the end."""
        self.leave()
        probes = await self._close_stream()
        traffic = await self._counted() if target is not None else Traffic()
        done = [entry.step for entry in self._done()]
        broken = broken_by_app(traffic, self._parts.memory.journal(self._deployment.id))
        return Receipt(
            environment=str(self._deployment.environment),
            deployment=self._deployment.id,
            outcome=outcome,
            from_release=before.release.number if before else 0,
            to_release=target.release.number if target else 0,
            serving_release=serving.release.number if serving else 0,
            seconds=round(self._seconds(), 3),
            phases=tuple(self._phases),
            traffic=traffic,
            probes=probes,
            broken_by_app=sum(broken.values()),
            first_answer=round(self._first_answer, 3) if self._first_answer is not None else None,
            instances_started=len({step.instance for step in done if isinstance(step, StartInstance)}),
            instances_stopped=len({step.instance for step in done if isinstance(step, StopInstance)}),
            connections_moved=self.moved,
            artifact_bytes=target.release.artifact.size if target else 0,
            bytes_sent=self.bytes_sent,
            assets=self.assets,
            urls=tuple(self._parts.edge.url(name) for name in _routed_names(serving)),
            notes=tuple(note for note in (*self.notes, sentence(broken)) if note),
            diagnoses=tuple(self.diagnoses),
        )

    async def close(self) -> None:
        """When it ends without a receipt, or what it asks for is taken away on purpose."""
        await self._close_stream()

    def _done(self) -> list[JournalEntry]:
        """What was done, or may have been."""
        return [entry for entry in self._parts.memory.journal(self._deployment.id) if entry.outcome not in ("not-done", "refused")]

    def _seconds(self) -> float:
        """From the request until now, whatever the machine's clock was set to meanwhile."""
        return self._waited + self._parts.clock.monotonic() - self._made.monotonic

    def _now(self) -> _When:
        return _When(self._parts.clock.wall(), self._parts.clock.monotonic())

    async def _counted(self) -> Traffic:
        """Since it began. After a destruction nothing is counted: that its requests fail is what was asked for."""
        try:
            return await self._traffic(since=self._began.on(self._parts.clock), until=self._parts.clock.wall())
        except DriverError as error:
            self.notes.append(f"the edge's own count is missing: {error.message}")
            return Traffic()

    async def _close_stream(self) -> ProbeStream | None:
        stream, self._stream = self._stream, None
        try:
            return await stream.close() if stream is not None else None
        except DriverError as error:
            self.notes.append(f"the count of Mooring's own requests is missing: {error.message}")
            return None

    async def _traffic(self, *, since: float, until: float) -> Traffic:
        return await self._parts.edge.traffic(self._deployment.environment, since=since, until=until)


def _routed_names(wanted: Wanted | None) -> tuple[Hostname, ...]:
    if wanted is None or not any(process.is_routed for process in wanted.release.processes):
        return ()
    return wanted.release.hostnames


def _preferred(names: Sequence[Hostname]) -> Hostname:
    """One without a wildcard, where there is one."""
    return next((name for name in names if not name.startswith("*")), names[0])


def _in_full(name: Hostname) -> str:
    """A hostname that can be asked for: a wildcard's star becomes a label."""
    return str(name).replace("*", "www", 1)


def cleaned(diagnosis: Diagnosis, redact: Callable[[str], str]) -> Diagnosis:
    """The same with every text redacted that an app or its probes said."""
    return msgspec.structs.replace(
        diagnosis,
        last_lines=tuple(redact(line) for line in diagnosis.last_lines),
        probes=tuple(msgspec.structs.replace(probe, said=redact(probe.said)) for probe in diagnosis.probes),
        likely_cause=redact(diagnosis.likely_cause),
        hint=redact(diagnosis.hint),
    )
