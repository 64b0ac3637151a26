"""One deployment from its order to its receipt: asks the planner, lets the hands act, records how far it is. Must not: decide by itself.

Taken up again after a crash it goes on from the recorded phase: the planner needs only that and what the world shows.
"""

from __future__ import annotations

import msgspec

from mooring.engine.bell import Bell
from mooring.engine.explain import explain
from mooring.engine.hands import Hands, release_task_name
from mooring.engine.parts import Parts
from mooring.engine.witness import Witness
from mooring.errors import DriverError
from mooring.model.deployment import Deployment, Phase, Trigger
from mooring.model.events import EventKind
from mooring.model.instance import TaskState
from mooring.model.lease import Lease, Mark
from mooring.model.steps import Conclude, GoBack, SetRoutes, StartInstance, Step, StopInstance
from mooring.planner.goal import Current, Goal, Progress, Wanted
from mooring.planner.rollout import plan

_PHASES_KEPT = (Phase.RELEASE, Phase.PREPARE, Phase.WATCH, Phase.DRAIN, Phase.REVERT)
_PAUSE = 0.05  # seconds between two looks while something is under way
_HEARTBEAT = 2.0


class Rollout:
    """Runs to the end of the rollout: `run` gives the deployment's outcome, with `failure` saying why it turned round."""

    def __init__(
        self,
        parts: Parts,
        deployment: Deployment,
        *,
        lease: Lease,
        target: Wanted | None,
        baseline: Wanted | None,
        witness: Witness,
        bell: Bell,
    ) -> None:
        self._parts = parts
        self.deployment = deployment
        self._lease = lease
        self._target = target
        self._hands = Hands(parts, lease, deployment.id)
        self._witness = witness
        self._bell = bell
        self._beat_at = parts.clock.monotonic()
        self._is_abort_asked = False
        self.failure: GoBack | None = None
        now = parts.clock.monotonic()
        self._has_release_command = self._needs_release_command(baseline)
        first = Phase.RELEASE if self._has_release_command else Phase.PREPARE
        phase = deployment.phase if deployment.phase in _PHASES_KEPT[1:] else first
        self._progress = Progress(phase=phase, baseline=baseline, started_at=now, phase_since=now, was_switched=self._was_switched())

    def abort(self) -> None:
        """It turns round at its next look, unless the old release is going already."""
        self._is_abort_asked = True
        self._bell.ring()

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.ring()

    @property
    def mark(self) -> Mark:
        return self._hands.mark

    async def run(self) -> Conclude:
        """Until the planner concludes. Raises StaleFence when another controller took over."""
        self._announce(self._progress.phase)
        while True:
            self._beat()
            current = await self._parts.observer.look(self.deployment.environment)
            self._progress = await self._refreshed(self._progress)
            decided = plan(self._goal(), current, now=self._parts.clock.monotonic())
            if decided.phase is not None and decided.phase is not self._progress.phase and not decided.steps:
                await self._enter(decided.phase)
                continue
            ending = await self._take(decided.steps, current)
            if ending is not None:
                self._close_phase()
                return ending
            if not decided.steps:
                await self._bell.wait(at_most=self._pause(decided.wake_at))

    def _goal(self) -> Goal:
        record = self._parts.memory.environment(self.deployment.environment)
        is_maintenance = record.is_maintenance if record else False
        progress = msgspec.structs.replace(self._progress, is_abort_asked=self._is_abort_asked)
        return Goal(environment=self.deployment.environment, target=self._target, progress=progress, is_maintenance=is_maintenance)

    async def _take(self, steps: tuple[Step, ...], current: Current) -> Conclude | None:
        for step in steps:
            if isinstance(step, GoBack):
                await self._go_back(step, current)
                return None
            if isinstance(step, Conclude):
                await self._hands.apply(step)
                return step
        await self._hands.take(steps)
        for step in steps:
            self._count(step, current)
        return None

    def _count(self, step: Step, current: Current) -> None:
        if isinstance(step, StartInstance):
            self._witness.started += 1
        elif isinstance(step, StopInstance):
            self._witness.stopped += 1
        elif isinstance(step, SetRoutes) and step.is_switch:
            self._progress = msgspec.structs.replace(self._progress, was_switched=True)
            self._witness.switched(in_flight=sum(current.in_flight.values()) + sum(current.streams.values()))

    async def _go_back(self, step: GoBack, current: Current) -> None:
        await self._hands.apply(step)
        self.failure = step
        await self._tell_task_output()
        self._parts.announcer.say(
            EventKind.REVERTING, environment=self.deployment.environment, deployment=self.deployment.id, reason=step.reason
        )
        if step.code in ("not-healthy", "regressed") and self._target is not None:
            await self._diagnose(self._target, current)
        self._save(error_code=step.code, error=self._redacted(step.reason), hint=step.hint)
        await self._enter(Phase.REVERT)

    async def _diagnose(self, target: Wanted, current: Current) -> None:
        """Before anything of the failed release is stopped: a person must see why."""
        before = frozenset(self._progress.baseline.instances() if self._progress.baseline else ())
        for diagnosis in await explain(self._parts, target, current, before=before):
            self._witness.diagnoses.append(diagnosis)
            fields = msgspec.to_builtins(diagnosis)
            self._parts.announcer.say(EventKind.DIAGNOSIS, environment=self.deployment.environment, deployment=self.deployment.id, **fields)

    async def _refreshed(self, progress: Progress) -> Progress:
        if progress.phase is Phase.RELEASE:
            return msgspec.structs.replace(progress, release_task=await self._release_task())
        if progress.phase is Phase.WATCH and self._target is not None and not progress.regression:
            return msgspec.structs.replace(progress, regression=await self._witness.finding(self._target))
        return progress

    async def _release_task(self) -> TaskState:
        if not self._has_release_command or self._target is None:
            return TaskState.SUCCEEDED
        name = release_task_name(self._target.release.number)
        try:
            return (await self._parts.runtime.observe_task(self.deployment.environment, name)).state
        except DriverError:
            return TaskState.RUNNING  # unknown is not failed, and not absent either: wait for an answer

    async def _enter(self, phase: Phase) -> None:
        if self._progress.phase is Phase.RELEASE:
            await self._tell_task_output()
        self._close_phase()
        self._progress = msgspec.structs.replace(self._progress, phase=phase, phase_since=self._parts.clock.monotonic())
        self._save(phase=phase)
        self._announce(phase)

    def _announce(self, phase: Phase) -> None:
        self._witness.enter(phase)
        self._say(EventKind.PHASE_STARTED, phase=phase.value)

    def _close_phase(self) -> None:
        seconds = self._witness.leave()
        if seconds is not None:
            self._say(EventKind.PHASE_ENDED, phase=self._progress.phase.value, seconds=seconds)

    async def _tell_task_output(self) -> None:
        if not self._has_release_command or self._target is None or self._progress.phase is not Phase.RELEASE:
            return
        name = release_task_name(self._target.release.number)
        view = await self._parts.runtime.observe_task(self.deployment.environment, name)
        for line in view.last_lines:
            self._say(EventKind.TASK_OUTPUT, name="release", line=line)

    def _needs_release_command(self, baseline: Wanted | None) -> bool:
        """Once per release, and not for a rollback: what it did when that artifact was new is done."""
        if self._target is None or not self._target.release.release_command or self.deployment.trigger is Trigger.ROLLBACK:
            return False
        return baseline is None or baseline.release.number != self._target.release.number

    def _was_switched(self) -> bool:
        entries = self._parts.memory.journal(self.deployment.id)
        return any(isinstance(entry.step, SetRoutes) and entry.step.is_switch for entry in entries)

    def _pause(self, wake_at: float | None) -> float:
        if wake_at is None:
            return _PAUSE
        return max(0.005, min(_PAUSE, wake_at - self._parts.clock.monotonic()))

    def _beat(self) -> None:
        now = self._parts.clock.monotonic()
        if now - self._beat_at >= _HEARTBEAT:
            self._beat_at = now
            self._lease = self._parts.memory.renew_lease(self._lease, now=self._parts.clock.wall())

    def _save(self, **changes: object) -> None:
        self.deployment = msgspec.structs.replace(self.deployment, **changes)
        self._parts.memory.save_deployment(self.deployment)

    def _say(self, kind: EventKind, **fields: object) -> None:
        self._parts.announcer.say(kind, environment=self.deployment.environment, deployment=self.deployment.id, **fields)

    def _redacted(self, text: str) -> str:
        return self._parts.redact(self.deployment.environment, text)
