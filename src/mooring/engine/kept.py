"""Which artifacts may still be wanted: the rest can be taken away, here and on other hosts. Must not: remove one."""

from __future__ import annotations

from mooring.engine.parts import Parts
from mooring.model.environment import EnvironmentId
from mooring.model.names import ArtifactId


def kept_artifacts(parts: Parts, *, without: EnvironmentId | None = None) -> frozenset[ArtifactId]:
    """Of every environment (but one that is being destroyed), as many releases as its own policy keeps, and what serves."""
    environments = (record.environment for record in parts.memory.environments() if record.environment != without)
    return frozenset().union(*(_kept_of(parts, environment) for environment in environments))


def wanted_by(parts: Parts, artifact: ArtifactId, *, without: EnvironmentId) -> tuple[EnvironmentId, ...]:
    """The environments that may still want it, but for one."""
    environments = (record.environment for record in parts.memory.environments() if record.environment != without)
    return tuple(environment for environment in environments if artifact in _kept_of(parts, environment))


def _kept_of(parts: Parts, environment: EnvironmentId) -> frozenset[ArtifactId]:
    releases = sorted(parts.memory.releases(environment), key=lambda release: release.number)
    count = releases[-1].policy.keep_releases if releases else 0
    serving = parts.wanted(environment)
    kept = [*releases[-count:], *([serving.release] if serving else [])]
    return frozenset(release.artifact.id for release in kept)
