"""Keeps one environment: has its orders fulfilled one after another, and between them holds it at what is desired. Must not: decide steps.

Nothing ends a keeper but the end of its environment: what goes wrong is told, and tried again.
"""

from __future__ import annotations

from mooring.engine.accessories import note_place
from mooring.engine.bedtime import is_held
from mooring.engine.bell import Bell
from mooring.engine.defect import traced
from mooring.engine.ending import Ending
from mooring.engine.fulfilment import Fulfilment, release_lease, take_lease
from mooring.engine.hands import Hands, close_intents
from mooring.engine.insist import insist
from mooring.engine.orders import Order
from mooring.engine.parts import Parts
from mooring.engine.pushing import prune
from mooring.engine.waiting import Waiting
from mooring.errors import Aborted, DriverError, LeaseHeld, MooringError, NeedsPerson, StaleFence
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.lease import Lease
from mooring.model.names import DeploymentId
from mooring.model.steps import Step
from mooring.planner.goal import Goal, at_rest
from mooring.planner.rollout import plan

_KEEP_EVERY = 1.0  # seconds between two looks while nothing is under way
_LONGEST_PAUSE = 16.0  # seconds between two tries of what does not succeed
_OVERTAKEN = 3  # times in a row that a deployment may be refused as an older controller's, each time under a new number
_LONGEST_KEEP = 5.0  # the same for what should serve now: visitors wait for it
_FIRST_TIDYING, _TIDY_EVERY = 60.0, 600.0  # seconds between two looks for assets that nothing needs any more
_LAST_ENDED = 3  # deployments looked at for an end that a crash left half told


