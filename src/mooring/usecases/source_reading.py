"""Reads the files that describe an app from its source tree, and what they ask for. Must not: read any other file, or judge one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from mooring import manifest
from mooring.engine.contract import ReleasePlan
from mooring.errors import ManifestInvalid
from mooring.model.edge import Access, EdgeSettings
from mooring.model.environment import EnvironmentId
from mooring.model.names import ArtifactId, VariableName
from mooring.model.problem import Problem
from mooring.model.quantity import format_size
from mooring.model.release import Artifact, Release, Source
from mooring.model.review import REVIEW_PASSWORD, REVIEW_USER, ReviewAccess, ReviewSettings, is_review_of

LARGEST = 1_000_000  # bytes of one describing file

_NOT_BUILT = Artifact(id=ArtifactId(""), builder="", reason="", directory="", size=0)


def read_manifest(
    source: Path, environment: EnvironmentId, *, branch: str = "", offered: Mapping[str, str] | None = None
) -> manifest.Manifest:
    """What the tree, which is of this branch, asks for in an environment. Raises ManifestInvalid with all problems."""
    files = describing_files(source)
    root = manifest.root_of(files, environment=environment, branch=branch).strip("/")
    if root:
        files |= {f"{root}/{name}": content for name, content in describing_files(source / root).items()}
    return manifest.read(files, environment=environment, branch=branch, offered=offered)


def release_plan(source: Path, environment: EnvironmentId, origin: Source, *, offered: Mapping[str, str] | None = None) -> ReleasePlan:
    """The manifest as the engine wants it: a release still without number, artifact and config."""
    found = read_manifest(source, environment, branch=origin.branch, offered=offered)
    is_review = is_review_of(environment, origin.branch)
    template = Release(
        environment=environment,
        number=0,
        artifact=_NOT_BUILT,
        source=origin,
        config_version=0,
        processes=found.processes,
        hostnames=found.hostnames,
        policy=found.policy,
        edge=_edge(found.edge, found.review) if is_review else found.edge,
        release_command=found.release_command,
        seed_command=found.review.seed if is_review else "",
        runtime=found.runtime,
        regions=found.regions,
        accessories=found.accessories,
        secret_files=found.secret_files,
        build_secrets=tuple(VariableName(name) for name in found.build.secrets),
        services=found.services,
        assets=found.assets,
        variables=found.env,
        variable_origins={name: place for name in found.env if (place := found.origins.get(f"env.{name}"))},
    )
    return ReleasePlan(
        template=template,
        counts={str(name): count for name, count in found.counts.items()},
        build=found.build,
        is_complete=found.is_complete,
        review=found.review,
        notes=found.notes,
        required_variables=found.required_variables,
        generated_variables=tuple(sorted({*found.generated_variables, *([REVIEW_PASSWORD] if template.edge.access.user else [])})),
    )


def _edge(settings: EdgeSettings, review: ReviewSettings) -> EdgeSettings:
    """Of a review app: guarded unless it is said to be open, and no search engine's."""
    user = REVIEW_USER if review.access is ReviewAccess.BASIC else ""
    return msgspec.structs.replace(settings, access=Access(user=user, is_indexed=False, networks=review.networks))


def describing_files(directory: Path) -> dict[str, bytes]:
    """The contents by name of those that stand there, and of misspelt ones, so that the reader can say so."""
    known = {spelling for name in manifest.FILES for spelling in (name.lower(), f"{name.lower()}.txt")}
    places = directory.iterdir() if directory.is_dir() else ()
    found = [place for place in places if place.name.lower() in known and place.is_file()]
    large = [place for place in found if place.stat().st_size > LARGEST]
    if large:
        raise ManifestInvalid([_too_large(place) for place in large])
    return {place.name: place.read_bytes() for place in found}


def _too_large(place: Path) -> Problem:
    message = f"the file has {format_size(place.stat().st_size)}; nothing that describes an app is that large"
    return Problem(file=place.name, line=0, key="", message=message, hint=f"keep it under {format_size(LARGEST)}")
