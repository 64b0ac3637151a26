"""Keeps one environment: fulfils its orders one after another, and between them holds it at what is desired. Must not: decide steps.

An order that cannot be carried out (a failed build, too little memory, a bad manifest) ends its deployment and touches nothing.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque

import msgspec

from mooring.engine.bell import Bell
from mooring.engine.ending import Ending
from mooring.engine.hands import Hands
from mooring.engine.orders import ConfigOrder, DeployOrder, DestroyOrder, Order, decode_order
from mooring.engine.parts import Parts
from mooring.engine.rollout import Rollout
from mooring.engine.targets import target_of
from mooring.engine.witness import Witness
from mooring.errors import Aborted, MooringError, NeedsPerson, StaleFence
from mooring.model.deployment import Deployment, Outcome, Phase, Revision
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.lease import Lease
from mooring.model.names import DeploymentId
from mooring.planner.goal import Goal, Wanted
from mooring.planner.rollout import plan

_KEEP_EVERY = 1.0  # seconds between two looks while nothing is under way
_DEAD_AFTER = 10.0  # seconds without a heartbeat after which another's lease may be taken


class Keeper:
    """One per environment; `submit` and `abort` may be called at any time from the same event loop."""

    def __init__(self, parts: Parts, environment: EnvironmentId) -> None:
        self._parts = parts
        self.environment = environment
        self._bell = Bell(parts.clock)
        self._waiting: deque[tuple[Deployment, Order]] = deque()
        self._current: Deployment | None = None
        self._rollout: Rollout | None = None
        self._preparing: asyncio.Task[Wanted | None] | None = None
        self._is_abort_asked = False
        self.is_finished = False

    def submit(self, deployment: Deployment, order: Order) -> None:
        """Behind what is under way; a waiting one of the same kind is superseded, since the newest push wins."""
        for waiting in [entry for entry in self._waiting if _supersedes(order, entry[1])]:
            self._waiting.remove(waiting)
            Ending(self._parts, waiting[0]).superseded(by=deployment)
        self._waiting.append((deployment, order))
        self._bell.ring()

    def abort(self, deployment: DeploymentId) -> bool:
        """Whether it was waiting or under way."""
        for entry in self._waiting:
            if entry[0].id == deployment:
                self._waiting.remove(entry)
                Ending(self._parts, entry[0]).refused(Aborted("it was aborted before it began"), Outcome.ABORTED)
                return True
        if self._current is None or self._current.id != deployment:
            return False
        self._is_abort_asked = True
        if self._preparing is not None:
            self._preparing.cancel()
        if self._rollout is not None:
            self._rollout.abort()
        return True

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.ring()
        if self._rollout is not None:
            self._rollout.ring()

    @property
    def deployment(self) -> DeploymentId | None:
        """The one under way."""
        return self._current.id if self._current else None

    @property
    def is_busy(self) -> bool:
        return self._current is not None or bool(self._waiting)

    async def run(self, unfinished: tuple[Deployment, ...] = ()) -> None:
        """Until cancelled, or the environment is destroyed."""
        for deployment in unfinished:
            await self._guarded(deployment, None)
        while not self.is_finished:
            if self._waiting:
                deployment, order = self._waiting.popleft()
                await self._guarded(deployment, order)
                continue
            await self._keep()
            await self._bell.wait(at_most=_KEEP_EVERY)

    async def _keep(self) -> None:
        """One look, and whatever brings the environment back to what is desired."""
        try:
            current = await self._parts.observer.look(self.environment, max_age=_KEEP_EVERY / 2)
            record = self._parts.memory.environment(self.environment)
            goal = Goal(
                environment=self.environment,
                target=self._parts.wanted(self.environment),
                is_maintenance=record.is_maintenance if record else False,
            )
            decided = plan(goal, current, now=self._parts.clock.monotonic())
            if decided.steps:
                lease = self._take_lease()
                try:
                    await Hands(self._parts, lease, None).take(decided.steps)
                finally:
                    self._parts.memory.release_lease(lease)
        except MooringError as error:
            self._tell_trouble(str(error))

    async def _guarded(self, deployment: Deployment, order: Order | None) -> None:
        """The deployment, and whatever goes wrong with it, ends in its record."""
        self._current, self._is_abort_asked = deployment, False
        try:
            await self._deploy(deployment, order)
        except StaleFence as error:
            self._tell_trouble(f"another controller has taken over: {error}")
        except MooringError as error:
            Ending(self._parts, self._parts.memory.deployment(deployment.id) or deployment).refused(error, Outcome.FAILED)
        except Exception as error:
            self._defect(deployment, error)
        finally:
            self._current = self._rollout = self._preparing = None

    async def _deploy(self, deployment: Deployment, order: Order | None) -> None:
        lease = self._take_lease()
        deployment = self._parts.memory.deployment(deployment.id) or deployment
        witness = Witness(self._parts, deployment)
        try:
            if order is None and deployment.phase in (Phase.QUEUED, Phase.CHECK, Phase.BUILD):
                order = decode_order(deployment.order)
            before = self._before(deployment, is_new=order is not None)
            target, deployment = await self._prepared(deployment, order, before, witness)
            await self._rolled_out(deployment, lease, target, before, witness)
        except MooringError as error:
            outcome = Outcome.ABORTED if isinstance(error, Aborted) else Outcome.FAILED
            await witness.close()
            Ending(self._parts, self._parts.memory.deployment(deployment.id) or deployment).refused(error, outcome)
        finally:
            self._release(lease)

    async def _prepared(
        self, deployment: Deployment, order: Order | None, before: Wanted | None, witness: Witness
    ) -> tuple[Wanted | None, Deployment]:
        """The target: made from the order, or read back when this deployment was under way before."""
        if order is None:
            return self._wanted(deployment.target), deployment
        deployment = self._begun(deployment, before)
        self._parts.announcer.say(
            EventKind.DEPLOYMENT_STARTED,
            environment=self.environment,
            deployment=deployment.id,
            from_release=before.release.number if before else 0,
        )
        phase = Phase.BUILD if isinstance(order, DeployOrder) else Phase.CHECK
        deployment = self._saved(deployment, phase=phase)
        self._say_phase(EventKind.PHASE_STARTED, deployment, phase)
        witness.enter(phase)
        await witness.watch_edge(before, self._probe_path(before))
        target = await self._target(order, deployment, before)
        seconds = witness.leave()
        self._say_phase(EventKind.PHASE_ENDED, deployment, phase, seconds=seconds or 0.0)
        if isinstance(order, DestroyOrder):
            self._mark_destroyed()
        return target, self._saved(deployment, target=_revision(target), phase=Phase.RELEASE)

    async def _target(self, order: Order, deployment: Deployment, before: Wanted | None) -> Wanted | None:
        """Building may take long: it can be aborted, which cancels it."""
        self._preparing = asyncio.create_task(target_of(self._parts, order, deployment, before), name=f"prepare {deployment.id}")
        try:
            return await asyncio.shield(self._preparing) if not self._is_abort_asked else await self._refuse_abort()
        except asyncio.CancelledError:
            if self._is_abort_asked and self._preparing.cancelled():
                raise Aborted("somebody asked to abort it while it was built") from None
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
            raise
        finally:
            self._preparing = None

    async def _refuse_abort(self) -> Wanted | None:
        if self._preparing is not None:
            self._preparing.cancel()
        raise Aborted("somebody asked to abort it before it began")

    async def _rolled_out(
        self, deployment: Deployment, lease: Lease, target: Wanted | None, before: Wanted | None, witness: Witness
    ) -> None:
        self._rollout = Rollout(
            self._parts, deployment, lease=lease, target=target, baseline=before, witness=witness, bell=Bell(self._parts.clock)
        )
        if self._is_abort_asked:
            self._rollout.abort()
        concluded = await self._rollout.run()
        ending = Ending(self._parts, self._rollout.deployment)
        await ending.concluded(concluded, self._rollout, target=target, before=before, witness=witness)
        self.is_finished = ending.is_destroyed

    def _before(self, deployment: Deployment, *, is_new: bool) -> Wanted | None:
        """What serves before this deployment: for one taken up again, what its record says."""
        return self._parts.wanted(self.environment) if is_new else self._wanted(deployment.baseline)

    def _wanted(self, revision: Revision | None) -> Wanted | None:
        if revision is None:
            return None
        release = self._parts.observer.release(self.environment, revision.release)
        if release is None:
            raise NeedsPerson(f"{self.environment} has lost release v{revision.release}", hint="restore the state from a backup")
        return Wanted(release=release, generation=revision.generation, counts=revision.counts)

    def _begun(self, deployment: Deployment, before: Wanted | None) -> Deployment:
        return self._saved(deployment, started_at=self._parts.clock.wall(), baseline=_revision(before))

    def _mark_destroyed(self) -> None:
        record = self._parts.memory.environment(self.environment)
        if record is not None:
            self._parts.memory.save_environment(msgspec.structs.replace(record, is_being_destroyed=True))

    def _saved(self, deployment: Deployment, **changes: object) -> Deployment:
        changed = msgspec.structs.replace(deployment, **changes)
        self._parts.memory.save_deployment(changed)
        self._current = changed
        return changed

    def _probe_path(self, before: Wanted | None) -> str:
        """The path the app was last seen to answer, else the first it is asked for."""
        routed = [process for process in before.release.processes if process.is_routed] if before else []
        keys = [key for process in routed for key in (before.instances_of(process) if before else ())]
        seen = [result.path for key in keys for result in self._parts.health.results(key) if result.passed and result.path]
        offered = [path for process in routed for path in process.checks.readiness.paths]
        return next(iter([*reversed(seen), *offered, "/"]))

    def _take_lease(self) -> Lease:
        """In the controller's name, not the deployment's: its successor on the same state need not wait for a heartbeat to die."""
        clock = self._parts.clock
        return self._parts.memory.take_lease(self.environment, holder=self._parts.identity, now=clock.wall(), dead_after=_DEAD_AFTER)

    def _release(self, lease: Lease) -> None:
        try:
            self._parts.memory.release_lease(lease)
        except MooringError as error:
            self._tell_trouble(str(error))

    def _defect(self, deployment: Deployment, error: Exception) -> None:
        """Mooring itself failed: say so, keep the trace for a report, and let a person look."""
        trace = "".join(traceback.format_exception(error)[-3:])
        told = NeedsPerson(
            f"a defect of Mooring stopped this deployment: {type(error).__name__}", hint="please report it with `mooring events`"
        )
        self._parts.announcer.say(EventKind.PLATFORM, environment=self.environment, deployment=deployment.id, message=trace)
        Ending(self._parts, self._parts.memory.deployment(deployment.id) or deployment).refused(told, Outcome.NEEDS_PERSON)

    def _tell_trouble(self, message: str) -> None:
        self._parts.announcer.say(EventKind.PLATFORM, environment=self.environment, message=message)

    def _say_phase(self, kind: EventKind, deployment: Deployment, phase: Phase, **fields: object) -> None:
        self._parts.announcer.say(kind, environment=self.environment, deployment=deployment.id, phase=phase.value, **fields)


def _supersedes(order: Order, waiting: Order) -> bool:
    """A later snapshot of config holds the earlier; a later push replaces one that waits; all else is done in turn."""
    if isinstance(order, DestroyOrder):
        return True
    return isinstance(order, (DeployOrder, ConfigOrder)) and type(order) is type(waiting)


def _revision(wanted: Wanted | None) -> Revision | None:
    if wanted is None:
        return None
    return Revision(release=wanted.release.number, generation=wanted.generation, counts=wanted.counts)
