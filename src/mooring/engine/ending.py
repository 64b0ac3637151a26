"""How a deployment ends: what is desired from now on, the receipt, the record, the news, the pruning. Must not: decide the outcome."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.engine.orders import DeployOrder, decode_order
from mooring.engine.parts import Parts
from mooring.engine.rollout import Rollout
from mooring.engine.witness import Witness
from mooring.errors import DriverError, MooringError
from mooring.model.deployment import Deployment, Outcome, Phase, Revision
from mooring.model.events import EventKind
from mooring.model.lease import Mark
from mooring.model.receipt import Receipt
from mooring.model.steps import Conclude
from mooring.planner.goal import Wanted


class Ending:
    """Of one deployment; exactly one of its methods is called."""

    def __init__(self, parts: Parts, deployment: Deployment) -> None:
        self._parts = parts
        self._deployment = deployment
        self.is_destroyed = False

    def superseded(self, *, by: Deployment) -> None:
        """A newer one came while it waited."""
        self._record(Outcome.SUPERSEDED, message=f"superseded by {by.id} before it began", code="superseded")

    def refused(self, error: MooringError, outcome: Outcome) -> None:
        """It ended before anything was started: the environment is as it was."""
        where = f"{error.where}: " if error.where else ""
        told = str(error) if hasattr(error, "problems") else where + error.message
        self._record(outcome, message=told, hint=error.hint, code=error.code)

    async def concluded(self, step: Conclude, rollout: Rollout, *, target: Wanted | None, before: Wanted | None, witness: Witness) -> None:
        """The rollout reached its end."""
        is_success = step.outcome is Outcome.SUCCEEDED
        serving = target if is_success else before
        if is_success:
            self._desire(target)
        receipt = await witness.receipt(outcome=step.outcome.value, before=before, target=target, serving=serving)
        self._say(EventKind.RECEIPT, receipt=msgspec.to_builtins(receipt))
        message, hint, code = self._told(step, rollout, receipt)
        if is_success and target is None:
            await self._destroy(message)
            return
        self._record(step.outcome, message=message, hint=hint, code=code, receipt=receipt)
        if is_success and target is not None:
            await self._prune(target, rollout)

    def _told(self, step: Conclude, rollout: Rollout, receipt: Receipt) -> tuple[str, str, str]:
        if step.outcome is Outcome.SUCCEEDED and receipt.failed:
            count = f"{receipt.failed} request{'s' if receipt.failed != 1 else ''}"
            return (
                f"{step.reason}, but {count} failed on the way",
                "the receipt lists them; please report how to repeat it",
                "requests-failed",
            )
        if rollout.failure is None:
            return step.reason, "", ""
        return f"{rollout.failure.reason}; {step.reason}", rollout.failure.hint, rollout.failure.code

    def _desire(self, target: Wanted | None) -> None:
        """Written before the deployment's own end: found unfinished, it only concludes once more."""
        record = self._parts.memory.environment(self._deployment.environment)
        if record is None or target is None:
            return
        revision = Revision(release=target.release.number, generation=target.generation, counts=target.counts)
        self._parts.memory.save_environment(msgspec.structs.replace(record, revision=revision))

    def _record(self, outcome: Outcome, *, message: str, hint: str = "", code: str = "", receipt: Receipt | None = None) -> None:
        environment = self._deployment.environment
        ended = msgspec.structs.replace(
            self._deployment,
            phase=Phase.ENDED,
            outcome=outcome,
            ended_at=self._parts.clock.wall(),
            error="" if not code else self._parts.redact(environment, message),
            error_code=code,
            hint=hint,
            receipt=receipt,
        )
        self._parts.memory.save_deployment(ended)
        self._discard_archive()
        self._say_end(ended, message)

    def _say_end(self, ended: Deployment, message: str) -> None:
        self._say(
            EventKind.DEPLOYMENT_ENDED,
            outcome=ended.outcome.value if ended.outcome else "",
            exit_code=ended.exit_code,
            message=message,
            hint=ended.hint,
            code=ended.error_code,
        )

    async def _destroy(self, message: str) -> None:
        """All that the environment owned goes; the last event tells it, since the record goes too."""
        environment = self._deployment.environment
        lease = self._parts.memory.lease(environment)
        mark = Mark(environment=environment, operation=self._deployment.id, fence=lease.fence if lease else 0)
        try:
            await self._parts.edge.remove(mark)
            freed = await self._parts.runtime.forget(mark, environment, releases=None)
        except DriverError as error:
            self._record(Outcome.NEEDS_PERSON, message=f"it is stopped, but something is left: {error}", code=error.code)
            return
        self._record(Outcome.SUCCEEDED, message=message)
        self._parts.memory.forget_environment(environment)
        self._parts.observer.forget(environment)
        self._parts.workshop.prune(self._kept_artifacts())
        self._parts.announcer.say(EventKind.PLATFORM, message=f"{environment} is destroyed; {freed} bytes of logs removed")
        self.is_destroyed = True

    async def _prune(self, target: Wanted, rollout: Rollout) -> None:
        """Logs and artifacts of releases beyond the newest few; what serves is always among those kept."""
        kept = self._kept_releases(target)
        gone = frozenset(
            release.number
            for release in self._parts.memory.releases(self._deployment.environment)
            if release.number not in kept and release.number < target.release.number
        )
        try:
            await self._parts.runtime.forget(rollout.mark, self._deployment.environment, releases=gone)
            self._parts.workshop.prune(self._kept_artifacts())
        except DriverError as error:
            self._parts.announcer.say(EventKind.PLATFORM, environment=self._deployment.environment, message=f"pruning failed: {error}")

    def _kept_releases(self, target: Wanted) -> frozenset[int]:
        numbers = sorted(release.number for release in self._parts.memory.releases(self._deployment.environment))
        return frozenset({*numbers[-target.release.policy.keep_releases :], target.release.number})

    def _kept_artifacts(self) -> frozenset[str]:
        """Of every environment, as many releases as its own policy keeps."""
        kept: set[str] = set()
        for record in self._parts.memory.environments():
            releases = sorted(self._parts.memory.releases(record.environment), key=lambda release: release.number)
            count = releases[-1].policy.keep_releases if releases else 0
            kept |= {str(release.artifact.id) for release in releases[-count:]}
            serving = self._parts.wanted(record.environment)
            kept |= {str(serving.release.artifact.id)} if serving else set()
        return frozenset(kept)

    def _discard_archive(self) -> None:
        order = decode_order(self._deployment.order) if self._deployment.order else None
        if isinstance(order, DeployOrder):
            Path(order.archive).unlink(missing_ok=True)

    def _say(self, kind: EventKind, **fields: object) -> None:
        self._parts.announcer.say(kind, environment=self._deployment.environment, deployment=self._deployment.id, **fields)
