"""Show visitors a maintenance page instead of the app. Must not: stop the app."""

from __future__ import annotations

from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.usecases.answers import EnvironmentDetail
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform
from mooring.usecases.status import environment_detail


async def set_maintenance(platform: Platform, actor: Actor, environment: EnvironmentId, *, on: bool) -> EnvironmentDetail:
    """Returns when the edge shows it. Raises NotFound, Unavailable, Forbidden."""
    platform.allow(actor, Permission.CHANGE, "maintenance", environment, on=str(on).lower())
    await platform.controller.set_maintenance(environment, on=on)
    return await environment_detail(platform, actor, environment)