class Keeper:
    """One per environment; `submit` and `abort` may be called at any time from the same event loop.

    `unfinished` are the deployments that an earlier controller left, oldest first.
    """

    def __init__(self, parts: Parts, environment: EnvironmentId, unfinished: tuple[Deployment, ...] = ()) -> None:
        self._parts = parts
        self.environment = environment
        self._bell = Bell(parts.clock)
        self._waiting = Waiting(parts, unfinished)
        self._current: Fulfilment | None = None
        self._is_abort_asked = False
        self._refusals = 0
        self._told = ""
        self._pause = _KEEP_EVERY
        self._last_steps: tuple[Step, ...] = ()
        self._tidy_at = parts.clock.monotonic() + _FIRST_TIDYING
        self._may_have_left = True  # intents without an outcome: an earlier controller, or this one when it could not write

    def submit(self, deployment: Deployment, order: Order) -> None:
        """Behind what is under way; one of the same kind that waits, for its turn or for room, is superseded: the newest push wins."""
        self._waiting.add(deployment, order)
        self._bell.ring()
        if self._current is not None:
            self._current.make_way()

    def abort(self, deployment: DeploymentId) -> bool:
        """Whether it was waiting or under way, and can still be aborted."""
        if self._waiting.withdraw(deployment, Aborted("it was aborted before it began")):
            self._bell.ring()
            return True
        if self._current is None or self._current.deployment.id != deployment or not self._current.abort():
            return False
        self._is_abort_asked = True
        return True

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.ring()
        if self._current is not None:
            self._current.ring()

    @property
    def deployment(self) -> DeploymentId | None:
        """The one under way."""
        return self._current.deployment.id if self._current else None

    @property
    def is_busy(self) -> bool:
        return self._current is not None or bool(self._waiting)

    async def run(self) -> None:
        """Until cancelled, or the environment is destroyed."""
        turn = self._tidy
        while True:
            try:
                if not await turn():
                    return
                turn = self._turn
            except Exception as error:
                self._tell_trouble(traced(error))
                await self._parts.clock.sleep(_LONGEST_PAUSE)

    async def _turn(self) -> bool:
        """One order fulfilled, or one look when none waits. False: the environment is gone."""
        if self._parts.memory.environment(self.environment) is None:
            return False
        self._waiting.write_endings()
        following = self._waiting.next()
        if following is not None:
            await self._fulfil(*following)
        else:
            await self._keep()
            await self._tidy_assets()
            await self._bell.wait(at_most=self._pause)
        return True

    async def _tidy(self) -> bool:
        """What an earlier controller, of whose name this one is, left: its lease, and ends that were only half told."""
        lease = self._parts.memory.lease(self.environment)
        if lease is not None and lease.holder == self._parts.identity:
            release_lease(self._parts, lease)
        for deployment in self._parts.memory.deployments(self.environment, limit=_LAST_ENDED):
            await insist(self._parts, Ending(self._parts, deployment).finish)
        return True

    # between deployments

    async def _keep(self) -> None:
        """One look, and whatever brings the environment back to what is desired. What fails is tried again, ever more slowly."""
        try:
            is_well = await self._look_after(None)
        except (StaleFence, LeaseHeld) as error:
            self._tell_trouble(f"another controller has it: {error}")
            is_well = False
        self._pause = _KEEP_EVERY if is_well else min(_LONGEST_KEEP, 2 * self._pause)

    async def _hold(self, lease: Lease) -> None:
        """The same while an order is prepared, under its lease."""
        await self._look_after(lease)

    async def _look_after(self, lease: Lease | None) -> bool:
        """Whether all went well. Raises StaleFence, LeaseHeld."""
        try:
            is_well = await self._set_right(lease)
        except (StaleFence, LeaseHeld):
            raise
        except MooringError as error:
            self._tell_trouble(str(error))
            return False
        except Exception as error:
            self._tell_trouble(traced(error))
            return False
        if is_well:
            self._told = ""
        return is_well

    async def _tidy_assets(self) -> None:
        """From time to time, when nothing else is to be done: time passes for them without any deployment."""
        if self._parts.clock.monotonic() < self._tidy_at:
            return
        self._tidy_at = self._parts.clock.monotonic() + _TIDY_EVERY
        if not self._parts.assets.used(self.environment):
            return
        try:
            lease = take_lease(self._parts, self.environment)
        except LeaseHeld as error:
            self._tell_trouble(f"another controller has it: {error}")
            return
        self._may_have_left = True
        try:
            await prune(self._parts, lease)
        except MooringError as error:
            self._tell_trouble(f"assets of earlier releases are still there: {error}")
        finally:
            release_lease(self._parts, lease)

    def _close_intents(self) -> None:
        """Between deployments nobody acts: whatever is still open stays so for ever, unless it is another controller's."""
        lease = self._parts.memory.lease(self.environment)
        if lease is None or lease.holder == self._parts.identity:
            close_intents(self._parts, (entry for entry in self._parts.memory.open_intents() if entry.environment == self.environment))
            self._may_have_left = False

    async def _set_right(self, lease: Lease | None) -> bool:
        if lease is None and self._may_have_left:
            self._close_intents()
        current = await self._parts.observer.look(self.environment, max_age=_KEEP_EVERY / 2)
        record = self._parts.memory.environment(self.environment)
        if record is not None and record.place is not None:
            note_place(self._parts, record, current)
        wanted = self._parts.wanted(self.environment)
        is_asleep = record is not None and (record.is_asleep or await is_held(self._parts, record, current))
        goal = Goal(
            environment=self.environment,
            target=at_rest(wanted, is_asleep=is_asleep),
            is_maintenance=record.is_maintenance if record else False,
            may_sleep=record is not None and record.may_sleep,
            is_asleep=is_asleep,
            is_crowded=record is not None and record.review is not None and bool(record.review.waiting),
        )
        steps = plan(goal, current, now=self._parts.clock.monotonic()).steps
        is_new, self._last_steps = steps != self._last_steps, steps
        if not steps:
            return True
        held = lease or take_lease(self._parts, self.environment)
        self._may_have_left = True
        try:
            is_done = len(await Hands(self._parts, held, None).take(steps)) == len(steps)
        finally:
            if lease is None:
                release_lease(self._parts, held)
        if is_done and is_new:
            self._bell.ring()  # what was started is asked how it is from the next look on, and somebody may wait for it
        return is_done

    # a deployment

    async def _fulfil(self, deployment: Deployment, asked_at: float | None) -> None:
        """To its end. What could not be written down, or is held by another controller, is taken up again from its record."""
        self._is_abort_asked, self._refusals = False, 0
        pause = _KEEP_EVERY
        try:
            while not await self._is_fulfilled(deployment, asked_at):
                await self._parts.clock.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
        finally:
            self._current = None
            self._may_have_left = True

    async def _is_fulfilled(self, deployment: Deployment, asked_at: float | None) -> bool:
        record = self._parts.memory.deployment(deployment.id)
        if record is None:
            return True
        if record.outcome is not None:
            await insist(self._parts, Ending(self._parts, record).finish)
            return True
        self._current = Fulfilment(self._parts, record, self._hold, newer=lambda: self._waiting.newer(record), asked_at=asked_at)
        if self._is_abort_asked:
            self._current.abort()
        try:
            await self._current.run()
        except StaleFence as error:
            self._tell_trouble(f"another controller has it: {error}")
            self._refusals += 1
            if self._refusals < _OVERTAKEN:
                return False
            await self._end_for_person(record, _overtaken(error))
        except (LeaseHeld, DriverError) as error:
            self._tell_trouble(f"another controller has it: {error}" if isinstance(error, LeaseHeld) else str(error))
            return False
        except Exception as error:
            await self._end_by_defect(record, error)
        return True

    async def _end_by_defect(self, deployment: Deployment, error: Exception) -> None:
        """Mooring itself failed: say so, keep the trace for a report, and let a person look."""
        hint = "please report it with `mooring events`"
        told = NeedsPerson(f"a defect of Mooring stopped this deployment: {type(error).__name__}", hint=hint)
        self._parts.announcer.say(EventKind.PLATFORM, environment=self.environment, deployment=deployment.id, message=traced(error))
        await self._end_for_person(deployment, told)

    async def _end_for_person(self, deployment: Deployment, told: NeedsPerson) -> None:
        ending = Ending(self._parts, self._parts.memory.deployment(deployment.id) or deployment)
        await insist(self._parts, lambda: ending.refused(told, Outcome.NEEDS_PERSON))
        await insist(self._parts, ending.finish)

    def _tell_trouble(self, message: str) -> None:
        """Once, however often it is met in a row."""
        if message != self._told:
            self._told = message
            self._parts.announcer.say(EventKind.PLATFORM, environment=self.environment, message=message)


def _overtaken(error: StaleFence) -> NeedsPerson:
    hint = "deploy there; if that one is gone for good, make a backup here and restore it, which takes over again"
    return NeedsPerson(f"another controller has taken over this environment: {error.message}", hint=hint, where=error.where)
