"""What is remembered of an environment and of each effect, as the memory gives it back. Must not: know where it is kept."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mooring.model.accessory import Place
from mooring.model.deployment import Revision
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import DeploymentId, Hostname
from mooring.model.review import ReviewMark
from mooring.model.steps import Step


class EnvironmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of an environment. `revision` None: nothing is desired to run (new, or destroyed).

    `review`: the mark of a review app; None for every environment that stays until a person destroys it.
    `place`: of an accessory, where it was last seen to listen.
    """

    environment: EnvironmentId
    created_at: float
    revision: Revision | None = None
    is_maintenance: bool = False
    is_being_destroyed: bool = False
    review: ReviewMark | None = None

    @property
    def is_asleep(self) -> bool:
        """Nothing of it runs until somebody visits it."""
        return self.review is not None and self.review.is_asleep

    @property
    def may_sleep(self) -> bool:
        """Once nobody has visited it for a while."""
        return self.review is not None and self.review.settings.sleep > 0

    place: Place | None = None


class Unowned(msgspec.Struct, frozen=True, kw_only=True):
    """Instances and routes of an environment of which nothing is remembered."""

    environment: EnvironmentId
    instances: tuple[InstanceKey, ...] = ()
    hostnames: tuple[Hostname, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered to a request with an idempotency key. `scope` says whose it was and to what, `digest` is of all it asked."""

    scope: str
    key: str
    digest: str
    content: bytes
    at: float


Answering = Callable[[object], Answer]
"""The answer to the present request, from the value that it is answered with."""


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An intent and, once known, its outcome (`done`, `not-done`, `unknown`; empty while open)."""

    sequence: int
    deployment: DeploymentId | None
    environment: EnvironmentId
    step: Step
    fence: int
    intent_at: float
    outcome: str = ""
    detail: str = ""
    ended_at: float | None = None
