"""The releases of an environment. Must not: say which one runs; status does."""

from __future__ import annotations

from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.release import Release
from mooring.usecases.discretion import shown_release
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform


def releases(platform: Platform, actor: Actor, environment: EnvironmentId) -> tuple[Release, ...]:
    """Newest first. Raises NotFound."""
    require(actor, Permission.SEE)
    platform.existing(environment)
    return tuple(shown_release(platform, release) for release in reversed(platform.memory.releases(environment)))
