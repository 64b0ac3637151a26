"""Asks instances how they are, and remembers the answers. Must not: decide what follows from them.

One small task per running instance. A process that died and came back (another pid, more restarts) begins anew with the startup check.
An instance that ran before this controller is UNKNOWN until it has answered once, or has failed to `failures` times in a row.
Of a host that does not answer either, nothing is known about how its instances live: none is sick before its host was seen again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from mooring.drivers.probe.contract import Prober
from mooring.drivers.runtime.contract import Runtime
from mooring.engine.contract import Clock
from mooring.errors import MooringError
from mooring.model.health import Check, CheckKind, Checks, Health, ProbeResult, ProbeTarget
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import LOCAL, HostId

_KEPT = 10  # answers kept per instance for a diagnosis
_DOWN = (ProcessState.STARTING, ProcessState.BACKOFF, ProcessState.EXITED, ProcessState.UNKNOWN)
_PATIENCE = 2.0  # seconds a starting instance may be silent before its answers are told, each kind once
_SOONEST = 0.02  # seconds between two questions while something starts
_LOOKED_FOR = 0.5  # seconds between two looks at whether its host has been seen again
_BELIEVED = 10.0  # seconds for which a host that said that a process runs is believed
_LIVED = 0.5  # seconds a process without a check of its own must have lived to count as started


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How an instance is to be asked: its checks, and the Host header."""

    checks: Checks
    hostname: str


@dataclass
class _Patient:
    view: InstanceView
    asked: Asked
    health: Health
    first_seen: float
    born: float  # monotonic time at which this life of it was first seen
    is_new: bool
    seen_at: float  # monotonic time of the last look that its host answered
    ready_since: float | None = None
    results: deque[ProbeResult] = field(default_factory=lambda: deque(maxlen=_KEPT))
    task: asyncio.Task[None] | None = None


