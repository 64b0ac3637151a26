"""The way in: an app's files become one manifest, or every problem at once. Must not: open a file; callers pass the contents."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.manifest.accessories import accessories_of
from mooring.manifest.assets import assets_of
from mooring.manifest.hostnames import host_to_ask, hostnames_of
from mooring.manifest.layers import Layers
from mooring.manifest.manifest import Manifest
from mooring.manifest.problems import Problems
from mooring.manifest.processes import Reading, processes_of
from mooring.manifest.provenance import settings_of
from mooring.manifest.regions import regions_of, runtime_of
from mooring.manifest.review import review_of
from mooring.manifest.rollout import build_of, edge_of, policy_of
from mooring.manifest.services import services_of
from mooring.manifest.sources import Sources, app_of, sources_of, toml_layers
from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName, VariableName
from mooring.model.review import is_review_of


def read(
    files: Mapping[str, bytes],
    *,
    environment: EnvironmentId,
    branch: str = "",
    offered: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
) -> Manifest:
    """What `files` ask for in an environment. Raises ManifestInvalid with every problem.

    `files`: contents by name, at least those of FILES that stand at the top of the source (with `build.root` also those in
    that folder, as `root/Procfile`). `branch`: the one they were taken from; its own environment is a review app.
    `offered`: commands by process type that the builder offers; None while nothing is built yet: the manifest may then be
    incomplete, and is read again afterwards. `config`: names of variables set by command, each with `config` or `secret`.
    """
    problems = Problems()
    sources = sources_of(files, environment=environment, branch=branch, offered=offered or {}, problems=problems)
    is_complete = sources.is_settled or offered is not None
    is_review = is_review_of(environment, branch)
    manifest = _assembled(sources, environment, is_review=is_review, is_complete=is_complete, config=config or {}, problems=problems)
    problems.raise_any()
    return manifest


def app_name_of(files: Mapping[str, bytes]) -> AppName | None:
    """The name that mooring.toml gives the app, if any. Raises ManifestInvalid when the file cannot be read or the name is none."""
    problems = Problems()
    toml = toml_layers({name: content for name, content in files.items() if name == "mooring.toml"}, problems=problems)
    name = app_of(toml)
    if name is None:
        problems.raise_any()
    return name


def _secret_files(layers: Layers) -> tuple[VariableName, ...]:
    found = layers.found("secrets.files")
    return tuple(VariableName(str(name)) for name in found.value) if found and isinstance(found.value, tuple) else ()


def _assembled(
    sources: Sources, environment: EnvironmentId, *, is_review: bool, is_complete: bool, config: Mapping[str, str], problems: Problems
) -> Manifest:
    layers, notes = sources.layers, list(sources.notes)
    hostnames = hostnames_of(layers, environment, is_review=is_review, problems=problems)
    processes = processes_of(
        Reading(
            layers=layers,
            is_complete=is_complete,
            host=host_to_ask(hostnames),
            elsewhere=sources.misspelt,
            problems=problems,
            notes=notes,
        )
    )
    services = services_of(layers, problems=problems)
    given = {name for wish in services for name in wish.variables}
    missing = tuple(name for name in sources.app_json.required if name not in config and name not in given and f"env.{name}" not in layers)
    return Manifest(
        app=sources.app,
        environment=environment,
        processes=processes,
        is_complete=is_complete,
        hostnames=hostnames,
        policy=policy_of(layers, problems=problems),
        release_command=layers.text("release"),
        build=build_of(layers),
        env={name: str(found.value) for name, found in layers.below("env").items()},
        edge=edge_of(layers),
        runtime=runtime_of(layers, problems=problems),
        regions=regions_of(layers, processes, is_complete=is_complete, problems=problems),
        accessories=accessories_of(layers, problems=problems),
        secret_files=_secret_files(layers),
        review=review_of(layers),
        services=services,
        assets=assets_of(layers, problems=problems),
        required_variables=missing,
        generated_variables=sources.app_json.generated & frozenset(missing),
        settings=settings_of(layers, processes=processes, hostnames=hostnames, config=config),
        notes=tuple(notes),
    )
