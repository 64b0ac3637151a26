"""Serve an earlier release again. Must not: choose which; the engine knows what served."""

from __future__ import annotations

from mooring.engine.orders import RollbackOrder
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.records import Answering
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform


async def rollback(
    platform: Platform, actor: Actor, environment: EnvironmentId, *, release: int | None, answering: Answering | None = None
) -> Deployment:
    """`release` None: the one before the present. Raises NotFound, LeaseHeld, Forbidden."""
    detail = {"release": f"v{release}"} if release is not None else {}
    platform.allow(actor, Permission.CHANGE, "rollback", environment, **detail)
    platform.existing(environment)
    order = RollbackOrder(number=release)
    await platform.controller.examine(environment, order)
    return platform.controller.submit(environment, order, by=actor.name, answering=answering)
