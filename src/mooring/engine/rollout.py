"""One deployment from its order to its receipt: asks the planner, lets the hands act, records how far it is. Must not: decide by itself.

Taken up again after a crash it goes on from the recorded phase: the planner needs only that and what the world shows.
"""

from __future__ import annotations

import msgspec

from mooring.engine.bell import Bell
from mooring.engine.explain import explain
from mooring.engine.hands import Hands, close_intents, release_task_name, seed_task_name
from mooring.engine.parts import Parts
from mooring.engine.witness import Witness
from mooring.errors import Aborted, DriverError
from mooring.model.deployment import Deployment, Phase, Trigger
from mooring.model.events import EventKind
from mooring.model.instance import TaskState
from mooring.model.lease import Lease
from mooring.model.steps import Conclude, GoBack, SetRoutes, Step
from mooring.planner.goal import Current, Goal, Progress, Wanted, at_rest
from mooring.planner.rollout import bake, plan

_MAY_TURN = (Phase.RELEASE, Phase.PREPARE, Phase.WATCH)
_LATER = (Phase.PREPARE, Phase.WATCH, Phase.DRAIN, Phase.REVERT)
_PAUSE = 0.1  # seconds between two looks while something is under way; news of an instance wake it at once
_SHORTEST_PAUSE = 0.02  # a release command tells nobody when it ends: looked at after each tenth of the time it has taken
_LONGEST_PAUSE = 2.0  # seconds between two tries of what does not succeed
_HEARTBEAT = 2.0


