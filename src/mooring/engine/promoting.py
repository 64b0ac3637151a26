"""The artifact of a release that another environment runs, for a release of this one. Must not: build, or number a release."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.engine.confinement import owner_of_build
from mooring.engine.contract import Memory
from mooring.engine.parts import Parts
from mooring.errors import NotFound, Refused
from mooring.model.build import BuildLimits, BuildSettings
from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName
from mooring.model.promotion import Promotion
from mooring.model.release import Artifact, Release, Source


def promoted_release(memory: Memory, app: AppName, promotion: Promotion) -> Release:
    """Raises NotFound."""
    origin = EnvironmentId(app, promotion.environment)
    release = memory.release(origin, promotion.number)
    if release is None:
        raise NotFound(f"{origin} has no release v{promotion.number}", hint=f"`mooring releases -e {origin.environment}` lists them")
    return release


async def promoted_artifact(parts: Parts, source: Path, origin: Source, target: EnvironmentId, promotion: Promotion) -> Artifact:
    """As it is, if it is what the target's own settings ask for. Raises NotFound, Refused, SourceInvalid."""
    release = promoted_release(parts.memory, target.app, promotion)
    building = f"`mooring deploy -e {target.environment}" + (f" --ref {origin.commit[:12]}`" if origin.commit else "`")
    if owner_of_build(parts.memory, release):
        message = f"what {promotion.environment} runs is a review app's alone: it may have written to it"
        raise Refused(message, hint=f"{building} builds the same commit anew", where=str(release.environment))
    built = parts.workshop.plan(source, release.environment, origin).build
    differing = _differing(built, parts.workshop.plan(source, target, origin).build)
    if differing:
        message = f"{target.environment} is to be built otherwise than {promotion.environment}: {', '.join(differing)}"
        raise Refused(message, hint=f"{building} builds it, or say the same of both in mooring.toml", where="mooring.toml")
    try:
        return await parts.workshop.reused(source, origin, release.artifact)
    except NotFound as gone:
        hint = f"{building} builds it; nothing was touched"
        raise NotFound(f"the artifact of {promotion.origin} is not there any more", hint=hint, where=str(release.environment)) from gone


def _differing(one: BuildSettings, other: BuildSettings) -> list[str]:
    """The settings by which builds of one tree make different things; limits do not."""
    first, second = (msgspec.structs.asdict(msgspec.structs.replace(each, limits=BuildLimits())) for each in (one, other))
    return [f"build.{name}" for name in first if first[name] != second[name]]
