"""Who is confined: what runs for a review app, whose code nobody has looked at yet. Must not: say how, or where it is not needed."""

from __future__ import annotations

from mooring.engine.contract import Memory
from mooring.engine.services import Services
from mooring.model.environment import EnvironmentId
from mooring.model.instance import Confinement


def confinement_of(memory: Memory, services: Services, environment: EnvironmentId) -> Confinement | None:
    """Also of a review app's accessories. None for any other environment."""
    record = memory.environment(environment.home)
    return services.confinement(environment) if record is not None and record.review is not None else None
