"""Stop an environment and remove all that it owns. Must not: act without its name typed out by who wants it."""

from __future__ import annotations

from mooring.engine.orders import DestroyOrder
from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.records import Answering
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform


def destroy(
    platform: Platform, actor: Actor, environment: EnvironmentId, *, confirm: str, answering: Answering | None = None
) -> Deployment:
    """Raises InvalidInput unless `confirm` is `app/environment`; NotFound, LeaseHeld, Forbidden."""
    platform.allow(actor, Permission.ADMINISTER, "destroy", environment)
    platform.existing(environment)
    if confirm != str(environment):
        raise InvalidInput(f"destroying {environment} is confirmed with its full name", hint=f"confirm={environment}")
    return platform.controller.submit(environment, DestroyOrder(), by=actor.name, answering=answering)
