"""Ask a deployment to turn round. Must not: wait for its end."""

from __future__ import annotations

from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.usecases.deployments import find_deployment
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform


def abort(platform: Platform, actor: Actor, deployment: str) -> Deployment:
    """Raises NotFound, Refused when it has ended, Forbidden."""
    found = find_deployment(platform, actor, deployment)
    platform.allow(actor, Permission.CHANGE, "abort", found.environment, deployment=found.id)
    return platform.controller.abort(found.id, by=actor.name)