class Rollout:
    """Runs to the end of the rollout: `run` gives the deployment's outcome, with `failure` saying why it turned round.

    `is_asleep`: it came from what sleeps, as was last seen, and goes back to that where it turns round.
    """

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
        self.hands = Hands(parts, lease, deployment.id)
        self._witness = witness
        self._bell = bell
        self._beat_at = parts.clock.monotonic()
        self._is_abort_asked = deployment.error_code == Aborted.code
        self._last_steps: tuple[Step, ...] = ()
        self._tries = 0
        self._has_waited = False
        self.is_asleep = False
        self.failure = _failure_of(deployment)
        now = parts.clock.monotonic()
        first = first_phase(deployment.trigger, target, baseline)
        self._has_commands = first is Phase.RELEASE
        phase = deployment.phase if deployment.phase in _LATER else first
        is_asked = self._has_commands and phase is Phase.REVERT  # whether it still runs: the first look says
        self._progress = Progress(
            phase=phase,
            baseline=baseline,
            started_at=now,
            phase_since=now,
            was_switched=self._was_switched(),
            release_task=TaskState.RUNNING if is_asked else TaskState.SUCCEEDED,
        )

    def abort(self) -> None:
        """It turns round at its next look, unless the old release is going already. On record, so that a successor turns round too."""
        self._is_abort_asked = True
        self._bell.ring()
        if self._progress.phase in _MAY_TURN:
            try:
                self._save(error_code=Aborted.code)
            except DriverError:
                return  # this controller knows; only a crash before the next save would forget it

    @property
    def is_destruction(self) -> bool:
        return self._target is None

    @property
    def is_reverting(self) -> bool:
        """Whether it has turned round."""
        return self._progress.phase is Phase.REVERT

    @property
    def lease(self) -> Lease:
        return self._lease

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.ring()

    async def run(self) -> Conclude:
        """Until the planner concludes. Raises StaleFence when another controller took over."""
        self._announce(self._progress.phase)
        while True:
            try:
                self._close_intents()
                return await self._until_concluded()
            except DriverError as error:
                await self._stumbled(error)

    async def _until_concluded(self) -> Conclude:
        """Raises Unavailable when something could not be written down: then nothing more is done before it can."""
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

    async def _stumbled(self, error: DriverError) -> None:
        """The disk is full, say. The world and the record are as they are: look again when it may be better."""
        self._parts.announcer.say(EventKind.PLATFORM, environment=self.deployment.environment, message=str(error))
        await self._parts.clock.sleep(_LONGEST_PAUSE)
        self._progress = msgspec.structs.replace(self._progress, was_switched=self._was_switched())

    def _close_intents(self) -> None:
        """Those of which nobody will hear any more: the world shows what became of them."""
        close_intents(self._parts, self._parts.memory.journal(self.deployment.id))

    def _goal(self) -> Goal:
        record = self._parts.memory.environment(self.deployment.environment)
        self.is_asleep = record is not None and record.is_asleep
        is_abort = self._is_abort_asked if self.failure is None else self.failure.code == Aborted.code
        progress = msgspec.structs.replace(self._progress, is_abort_asked=is_abort, baseline=self._baseline())
        return Goal(
            environment=self.deployment.environment,
            target=self._target,
            progress=progress,
            is_maintenance=record.is_maintenance if record else False,
            may_sleep=record is not None and record.may_sleep,
            is_asleep=self.is_asleep,
        )

    def _baseline(self) -> Wanted | None:
        """What there is to go back to: of one that sleeps its routes alone."""
        return at_rest(self._progress.baseline, is_asleep=self.is_asleep)

    async def _take(self, steps: tuple[Step, ...], current: Current) -> Conclude | None:
        for step in steps:
            if isinstance(step, GoBack):
                await self._go_back(step, current)
                return None
            if isinstance(step, Conclude):
                await self.hands.apply(step)
                return step
        if await self._is_too_soon(steps):
            return None
        for step in await self.hands.take(steps):
            if isinstance(step, SetRoutes) and step.is_switch:
                self._progress = msgspec.structs.replace(self._progress, was_switched=True)
                self._witness.switched(in_flight=sum(current.in_flight.values()) + sum(current.streams.values()))
        return None

    async def _is_too_soon(self, steps: tuple[Step, ...]) -> bool:
        """The same steps again, since the last try changed nothing: first wait, ever longer, and look anew."""
        if not steps or steps != self._last_steps:
            self._last_steps, self._tries, self._has_waited = steps, 0, False
            return False
        self._has_waited = not self._has_waited
        if self._has_waited:
            self._tries += 1
            await self._bell.wait(at_most=min(_LONGEST_PAUSE, _PAUSE * 2**self._tries))
        return self._has_waited

    async def _go_back(self, step: GoBack, current: Current) -> None:
        await self.hands.apply(step)
        if self._progress.phase is Phase.RELEASE:
            await self._tell_task_output()
        self._say(EventKind.REVERTING, reason=step.reason)
        if step.code in ("not-healthy", "regressed") and self._target is not None:
            await self._diagnose(self._target, current)
        await self._enter(Phase.REVERT, error_code=step.code, error=self._redacted(step.reason), hint=step.hint)
        self.failure = step

    async def _diagnose(self, target: Wanted, current: Current) -> None:
        """Before anything of the failed release is stopped: a person must see why."""
        baseline = self._baseline()
        before = frozenset(baseline.instances() if baseline else ())
        for diagnosis in await explain(self._parts, target, current, before=before):
            self._witness.diagnoses.append(diagnosis)
            self._say(EventKind.DIAGNOSIS, **msgspec.to_builtins(diagnosis))

    async def _refreshed(self, progress: Progress) -> Progress:
        is_running = TaskState.RUNNING in (progress.release_task, progress.seed_task)
        if progress.phase is Phase.RELEASE or (progress.phase is Phase.REVERT and is_running):
            return msgspec.structs.replace(progress, release_task=await self._release_task(), seed_task=await self._seed_task())
        if progress.phase is Phase.WATCH and self._target is not None and bake(self._target, progress) and not progress.regression:
            return msgspec.structs.replace(progress, regression=await self._witness.finding(self._target))
        return progress

    async def _release_task(self) -> TaskState:
        if not self._has_commands or self._target is None or not self._target.release.release_command:
            return TaskState.SUCCEEDED
        return await self._task(release_task_name(self._target.release.number))

    async def _seed_task(self) -> TaskState:
        """Its success is written down: from then on nothing lays in data over those that are there."""
        if not self._has_commands or self._target is None or not self._parts.is_seed_due(self._target):
            return TaskState.SUCCEEDED
        state = await self._task(seed_task_name(self._target.release.number))
        if state is TaskState.SUCCEEDED:
            self._parts.mark_review(self.deployment.environment, is_seeded=True)
        return state

    async def _task(self, name: str) -> TaskState:
        try:
            return (await self._parts.runtime.observe_task(self.deployment.environment, name)).state
        except DriverError:
            return TaskState.RUNNING  # unknown is not failed, and not absent either: wait for an answer

    async def _enter(self, phase: Phase, **changes: object) -> None:
        """On record first: what is done in a phase is only done once it is known to be the present one."""
        self._save(phase=phase, **changes)
        if self._progress.phase is Phase.RELEASE and phase is not Phase.REVERT:
            await self._tell_task_output()
        self._close_phase()
        self._progress = msgspec.structs.replace(self._progress, phase=phase, phase_since=self._parts.clock.monotonic())
        self._announce(phase)

    def _announce(self, phase: Phase) -> None:
        self._witness.enter(phase)
        self._say(EventKind.PHASE_STARTED, phase=phase.value)

    def _close_phase(self) -> None:
        seconds = self._witness.leave()
        if seconds is not None:
            self._say(EventKind.PHASE_ENDED, phase=self._progress.phase.value, seconds=seconds)

    async def _tell_task_output(self) -> None:
        if not self._has_commands or self._target is None:
            return
        number = self._target.release.number
        for name, task in (("release", release_task_name(number)), ("seed", seed_task_name(number))):
            try:
                lines = (await self._parts.runtime.observe_task(self.deployment.environment, task)).last_lines
            except DriverError as error:
                lines = (f"its output could not be read: {error.message}",)
            for line in lines:
                self._say(EventKind.TASK_OUTPUT, name=name, line=line)

    def _was_switched(self) -> bool:
        entries = self._parts.memory.journal(self.deployment.id)
        return any(isinstance(entry.step, SetRoutes) and entry.step.is_switch and entry.outcome != "not-done" for entry in entries)

    def _pause(self, wake_at: float | None) -> float:
        now = self._parts.clock.monotonic()
        longest = _PAUSE
        if self._progress.phase is Phase.RELEASE:
            longest = max(_SHORTEST_PAUSE, min(_PAUSE, (now - self._progress.phase_since) / 10))
        return longest if wake_at is None or wake_at <= now else max(0.005, min(longest, wake_at - now))

    def _beat(self) -> None:
        now = self._parts.clock.monotonic()
        if now - self._beat_at >= _HEARTBEAT:
            self._beat_at = now
            self._lease = self._parts.memory.renew_lease(self._lease, now=self._parts.clock.wall())

    def _save(self, **changes: object) -> None:
        changed = msgspec.structs.replace(self.deployment, **changes)
        self._parts.memory.save_deployment(changed)
        self.deployment = changed

    def _say(self, kind: EventKind, **fields: object) -> None:
        self._parts.announcer.say(kind, environment=self.deployment.environment, deployment=self.deployment.id, **fields)

    def _redacted(self, text: str) -> str:
        return self._parts.redact(self.deployment.environment, text)


def first_phase(trigger: Trigger, target: Wanted | None, baseline: Wanted | None) -> Phase:
    """RELEASE where there is a command to run: once per release, and not for a rollback, since what it did for that artifact is done."""
    if target is None or not (target.release.release_command or target.release.seed_command) or trigger is Trigger.ROLLBACK:
        return Phase.PREPARE
    is_new = baseline is None or baseline.release.number != target.release.number
    return Phase.RELEASE if is_new else Phase.PREPARE


def _failure_of(deployment: Deployment) -> GoBack | None:
    """Why it had turned round already, when it is taken up again."""
    if deployment.phase is not Phase.REVERT:
        return None
    return GoBack(reason=deployment.error, code=deployment.error_code, hint=deployment.hint)
