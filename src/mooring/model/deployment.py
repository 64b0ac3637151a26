"""Moving an environment from one release to another: the record, its phases and its end. Must not: decide anything."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId, ProcessName
from mooring.model.placement import Placement
from mooring.model.receipt import Receipt


class Trigger(enum.Enum):
    """What was asked for."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    CONFIG = "config"
    SCALE = "scale"
    RESTART = "restart"
    ROTATE = "rotate"
    RESEED = "reseed"
    DESTROY = "destroy"


class Phase(enum.Enum):
    """The rollout, in order."""

    QUEUED = "queued"
    CHECK = "check"
    BUILD = "build"
    RELEASE = "release"
    PREPARE = "prepare"
    SWITCH = "switch"
    WATCH = "watch"
    DRAIN = "drain"
    COMMIT = "commit"
    REVERT = "revert"
    ENDED = "ended"


class Outcome(enum.Enum):
    SUCCEEDED = "succeeded"  # the new release serves, the old one is gone
    FAILED = "failed"  # the old release serves as before (or there was none)
    REVERTED = "reverted"  # the new one served for a moment, the old one serves again
    ABORTED = "aborted"  # asked to stop; the old release serves
    SUPERSEDED = "superseded"  # a newer one came before anything of it was started
    NEEDS_PERSON = "needs-person"  # neither could be reached


EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.REVERTED: 1,
    Outcome.ABORTED: 1,
    Outcome.SUPERSEDED: 3,
    Outcome.NEEDS_PERSON: 4,
}


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment is desired to run: a release, its generation (restarts by hand), how many of each process type, and where."""

    release: int
    generation: int = 0
    counts: dict[ProcessName, int] = {}
    placement: Placement = {}


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment's record. Times are wall seconds; `number` orders deployments of an environment (newest wins).

    `target` is None until the build gave a release number (and for DESTROY, always); `baseline` None for the first deployment.
    `is_asleep`: when it had ended, nothing of the environment ran, and the next visitor wakes it.
    """

    id: DeploymentId
    environment: EnvironmentId
    number: int
    trigger: Trigger
    phase: Phase = Phase.QUEUED
    requested_at: float
    requested_by: str
    description: str = ""
    target: Revision | None = None
    baseline: Revision | None = None
    started_at: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    is_asleep: bool = False
    error_code: str = ""
    error: str = ""
    hint: str = ""
    receipt: Receipt | None = None
    order: str = ""  # the order as JSON, so that a controller started again can take it up

    @property
    def has_lost_requests(self) -> bool:
        """Requests failed on the way, and not by the app's own code. Of a destroyed environment they must."""
        return self.trigger is not Trigger.DESTROY and self.receipt is not None and self.receipt.failed > 0

    @property
    def exit_code(self) -> int | None:
        """0 serving, 1 failed and the old release still serves, 3 superseded, 4 needs a person; None while it goes on."""
        if self.outcome is None:
            return None
        if self.outcome is Outcome.SUCCEEDED and self.has_lost_requests:
            return 4
        return EXIT_CODES[self.outcome]
