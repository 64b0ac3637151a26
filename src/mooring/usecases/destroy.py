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
from mooring.usecases.services import check_lost


async def destroy(
    platform: Platform,
    actor: Actor,
    environment: EnvironmentId,
    *,
    confirm: str,
    services: bool = False,
    answering: Answering | None = None,
) -> Deployment:
    """Also one that the memory does not know, as long as something of it is there. Its services stay, unless it is said.

    Raises InvalidInput unless `confirm` is `app/environment`; Refused while services of others come from an accessory of it; NotFound,
    LeaseHeld, Forbidden, Unavailable.
    """
    platform.allow(actor, Permission.ADMINISTER, "destroy", environment, services=str(services))
    if confirm != str(environment):
        raise InvalidInput(f"destroying {environment} is confirmed with its full name", hint=f"confirm={environment}")
    check_lost(platform, (each.environment for each in platform.memory.environments() if each.environment.home == environment))
    if platform.memory.environment(environment) is None:
        await platform.controller.adopt(environment)
    return platform.controller.submit(environment, DestroyOrder(services=services), by=actor.name, answering=answering)
