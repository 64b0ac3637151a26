"""What an order would do and why. Must not: change anything."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from mooring.engine.orders import DeployOrder, DestroyOrder, Order, Preview, RestartOrder, RollbackOrder
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.release import Source
from mooring.usecases.deploy import checked_origin
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import PlanDestroy, PlanRequest, PlanRestart, PlanRollback, PlanScale
from mooring.usecases.scale import scale_order


async def plan_deploy(platform: Platform, actor: Actor, environment: EnvironmentId, archive: Path, origin: Source) -> Preview:
    """The archive is removed in any case. Raises ManifestInvalid, CapacityExceeded, SourceInvalid."""
    try:
        require(actor, Permission.CHANGE)
        return await platform.controller.preview(environment, DeployOrder(archive=str(archive), origin=checked_origin(origin)))
    finally:
        archive.unlink(missing_ok=True)


async def plan(platform: Platform, actor: Actor, environment: EnvironmentId, request: PlanRequest) -> Preview:
    """Raises NotFound, CapacityExceeded, InvalidInput."""
    require(actor, Permission.CHANGE)
    platform.existing(environment)
    return await platform.controller.preview(environment, _order(request))


def _order(request: PlanRequest) -> Order:
    match request:
        case PlanRollback(release=release):
            return RollbackOrder(number=release)
        case PlanScale(counts=counts):
            return scale_order(counts)
        case PlanRestart():
            return RestartOrder()
        case PlanDestroy():
            return DestroyOrder()
        case _:
            assert_never(request)