class HealthMonitor:
    """`runtime` runs the commands of checks. `on_change` is called with the instance whenever its health changes, and with what a slow
    starter answers.
    """

    def __init__(
        self, prober: Prober, runtime: Runtime, clock: Clock, on_change: Callable[[InstanceKey, Health, ProbeResult | None], None]
    ) -> None:
        self._prober = prober
        self._runtime = runtime
        self._clock = clock
        self._on_change = on_change
        self._patients: dict[InstanceKey, _Patient] = {}
        self._expected: set[InstanceKey] = set()

    def expect(self, key: InstanceKey) -> None:
        """This controller starts it: until it answers it is STARTING, not UNKNOWN."""
        self._forget(key)
        self._expected.add(key)

    def see(self, views: Iterable[InstanceView], asked: Callable[[InstanceKey], Asked | None], seen_at: Callable[[HostId], float]) -> None:
        """Begin with the new, begin anew with the restarted, end with the gone. `seen_at`: when a host last answered, monotonic."""
        present = {view.key: view for view in views}
        for key in [key for key in self._patients if key not in present]:
            self._forget(key)
        for key, view in present.items():
            self._look_after(key, view, asked, seen_at(key.host))

    def judged(self, view: InstanceView) -> InstanceView:
        """The view with what is known of its health."""
        patient = self._patients.get(view.key)
        if patient is None:
            return view
        return msgspec.structs.replace(view, health=patient.health, ready_since=patient.ready_since)

    def first_seen(self, key: InstanceKey) -> float | None:
        """Monotonic time from which its deadline counts: while nobody could look, it cannot be late."""
        patient = self._patients.get(key)
        return patient.first_seen if patient else None

    def end_reason(self, key: InstanceKey) -> str:
        """Why its last process ended, where more is known than how."""
        patient = self._patients.get(key)
        return patient.view.end_reason if patient else ""

    def results(self, key: InstanceKey) -> tuple[ProbeResult, ...]:
        """Its last answers, oldest first."""
        patient = self._patients.get(key)
        return tuple(patient.results) if patient else ()

    def close(self) -> None:
        for key in list(self._patients):
            self._forget(key)

    def _look_after(self, key: InstanceKey, view: InstanceView, asked: Callable[[InstanceKey], Asked | None], seen_at: float) -> None:
        patient = self._patients.get(key)
        if patient is not None and (_is_same_life(patient.view, view) or _has_answered_since(patient)):
            patient.view, patient.seen_at = view, seen_at
            self._note_state(patient)
            return
        questions = asked(key)
        if questions is None:
            return
        is_new = patient is not None or key in self._expected
        now = self._clock.monotonic()
        first_seen = patient.first_seen if patient else now
        results = patient.results if patient else deque(maxlen=_KEPT)
        if patient is not None and patient.task is not None:
            patient.task.cancel()
        health = Health.STARTING if is_new else Health.UNKNOWN
        fresh = _Patient(
            view=view, asked=questions, health=health, first_seen=first_seen, born=now, is_new=is_new, seen_at=seen_at, results=results
        )
        self._patients[key] = fresh
        if patient is not None and patient.health is not health:
            self._on_change(key, health, None)
        fresh.task = asyncio.create_task(self._attend(fresh), name=f"health {key}")

    def _note_state(self, patient: _Patient) -> None:
        """Not ready any more when its process went down, or is being stopped on purpose."""
        if patient.view.state is ProcessState.STOPPING and patient.health in (Health.READY, Health.SICK):
            self._become(patient, Health.UNREADY)
        elif patient.view.state in _DOWN and patient.health not in (Health.STARTING, Health.UNKNOWN):
            self._become(patient, Health.STARTING)

    def _forget(self, key: InstanceKey) -> None:
        self._expected.discard(key)
        patient = self._patients.pop(key, None)
        if patient is not None and patient.task is not None:
            patient.task.cancel()

    async def _attend(self, patient: _Patient) -> None:
        """Startup until it passes, then readiness and liveness for as long as it lives."""
        checks = patient.asked.checks
        await self._until_started(patient, checks.startup if patient.is_new else checks.readiness)
        liveness = asyncio.create_task(self._watch_liveness(patient, checks.liveness)) if checks.liveness else None
        try:
            await self._watch_readiness(patient, checks.readiness)
        finally:
            if liveness is not None:
                liveness.cancel()

    async def _until_started(self, patient: _Patient, check: Check) -> None:
        failed, told = 0, ""
        while True:
            result = await self._ask(patient, check)
            if result.passed:
                self._become(patient, Health.READY, result)
                return
            failed += 1
            if result.said != told and self._clock.monotonic() - patient.born > _PATIENCE:
                told = result.said
                self._on_change(patient.view.key, patient.health, result)
            if patient.health is Health.UNKNOWN and failed >= check.failures:
                self._become(patient, Health.STARTING, result)
            await self._clock.sleep(self._pause(patient, check))

    def _pause(self, patient: _Patient, check: Check) -> float:
        """While something starts it is asked again after a tenth of the time it has taken: a command alone is too dear for that."""
        if not patient.is_new or check.kind is CheckKind.COMMAND:
            return check.interval
        return min(check.interval, max(_SOONEST, (self._clock.monotonic() - patient.born) / 10))

    async def _watch_readiness(self, patient: _Patient, check: Check) -> None:
        failed = 0
        while True:
            await self._clock.sleep(check.interval)
            if patient.health is Health.SICK:
                continue
            result = await self._ask(patient, check)
            failed = 0 if result.passed else failed + 1
            if result.passed and patient.health is not Health.READY:
                self._become(patient, Health.READY, result)
            elif failed >= check.failures and patient.health is Health.READY:
                self._become(patient, Health.UNREADY, result)

    async def _watch_liveness(self, patient: _Patient, check: Check) -> None:
        failed = 0
        while True:
            await self._clock.sleep(check.interval)
            result = await self._ask(patient, check)
            failed = 0 if result.passed else failed + 1
            if failed < check.failures or patient.health is Health.SICK:
                continue
            result = await self._confirmed(patient, check, result)
            if result.passed:
                failed = 0
            else:
                self._become(patient, Health.SICK, result)

    async def _confirmed(self, patient: _Patient, check: Check, result: ProbeResult) -> ProbeResult:
        """The bad answer; or, where its host was not seen since, what it answers once that is there again: it may be well."""
        now = self._clock.monotonic()
        if patient.seen_at >= now:
            return result
        while patient.seen_at < now:
            await self._clock.sleep(_LOOKED_FOR)
        return await self._ask(patient, check)

    async def _ask(self, patient: _Patient, check: Check) -> ProbeResult:
        view = patient.view
        if view.state is not ProcessState.RUNNING:
            result = ProbeResult(passed=False, at=self._clock.wall(), latency=0.0, said=f"the process is {view.state.value}")
        elif check.kind is CheckKind.ALIVE and self._clock.monotonic() - patient.born < _LIVED:
            result = ProbeResult(passed=False, at=self._clock.wall(), latency=0.0, said="just started")
        elif check.kind is CheckKind.ALIVE and view.key.host != LOCAL:
            result = self._as_its_host_says(patient)
        else:
            target = ProbeTarget(
                address=view.address,
                port=view.port,
                hostname=patient.asked.hostname,
                pid=view.pid,
            )
            result = await self._answer(view.key, target, check)
        patient.results.append(result)
        return result

    def _as_its_host_says(self, patient: _Patient) -> ProbeResult:
        """It is no process of this machine: it runs while its host says so, and has said so lately."""
        passed = self._clock.monotonic() - patient.seen_at <= _BELIEVED
        said = "the process runs" if passed else "its host does not answer"
        return ProbeResult(passed=passed, at=self._clock.wall(), latency=0.0, said=said)

    async def _answer(self, key: InstanceKey, target: ProbeTarget, check: Check) -> ProbeResult:
        """A prober that fails by itself has no answer; it may not end the asking, or the last answer would be believed for ever."""
        try:
            return await (self._heard(key, check) if check.kind is CheckKind.COMMAND else self._prober.probe(target, check))
        except MooringError as error:
            said = error.message
        except Exception as error:
            said = f"it could not be asked: {type(error).__name__}: {error}"
        return ProbeResult(passed=False, at=self._clock.wall(), latency=0.0, said=said)

    async def _heard(self, key: InstanceKey, check: Check) -> ProbeResult:
        """The app's own command, run where the instance runs: 0 passes."""
        at, began = self._clock.wall(), self._clock.monotonic()
        heard = await self._runtime.ask(key, check.command, within=check.timeout)
        said = f"no answer within {check.timeout:g} s" if heard.code is None else heard.said or f"ended with code {heard.code}"
        return ProbeResult(passed=heard.code == 0, at=at, latency=self._clock.monotonic() - began, status=heard.code or 0, said=said)

    def _become(self, patient: _Patient, health: Health, result: ProbeResult | None = None) -> None:
        patient.health = health
        patient.ready_since = self._clock.monotonic() if health is Health.READY else None
        self._on_change(patient.view.key, health, result)


def _has_answered_since(patient: _Patient) -> bool:
    """Whether it became ready while nobody could look at its host: what answers is the life that is seen now."""
    return patient.health is Health.READY and patient.ready_since is not None and patient.ready_since > patient.seen_at


def _is_same_life(before: InstanceView, now: InstanceView) -> bool:
    return before.restarts == now.restarts and (before.pid == now.pid or 0 in (before.pid, now.pid))
