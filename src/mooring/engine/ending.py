"""How a deployment ends: what is desired from now on, the receipt, the record, the news, the pruning. Must not: decide the outcome.

What is written here is written in an order in which a crash, or a full disk, between any two leaves something to be finished, and
nothing untrue. `finish` finishes it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec

from mooring.engine import accessories
from mooring.engine.hands import Hands
from mooring.engine.insist import insist
from mooring.engine.kept import kept_artifacts
from mooring.engine.orders import DeployOrder, DestroyOrder, decode_order
from mooring.engine.parts import Parts, revision_of
from mooring.engine.provision import remove_all, withdraw_old
from mooring.engine.pushing import prune, remove_assets
from mooring.engine.remains import had, remains
from mooring.engine.rollout import Rollout
from mooring.engine.witness import Witness
from mooring.errors import MooringError
from mooring.model.deployment import Deployment, Outcome, Phase, Trigger
from mooring.model.events import EventKind
from mooring.model.names import ArtifactId
from mooring.model.receipt import Receipt
from mooring.model.steps import Conclude, ForgetReleases
from mooring.model.trace import alarming, held_up, listing
from mooring.planner.goal import Wanted

_TRIES = 5  # of removing what is left of a destroyed environment
_BETWEEN = 1.0  # seconds
_HAS_TO_GO = ("instance", "route", "volume")  # of what is left: the rest is told, and goes later or by a person's word
_FORGOTTEN_AT_ONCE = 10  # releases: those before went with earlier deployments


class Ending:
    """Of one deployment. `superseded`, `refused` and `finish` raise Unavailable when they could not be written, and may be repeated."""

    def __init__(self, parts: Parts, deployment: Deployment) -> None:
        self._parts = parts
        self._deployment = deployment
        self._environment = deployment.environment

    def superseded(self, *, by: Deployment, when: str = "before it began") -> None:
        """A newer one came while it waited: for its turn, or for room."""
        self._record(Outcome.SUPERSEDED, message=f"superseded by {by.id} {when}", code="superseded")

    def refused(self, error: MooringError, outcome: Outcome) -> None:
        """It ended before anything was started: the environment is as it was."""
        where = f"{error.where}: " if error.where else ""
        told = str(error) if hasattr(error, "problems") else where + error.message
        self._record(outcome, message=told, hint=error.hint, code=error.code)

    async def concluded(self, step: Conclude, rollout: Rollout, *, target: Wanted | None, before: Wanted | None, witness: Witness) -> None:
        """The rollout reached its end: told in full, however long writing it down takes."""
        is_success = step.outcome is Outcome.SUCCEEDED
        stays = target is not None and not rollout.is_reverting  # it ends for a person to look at, and nobody has turned it round
        is_new = is_success or stays
        serving = target if is_new else before
        await insist(self._parts, lambda: self._desire(serving, is_destroyed=is_success and target is None, is_new=is_new))
        shown = serving if is_new or not rollout.is_asleep else None
        receipt = await witness.receipt(outcome=step.outcome.value, before=before, target=target, serving=shown)
        told = msgspec.to_builtins(receipt)
        await insist(self._parts, lambda: self._tell(EventKind.RECEIPT, receipt=told))
        message, hint, code = _told(step, rollout, receipt)
        outcome = step.outcome
        if target is None:
            trouble = await self._left(rollout) if is_success else message
            left = await self._proven(rollout, trouble=trouble)
            if left:
                outcome, code = Outcome.NEEDS_PERSON if is_success else outcome, "driver-error"
                message, hint = left, "`mooring destroy` once more removes it"
            else:
                message += self._said_of_services()
        await insist(self._parts, lambda: self._record(outcome, message=message, hint=hint, code=code, receipt=receipt))
        await insist(self._parts, self.finish)
        if outcome is Outcome.SUCCEEDED and target is not None:
            await self._withdraw_old(rollout)
            await self._prune(target, rollout)
            await self._prune_assets(rollout)

    def finish(self) -> None:
        """Of one that has ended: what a crash or a full disk may have left out. Nothing, most of the time."""
        record = self._parts.memory.deployment(self._deployment.id)
        if record is None or record.outcome is None:
            return
        if not self._parts.announcer.has_told_the_end(record.id):
            self._tell_end(record, record.error or f"it has {record.outcome.value}")
        if record.trigger is Trigger.DESTROY:
            self._finish_destroying(record)

    def _finish_destroying(self, record: Deployment) -> None:
        known = self._parts.memory.environment(self._environment)
        if known is None or not known.is_being_destroyed:
            return
        if record.outcome is not Outcome.SUCCEEDED:
            self._parts.memory.save_environment(msgspec.structs.replace(known, is_being_destroyed=False))
            return
        lease = self._parts.memory.lease(self._environment)
        if lease is not None:
            self._parts.memory.release_lease(lease)  # before its environment: nobody would find it afterwards
        if self._keeps_volume():
            self._parts.memory.save_environment(msgspec.structs.replace(known, is_being_destroyed=False))
            return
        self._parts.memory.forget_environment(self._environment)
        self._parts.observer.forget(self._environment)
        self._parts.announcer.say(EventKind.PLATFORM, message=f"{self._environment} is destroyed")

    def _desire(self, wanted: Wanted | None, *, is_destroyed: bool, is_new: bool) -> None:
        """Written before the deployment's own end: found unfinished, it only concludes once more. What `is_new` is awake, whatever was
        before it."""
        record = self._parts.memory.environment(self._environment)
        if record is None:
            return
        place = (accessories.place_of(self._parts, wanted) if self._environment.accessory else None) or record.place
        accessories.tell_of_move(self._parts, record, place)
        mark = record.review
        if mark is not None and mark.is_asleep and is_new:
            mark = msgspec.structs.replace(mark, is_asleep=False, seen_at=self._parts.clock.wall())
        desired = msgspec.structs.replace(record, revision=revision_of(wanted), is_being_destroyed=is_destroyed, place=place, review=mark)
        if desired != record:
            self._parts.memory.save_environment(desired)

    def _record(self, outcome: Outcome, *, message: str, hint: str = "", code: str = "", receipt: Receipt | None = None) -> None:
        """What has ended keeps its first outcome, whatever goes wrong afterwards."""
        known = self._parts.memory.deployment(self._deployment.id)
        if known is None:
            return
        ended = known
        if known.outcome is None:
            ended = msgspec.structs.replace(
                self._deployment,
                phase=Phase.ENDED,
                outcome=outcome,
                ended_at=self._parts.clock.wall(),
                error="" if not code else self._parts.redact(self._environment, message),
                error_code=code,
                hint=hint,
                receipt=receipt,
                is_asleep=self._parts.is_asleep(self._environment),
            )
            self._parts.memory.save_deployment(ended)
        self._discard_archive()
        if known.outcome is None or not self._parts.announcer.has_told_the_end(ended.id):
            self._tell_end(ended, message)

    def _tell_end(self, ended: Deployment, message: str) -> None:
        self._tell(
            EventKind.DEPLOYMENT_ENDED,
            outcome=ended.outcome.value if ended.outcome else "",
            exit_code=ended.exit_code,
            message=message,
            hint=ended.hint,
            code=ended.error_code,
        )

    async def _left(self, rollout: Rollout) -> str:
        """What could not be removed, in words; empty when all is gone that is to go."""
        if accessories_left := await accessories.removed(self._parts, self._environment, by=self._deployment.requested_by):
            return f"it is stopped, but its accessories are not all removed: {accessories_left}"
        if not await self._has_removed_all(rollout):
            return f"it is stopped, but its logs and what its hosts keep for it are not all removed: {rollout.hands.trouble}"
        try:
            await remove_assets(self._parts, rollout.hands, self._environment)
        except MooringError as error:
            return f"it is stopped, but its assets are not all removed: {error}"
        order = decode_order(self._deployment.order)
        if isinstance(order, DestroyOrder) and order.services:
            try:
                await remove_all(self._parts, rollout.hands)
            except (MooringError, OSError) as error:
                return f"it is stopped, but its services are not all removed: {error}"
        return ""

    async def _proven(self, rollout: Rollout, *, trouble: str) -> str:
        """Looks for all that it had and puts on record what is left, where something is; in words what has to go before it is gone.

        `trouble`: what the removal ended with, empty where it went through. Then what is built is pruned before, and what was pruned is
        looked for, too: nothing waits for the next deployment of another app."""
        order = decode_order(self._deployment.order)
        assert isinstance(order, DestroyOrder)
        if not trouble:
            await self._prune_built(kept_artifacts(self._parts, without=self._environment))
        known = had(self._parts, self._environment)
        traces = held_up(await remains(self._parts, rollout.hands.mark, order, known), trouble)
        told = {"message": listing(traces), "traces": msgspec.to_builtins(traces)}
        names = {"artifacts": sorted(known.artifacts), "images": sorted(known.images)}
        await insist(self._parts, lambda: self._tell(EventKind.TRACES, **told, **names))
        if trouble:
            return "; ".join(filter(None, (trouble, listing(alarming(traces)))))
        stuck = [trace for trace in alarming(traces) if trace.kind in _HAS_TO_GO and trace.left and not trace.reason]
        if stuck:
            return f"it is stopped, but something of it is left: {listing(stuck)}"
        if alarm := alarming(traces):
            message = f"{self._environment} is destroyed, but not all of it is known to be gone: {listing(alarm)}"
            self._parts.announcer.say(EventKind.PLATFORM, message=message)
        return ""

    def _said_of_services(self) -> str:
        kept = [
            f"{record.piece.service} ({record.kind.value} on {record.server})" for record in self._parts.memory.services(self._environment)
        ]
        return f"; {', '.join(kept)} stays with all that is in it (`mooring service rm` removes it)" if kept else ""

    async def _has_removed_all(self, rollout: Rollout) -> bool:
        """Nothing runs and nothing is routed; logs and leftovers go too."""
        step = ForgetReleases(releases=None, reason=f"{self._environment} is destroyed", volumes=not self._keeps_volume())
        for _ in range(_TRIES):
            if await rollout.hands.take((step,)):
                return True
            await self._parts.clock.sleep(_BETWEEN)
        return False

    def _keeps_volume(self) -> bool:
        order = decode_order(self._deployment.order) if self._deployment.order else None
        return isinstance(order, DestroyOrder) and order.keeps_volume

    async def _withdraw_old(self, rollout: Rollout) -> None:
        """Passwords of services that nothing uses any more. Never a reason to fail: the next deployment finds what is left."""
        if self._deployment.trigger is Trigger.SCALE:  # scaling lets instances run on with what they have
            return
        try:
            await withdraw_old(self._parts, Hands(self._parts, rollout.lease, None))
        except Exception as error:
            message = f"an old password is still valid: {error}"
            self._parts.announcer.say(EventKind.PLATFORM, environment=self._environment, message=message)

    async def _prune(self, target: Wanted, rollout: Rollout) -> None:
        """Logs and artifacts of releases beyond the newest few; what serves is always among those kept. Never a reason to fail."""
        try:
            gone = self._releases_to_forget(target)
            if gone:
                reason = f"the newest {target.release.policy.keep_releases} releases are kept"
                await Hands(self._parts, rollout.lease, None).take((ForgetReleases(releases=gone, reason=reason),))
        except Exception as error:
            self._say_pruning_failed(error)
        else:
            await self._prune_built(kept_artifacts(self._parts))

    async def _prune_built(self, keep: frozenset[ArtifactId]) -> None:
        try:
            await asyncio.to_thread(self._parts.workshop.prune, keep)
        except Exception as error:
            self._say_pruning_failed(error)

    def _say_pruning_failed(self, error: Exception) -> None:
        self._parts.announcer.say(EventKind.PLATFORM, environment=self._environment, message=f"pruning failed: {error}")

    async def _prune_assets(self, rollout: Rollout) -> None:
        """Never a reason to fail: the environment's keeper looks again."""
        try:
            await prune(self._parts, rollout.lease)
        except Exception as error:
            message = f"assets of earlier releases are still there: {error}"
            self._parts.announcer.say(EventKind.PLATFORM, environment=self._environment, message=message)

    def _releases_to_forget(self, target: Wanted) -> tuple[int, ...]:
        numbers = sorted(release.number for release in self._parts.memory.releases(self._environment))
        kept = {*numbers[-target.release.policy.keep_releases :], target.release.number}
        gone = [number for number in numbers if number not in kept and number < target.release.number]
        return tuple(gone[-_FORGOTTEN_AT_ONCE:])

    def _discard_archive(self) -> None:
        order = decode_order(self._deployment.order) if self._deployment.order else None
        if isinstance(order, DeployOrder):
            with suppress(OSError):  # the server sweeps what stays
                self._parts.workshop.drop(Path(order.archive))
                Path(order.archive).unlink(missing_ok=True)

    def _tell(self, kind: EventKind, **fields: object) -> None:
        self._parts.announcer.record(kind, environment=self._environment, deployment=self._deployment.id, **fields)


def _told(step: Conclude, rollout: Rollout, receipt: Receipt) -> tuple[str, str, str]:
    """Message, hint and code of the end."""
    is_destroyed = rollout.deployment.trigger is Trigger.DESTROY  # then requests are meant to find nothing
    if step.outcome is Outcome.SUCCEEDED and receipt.failed and not is_destroyed:
        count = f"{receipt.failed} request{'s' if receipt.failed != 1 else ''}"
        is_by_app = receipt.broken_by_app == receipt.failed
        hint = "the app broke them off itself; see its logs" if is_by_app else "the receipt lists them; please report how to repeat it"
        return f"{step.reason}, but {count} failed on the way", hint, "requests-failed"
    if rollout.failure is None:
        return step.reason, "", ""
    return f"{rollout.failure.reason}; {step.reason}", rollout.failure.hint, rollout.failure.code
