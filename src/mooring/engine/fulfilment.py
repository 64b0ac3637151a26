"""Carries out one order, from taking the lease to the end of its deployment; or what an earlier controller left of it.

An order that cannot be carried out (a failed build, too little memory, a bad manifest) ends its deployment and touches nothing.
Must not: decide steps, or choose which order is next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from mooring.engine.bedtime import await_accessories
from mooring.engine.bell import Bell
from mooring.engine.delivery import deliver
from mooring.engine.ending import Ending
from mooring.engine.fit import check, roomiest
from mooring.engine.hands import Hands
from mooring.engine.insist import insist
from mooring.engine.kept import kept_artifacts
from mooring.engine.masking import provide_masked
from mooring.engine.orders import DeployOrder, DestroyOrder, Order, decode_order
from mooring.engine.parts import Parts, revision_of
from mooring.engine.provision import provide
from mooring.engine.pushing import push
from mooring.engine.rollout import Rollout, first_phase
from mooring.engine.room import await_room, provide_accessories
from mooring.engine.targets import target_of
from mooring.engine.waits import note_waiting, with_disk
from mooring.engine.witness import Witness
from mooring.errors import Aborted, DriverError, LeaseHeld, MooringError, NeedsPerson, OutcomeUnknown, StaleFence
from mooring.model.deployment import Deployment, Outcome, Phase
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.lease import Lease
from mooring.model.names import LOCAL
from mooring.model.steps import ForgetReleases
from mooring.planner.goal import Wanted

Result = TypeVar("Result")
BEFORE_ROLLOUT = (Phase.QUEUED, Phase.CHECK, Phase.BUILD)  # phases in which nothing has been touched: the order begins anew
_DEAD_AFTER = 10.0  # seconds without a heartbeat after which another's lease may be taken
_HOLD_EVERY = 1.0  # seconds between two looks at what serves while something is built


class _Refusal(Exception):
    """The order cannot be carried out."""

    def __init__(self, error: MooringError) -> None:
        super().__init__(str(error))
        self.error = error


class _Superseded(Exception):
    """A newer order takes its place."""

    def __init__(self, by: Deployment) -> None:
        super().__init__(by.id)
        self.by = by


class Fulfilment:
    """Of one deployment. `hold` keeps what serves in order while something is built; it is given the lease.

    `newer`: whose order takes its place, if it need not go on. `asked_at`: monotonic time of the request, where this controller took it.
    """

    def __init__(
        self,
        parts: Parts,
        deployment: Deployment,
        hold: Callable[[Lease], Awaitable[None]],
        *,
        newer: Callable[[], Deployment | None],
        asked_at: float | None = None,
    ) -> None:
        self._parts = parts
        self.deployment = deployment
        self._hold = hold
        self._newer = newer
        self._asked_at = asked_at
        self._bell = Bell(parts.clock)
        self._rollout: Rollout | None = None
        self._preparing: asyncio.Task[Any] | None = None
        self._is_abort_asked = deployment.error_code == Aborted.code
        self._superseded_by: Deployment | None = None

    def abort(self) -> bool:
        """Whether it may still turn round: a destruction that has begun does not."""
        if self._rollout is not None and self._rollout.is_destruction:
            return False
        self._is_abort_asked = True
        if self._preparing is not None:
            self._preparing.cancel()
        if self._rollout is not None:
            self._rollout.abort()
        return True

    def make_way(self) -> None:
        """While it waits for room or disk it ends as soon as a newer order takes its place: that one does not wait behind it."""
        newer = self._newer() if self._superseded_by is None else None
        if newer is not None and self._preparing is not None and self._waits() and self._preparing.cancel():
            self._superseded_by = newer

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.ring()
        if self._rollout is not None:
            self._rollout.ring()

    async def run(self) -> None:
        """To its end. Raises StaleFence or LeaseHeld when another controller has it, DriverError when it could not be written down:
        then it may be taken up again from its record."""
        is_new = self.deployment.phase in BEFORE_ROLLOUT
        try:
            lease = take_lease(self._parts, self.deployment.environment)
        except LeaseHeld as error:
            if not is_new:
                raise
            await self._refused(error)
            return
        witness = Witness(self._parts, self.deployment, asked_at=self._asked_at)
        try:
            await self._carry_out(lease, witness, is_new=is_new)
        except _Refusal as refusal:
            await self._refused(refusal.error)
        except _Superseded as superseded:
            await self._superseded(superseded.by)
        finally:
            await witness.close()
            release_lease(self._parts, lease)

    async def _refused(self, error: MooringError) -> None:
        outcome = (
            Outcome.ABORTED if isinstance(error, Aborted) else Outcome.NEEDS_PERSON if isinstance(error, NeedsPerson) else Outcome.FAILED
        )
        ending = Ending(self._parts, self.deployment)
        await insist(self._parts, lambda: ending.refused(error, outcome))
        await insist(self._parts, ending.finish)

    async def _superseded(self, by: Deployment) -> None:
        ending = Ending(self._parts, self.deployment)
        await insist(self._parts, lambda: ending.superseded(by=by, when="while it waited for room"))
        await insist(self._parts, ending.finish)

    async def _carry_out(self, lease: Lease, witness: Witness, *, is_new: bool) -> None:
        environment = self.deployment.environment
        try:
            before = self._parts.wanted(environment) if is_new else self._parts.recorded(environment, self.deployment.baseline)
            if is_new:
                target = await self._prepared(decode_order(self.deployment.order), lease, before, witness)
                if target is not None:
                    await self._kept_meanwhile(await_accessories(self._parts, target), lease)
                self._save(phase=first_phase(self.deployment.trigger, target, before))  # a successor waits for them too, until here
            else:
                target = self._parts.recorded(environment, self.deployment.target)
                witness.recall()
                await self._watch_edge(witness, before, is_destruction=target is None)
        except NeedsPerson as error:
            raise _Refusal(error) from error
        if target is not None:
            await witness.keep_to(target)
        await self._rolled_out(lease, target, before, witness)

    async def _prepared(self, order: Order, lease: Lease, before: Wanted | None, witness: Witness) -> Wanted | None:
        """The target, made from the order."""
        self._save(started_at=self._parts.clock.wall(), baseline=revision_of(before), target=None)
        self._say(EventKind.DEPLOYMENT_STARTED, from_release=before.release.number if before else 0)
        phase = Phase.BUILD if isinstance(order, DeployOrder) and order.promotion is None else Phase.CHECK
        self._save(phase=phase)
        self._say(EventKind.PHASE_STARTED, phase=phase.value)
        witness.enter(phase)
        await self._watch_edge(witness, before, is_destruction=isinstance(order, DestroyOrder))
        target = await self._kept_meanwhile(self._made(order, lease, before, witness), lease)
        await self._parts.observer.look(self.deployment.environment)
        while target is not None and not self._fits(target, before):
            target = await self._kept_meanwhile(self._with_room(target, before, lease), lease)
        self._say(EventKind.PHASE_ENDED, phase=phase.value, seconds=witness.leave() or 0.0)
        if isinstance(order, DestroyOrder):
            self._mark_destroyed()
        self._save(target=revision_of(target))
        note_waiting(self._parts, self.deployment.environment, "")  # nor does a visitor of it wait for room any more
        return target

    async def _kept_meanwhile(self, preparation: Coroutine[Any, Any, Result], lease: Lease) -> Result:
        """Building, or waiting, may take long: it can be aborted, which cancels it, and what serves is kept in order meanwhile.

        One that waits for room is cancelled too when a newer order takes its place.
        """
        if self._is_abort_asked:
            preparation.close()
            raise _Refusal(Aborted("somebody asked to abort it before it began"))
        making = asyncio.create_task(preparation, name=f"prepare {self.deployment.id}")
        making.add_done_callback(lambda _: self._bell.ring())
        self._preparing = making
        try:
            await asyncio.wait({making}, timeout=0)
            while not making.done():
                self.make_way()
                self._renew(lease)
                await self._hold(lease)
                if not making.done():
                    await self._bell.wait(at_most=_HOLD_EVERY)
            return making.result()
        except asyncio.CancelledError:
            if not making.cancelled():
                raise
            if self._superseded_by is not None and not self._is_abort_asked:
                raise _Superseded(self._superseded_by) from None
            raise _Refusal(Aborted("somebody asked to abort it while it was built")) from None
        except StaleFence:
            raise
        except MooringError as error:
            raise _Refusal(error) from error
        finally:
            self._preparing = None
            if not making.done():
                making.cancel()
                await asyncio.gather(making, return_exceptions=True)

    def _waits(self) -> bool:
        """For room or disk, as is on record. What cannot be read now is looked at again with the next look at what serves."""
        try:
            record = self._parts.memory.environment(self.deployment.environment)
        except DriverError:
            return False
        return record is not None and record.review is not None and bool(record.review.waiting)

    def _renew(self, lease: Lease) -> None:
        """Where the answer is lost, the next renewal tells whether it still is this controller's. Raises StaleFence, Unavailable."""
        with contextlib.suppress(OutcomeUnknown):
            self._parts.memory.renew_lease(lease, now=self._parts.clock.wall())

    async def _made(self, order: Order, lease: Lease, before: Wanted | None, witness: Witness) -> Wanted | None:
        """The target, with its services, its assets and all that its hosts need to start it; nothing is sent of what would not fit."""
        target = await target_of(self._parts, order, self.deployment, before)
        if target is not None:
            target = await self._with_accessories(order, target, before, lease)
            await provide(self._parts, target.release, self.deployment, lease)
        if target is not None and any(host != LOCAL for host in target.hosts()):
            await self._parts.observer.look(self.deployment.environment)
            target = await self._with_room(target, before, lease)  # its services took a while, and somebody may have been quicker
            check(self._parts, target, before)
            witness.bytes_sent = await self._delivered(target, lease)
        if target is not None:
            await provide_masked(self._parts, target, self.deployment, lease)
            witness.assets = await push(self._parts, target, before, self.deployment, lease)
        return target

    async def _delivered(self, target: Wanted, lease: Lease) -> int:
        """Bytes that were sent."""
        return await with_disk(
            self._parts,
            self.deployment.environment,
            lambda: deliver(self._parts, target, self.deployment, lease),
            reclaim=lambda: self._reclaim(lease),
        )

    async def _with_accessories(self, order: Order, target: Wanted, before: Wanted | None, lease: Lease) -> Wanted:
        """With room; and, where it is deployed, with those made that are missing."""
        if not isinstance(order, DeployOrder):
            return await self._with_room(target, before, lease)
        return await provide_accessories(
            self._parts,
            self.deployment,
            make_room=lambda: self._with_room(target, before, lease),
            reclaim=lambda: self._freed(lease),
        )

    async def _with_room(self, target: Wanted, before: Wanted | None, lease: Lease) -> Wanted:
        return await await_room(self._parts, target, before, reclaim=lambda: self._freed(lease))

    async def _freed(self, lease: Lease) -> None:
        """On all hosts."""
        await asyncio.to_thread(self._parts.workshop.prune, kept_artifacts(self._parts))
        await self._reclaim(lease)

    async def _reclaim(self, lease: Lease) -> None:
        """On all hosts but this one."""
        freeing = ForgetReleases(releases=(), reason="a host's disk has no room: what nobody may want any more goes")
        await Hands(self._parts, lease, self.deployment.id).apply(freeing)

    def _fits(self, target: Wanted, before: Wanted | None) -> bool:
        """Last of all, with the target on record before anybody else is heard: two that fit alone may not fit together.

        A review app waits for room once more.
        """
        record = self._parts.memory.environment(self.deployment.environment)
        is_review_app = record is not None and record.review is not None
        if is_review_app and roomiest(self._parts, target, before) != (target, frozenset()):
            return False  # others took its room meanwhile, or a borrowed host of its is on its way back
        try:
            check(self._parts, target, before)
        except MooringError as error:
            raise _Refusal(error) from error
        return True

    async def _rolled_out(self, lease: Lease, target: Wanted | None, before: Wanted | None, witness: Witness) -> None:
        self._rollout = Rollout(
            self._parts, self.deployment, lease=lease, target=target, baseline=before, witness=witness, bell=Bell(self._parts.clock)
        )
        if self._is_abort_asked:
            self._rollout.abort()
        concluded = await self._rollout.run()
        ending = Ending(self._parts, self._rollout.deployment)
        await ending.concluded(concluded, self._rollout, target=target, before=before, witness=witness)

    async def _watch_edge(self, witness: Witness, before: Wanted | None, *, is_destruction: bool) -> None:
        """What is taken away on purpose is not asked for, and what sleeps would wake."""
        if not is_destruction and not self._parts.is_asleep(self.deployment.environment):
            await witness.watch_edge(before, self._probe_path(before))

    def _mark_destroyed(self) -> None:
        record = self._parts.memory.environment(self.deployment.environment)
        if record is not None:
            self._parts.memory.save_environment(msgspec.structs.replace(record, is_being_destroyed=True))

    def _save(self, **changes: object) -> None:
        changed = msgspec.structs.replace(self.deployment, **changes)
        self._parts.memory.save_deployment(changed)
        self.deployment = changed

    def _probe_path(self, before: Wanted | None) -> str:
        """The path the app was last seen to answer, else the first it is asked for."""
        routed = [process for process in before.release.processes if process.is_routed] if before else []
        keys = [key for process in routed for key in (before.instances_of(process) if before else ())]
        seen = [result.path for key in keys for result in self._parts.health.results(key) if result.passed and result.path]
        offered = [path for process in routed for path in process.checks.readiness.paths]
        return next(iter([*reversed(seen), *offered, "/"]))

    def _say(self, kind: EventKind, **fields: object) -> None:
        self._parts.announcer.say(kind, environment=self.deployment.environment, deployment=self.deployment.id, **fields)


def take_lease(parts: Parts, environment: EnvironmentId) -> Lease:
    """In the controller's name, not the deployment's: its successor on the same state need not wait for a heartbeat to die."""
    return parts.memory.take_lease(environment, holder=parts.identity, now=parts.clock.wall(), dead_after=_DEAD_AFTER)


def release_lease(parts: Parts, lease: Lease) -> None:
    """If it cannot be given back, it is simply taken anew, or found dead by another."""
    try:
        parts.memory.release_lease(lease)
    except (DriverError, StaleFence) as error:
        parts.announcer.say(EventKind.PLATFORM, environment=lease.environment, message=str(error))
