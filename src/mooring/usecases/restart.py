"""All instances anew, start-first. Must not: restart one by one; that is the engine's healing."""

from __future__ import annotations

from mooring.engine.orders import RestartOrder
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.records import Answering
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform


def restart(platform: Platform, actor: Actor, environment: EnvironmentId, *, answering: Answering | None = None) -> Deployment:
    """Raises NotFound, LeaseHeld, Forbidden."""
    platform.allow(actor, Permission.CHANGE, "restart", environment)
    platform.existing(environment)
    return platform.controller.submit(environment, RestartOrder(), by=actor.name, answering=answering)
