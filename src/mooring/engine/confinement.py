"""Who is confined: what runs for a review app, whose code nobody has looked at yet. Must not: say how, or where it is not needed."""

from __future__ import annotations

from mooring.engine.contract import Memory
from mooring.engine.services import Services
from mooring.model.build import BuildConfinement
from mooring.model.environment import EnvironmentId
from mooring.model.instance import Confinement
from mooring.model.release import Release


def confinement_of(memory: Memory, services: Services, environment: EnvironmentId, *, with_copies: bool = False) -> Confinement | None:
    """Also of a review app's accessories. None for any other environment."""
    return services.confinement(environment, with_copies=with_copies) if is_review_app(memory, environment) else None


def confinement_of_build(memory: Memory, services: Services, environment: EnvironmentId) -> BuildConfinement | None:
    """Wherever it is to run: it is built on this machine."""
    if not is_review_app(memory, environment):
        return None
    return BuildConfinement(slug=environment.slug, hidden=services.confinement(environment).hidden)


def owner_of_build(memory: Memory, template: Release) -> str:
    """Whose what is built is alone: where it runs on this machine it is a folder that a confined app may write to, so nobody else runs it.

    Empty where everybody with the same content may share it."""
    return template.environment.slug if is_review_app(memory, template.environment) and not template.regions else ""


def is_review_app(memory: Memory, environment: EnvironmentId) -> bool:
    """It, or an accessory of one."""
    record = memory.environment(environment.home)
    return record is not None and record.review is not None
