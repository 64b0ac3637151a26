"""From an order to what should run: builds, numbers a release, or reuses one. Must not: start, stop or route."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import assert_never

import msgspec

from mooring.drivers.builder.contract import BuildLog
from mooring.engine import accessories
from mooring.engine.confinement import confinement_of_build, owner_of_build
from mooring.engine.contract import ReleasePlan
from mooring.engine.generated import config_with_generated
from mooring.engine.kept import kept_artifacts
from mooring.engine.orders import (
    AccessoryOrder,
    ConfigOrder,
    DeployOrder,
    DestroyOrder,
    Order,
    ReseedOrder,
    RestartOrder,
    RollbackOrder,
    RotateOrder,
    ScaleOrder,
    describe,
)
from mooring.engine.parts import Parts
from mooring.engine.promoting import promoted_artifact
from mooring.engine.strangers import check_kept_apart
from mooring.engine.variables import build_secrets_of, check_deliverable, names_given
from mooring.engine.waits import with_disk
from mooring.errors import InvalidInput, NotFound, OutcomeUnknown, UsageError
from mooring.model.assets import digest_of as digest_of_assets
from mooring.model.config import revealed
from mooring.model.deployment import Deployment, Outcome
from mooring.model.edge import digest_of
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.placement import Placement
from mooring.model.release import Artifact, Release
from mooring.model.review import REVIEW_PASSWORD
from mooring.model.secret import Secret
from mooring.planner.accessories import pinned
from mooring.planner.capacity import declared_by
from mooring.planner.goal import Wanted
from mooring.planner.placement import place

_SHORTEST_PASSWORD = 16  # characters: what is kept of it withstands guessing only where there is much to guess
Change = ConfigOrder | RollbackOrder | ScaleOrder | RestartOrder | RotateOrder | ReseedOrder


async def target_of(parts: Parts, order: Order, deployment: Deployment, before: Wanted | None) -> Wanted | None:
    """What the environment should run when the order is fulfilled; None: nothing. Raises what makes it impossible."""
    match order:
        case DestroyOrder():
            return None
        case DeployOrder():
            release = await _built(parts, order, deployment)
            wanted = placed(parts, Wanted(release=release, counts=before.counts if before else {}))
        case AccessoryOrder():
            release = await accessories.made(parts, order, deployment, before)
            _add(parts, release)
            wanted = placed(parts, Wanted(release=release))
        case _:
            wanted = changed(parts, order, deployment.environment, _present(deployment.environment, before), at=parts.clock.wall())
            if before is not None and wanted.release.number != before.release.number:
                _add(parts, wanted.release)
    return wanted


def changed(parts: Parts, order: Change, environment: EnvironmentId, before: Wanted, *, at: float) -> Wanted:
    """What an order that needs no build makes of what runs; the release, where it is a new one, is not stored yet."""
    if isinstance(order, RotateOrder):
        parts.services.record(environment, order.service)
    match order:
        case ConfigOrder(config_version=version, description=description):
            release = guarded(parts, _copy(parts, before.release, at=at, config=version, what=description))
            return placed(parts, msgspec.structs.replace(before, release=release))
        case ReseedOrder():
            release = _copy(parts, before.release, at=at, config=before.release.config_version, what=describe(order))
            return placed(parts, msgspec.structs.replace(before, release=guarded(parts, release)))
        case RollbackOrder(number=number):
            return placed(parts, msgspec.structs.replace(before, release=_earlier(parts, environment, before, number, at=at)))
        case ScaleOrder(counts=counts):
            _check_counts(before.release, {str(name): count for name, count in counts.items()})
            scaled = msgspec.structs.replace(before, counts={**before.counts, **counts})
            return placed(parts, scaled, kept=before.placement)
        case RestartOrder() | RotateOrder():
            return placed(parts, msgspec.structs.replace(before, generation=before.generation + 1))
        case _:
            assert_never(order)


def previewed(
    parts: Parts, source: Path, order: DeployOrder, environment: EnvironmentId, before: Wanted | None
) -> tuple[Wanted, tuple[str, ...]]:
    """What deploying this tree would ask for, without building it, and the manifest's notes."""
    planned = parts.workshop.plan(source, environment, order.origin)
    check_variables(parts, planned, environment)
    if order.promotion is None:
        _build_secrets(parts, planned, environment)
    parts.services.missing(planned.template)
    number = parts.memory.next_release_number(environment)
    release = msgspec.structs.replace(planned.template, number=number)
    return placed(parts, Wanted(release=release, counts=before.counts if before else {})), planned.notes


def placed(parts: Parts, wanted: Wanted, *, kept: Placement | None = None) -> Wanted:
    """With a host for each of its instances, where it reaches its accessories if it can; a borrowed one never: those are for who waits
    for room.

    Raises InvalidInput where a region of its has none that may be used, Refused where a stranger's code would not be kept apart there.
    """
    if wanted.release.environment.accessory is not None:
        return msgspec.structs.replace(wanted, placement=pinned(wanted.release, wanted.counts))
    hosts = [host for host in parts.memory.hosts() if not host.loan]
    load = declared_by(parts.others(wanted.release.environment), [host.name for host in hosts]) if wanted.release.regions else {}
    cut_off = accessories.cut_off(parts, wanted.release)
    near = [host for host in hosts if host.name not in cut_off]
    try:
        placement = place(wanted.release, wanted.counts, near, kept=kept, load=load)
    except InvalidInput:
        placement = place(wanted.release, wanted.counts, hosts, kept=kept, load=load)
    wanted = msgspec.structs.replace(wanted, placement=placement)
    check_kept_apart(parts.memory, parts.runtime, wanted)
    return wanted


async def _built(parts: Parts, order: DeployOrder, deployment: Deployment) -> Release:
    environment, origin = deployment.environment, order.origin

    def log(line: str) -> None:
        parts.announcer.say(EventKind.BUILD_OUTPUT, environment=environment, deployment=deployment.id, line=line)

    source = await asyncio.to_thread(parts.workshop.unpack, Path(order.archive))
    try:
        planned = parts.workshop.plan(source, environment, origin)
        check_variables(parts, planned, environment)
        parts.services.missing(planned.template)
        for note in planned.notes:
            log(f"note: {note}")
        artifact = await _artifact(parts, source, planned, order, deployment, log=log)
        if not planned.is_complete:
            planned = parts.workshop.plan(source, environment, origin, offered=artifact.processes)
    finally:
        await asyncio.to_thread(parts.workshop.discard, source)
    config, made = config_with_generated(parts, planned, environment, version=config_in_force(parts, environment))
    if made:
        log(f"note: made up as secrets, since nobody has set them: {', '.join(made)}")
    digest = await _assets_digest(parts, planned.template, artifact)
    template = guarded(parts, msgspec.structs.replace(planned.template, config_version=config, assets_digest=digest))
    release = _numbered(parts, template, artifact, order, deployment)
    _add(parts, release)
    return release


async def _artifact(
    parts: Parts, source: Path, planned: ReleasePlan, order: DeployOrder, deployment: Deployment, *, log: BuildLog
) -> Artifact:
    """Built, or found built; of a promotion the one that is promoted. Raises BuildFailed, NotFound, Refused, SourceInvalid."""
    environment = deployment.environment

    def chosen(builder: str, reason: str) -> None:
        parts.announcer.say(EventKind.BUILD_DETECTED, environment=environment, deployment=deployment.id, builder=builder, reason=reason)

    if order.promotion is not None:
        artifact = await promoted_artifact(parts, source, order.origin, environment, order.promotion)
        log(f"nothing is built: {order.promotion.origin} runs the artifact {artifact.id[:12]}, and so will this")
        return artifact
    secrets = _build_secrets(parts, planned, environment)
    owner = owner_of_build(parts.memory, planned.template)
    confinement = confinement_of_build(parts.memory, parts.services, environment)
    return await with_disk(
        parts,
        environment,
        lambda: parts.workshop.build(
            source, planned.build, order.origin, secrets=secrets, log=log, chosen=chosen, owner=owner, confinement=confinement
        ),
        reclaim=lambda: asyncio.to_thread(parts.workshop.prune, kept_artifacts(parts)),
    )


def _build_secrets(parts: Parts, planned: ReleasePlan, environment: EnvironmentId) -> dict[str, Secret]:
    """Raises InvalidInput where nobody has set one."""
    return build_secrets_of(parts.memory.config(environment, config_in_force(parts, environment)), planned.build)


async def _assets_digest(parts: Parts, template: Release, artifact: Artifact) -> str:
    """Of the files that a bucket is to serve; empty without any. Raises InvalidInput for what cannot be pushed."""
    if template.assets is None:
        return ""
    return digest_of_assets(await asyncio.to_thread(parts.workshop.assets, artifact, template.assets.path))


def guarded(parts: Parts, release: Release) -> Release:
    """With the digest of the password that its config holds, where the edge is to ask for one. Raises InvalidInput without a good one."""
    if not release.edge.access.user:
        return release
    password = revealed(parts.memory.config(release.environment, release.config_version).get(REVIEW_PASSWORD, ""))
    if len(password) < _SHORTEST_PASSWORD:
        raise InvalidInput(
            f"the password of {release.environment} has {len(password)} characters; it has {_SHORTEST_PASSWORD} or more",
            hint=f"`mooring secret set {REVIEW_PASSWORD} -e {release.environment.environment}`",
        )
    access = msgspec.structs.replace(release.edge.access, digest=digest_of(password))
    return msgspec.structs.replace(release, edge=msgspec.structs.replace(release.edge, access=access))


def _add(parts: Parts, release: Release) -> None:
    """Raises Unavailable. Where the answer is lost, the memory itself says whether it has it."""
    try:
        parts.memory.add_release(release)
    except OutcomeUnknown:
        if parts.memory.release(release.environment, release.number) != release:
            raise


def check_variables(parts: Parts, planned: ReleasePlan, environment: EnvironmentId) -> None:
    """Raise InvalidInput where the app says it needs a variable that nobody has set, or could not be given one that was."""
    config = parts.memory.config(environment, config_in_force(parts, environment))
    check_deliverable(config, planned.template)
    parts.assets.check(planned.template, config)
    given = {name for accessory in planned.template.accessories for name in names_given(accessory)}
    given |= {name for wish in planned.template.services for name in wish.variables}
    known = config.keys() | planned.template.variables.keys() | given
    absent = [name for name in planned.template.secret_files if name not in known and name not in planned.generated_variables]
    if absent:
        hint = " and ".join(f"`mooring secret set {name}`" for name in absent)
        raise InvalidInput(f"the app reads {', '.join(absent)} from a file, and nothing sets it", hint=hint, where="mooring.toml")
    missing = [name for name in planned.required_variables if name not in known and name not in planned.generated_variables]
    if missing:
        setting = " ".join(f"{name}=…" for name in missing)
        raise InvalidInput(
            f"the app requires {', '.join(missing)}, and nothing sets {'it' if len(missing) == 1 else 'them'}",
            hint=f"`mooring config set {setting}`, or `mooring secret set NAME` for what nobody may see",
            where="app.json",
        )


def _numbered(parts: Parts, template: Release, artifact: Artifact, order: DeployOrder, deployment: Deployment) -> Release:
    environment = deployment.environment
    return msgspec.structs.replace(
        template,
        environment=environment,
        number=parts.memory.next_release_number(environment),
        artifact=artifact,
        source=order.origin,
        promotion=order.promotion,
        created_at=parts.clock.wall(),
        created_by=deployment.requested_by,
        description=deployment.description,
    )


def config_in_force(parts: Parts, environment: EnvironmentId) -> int:
    """The snapshot of what serves: a change of config that failed is not carried along. The newest one where nothing serves yet, else 0."""
    serving = parts.wanted(environment)
    if serving is not None:
        return serving.release.config_version
    return max((version.version for version in parts.memory.config_versions(environment)), default=0)


def _copy(parts: Parts, release: Release, *, at: float, config: int, what: str) -> Release:
    number = parts.memory.next_release_number(release.environment)
    return msgspec.structs.replace(release, number=number, config_version=config, promotion=None, created_at=at, description=what)


def _earlier(parts: Parts, environment: EnvironmentId, before: Wanted, number: int | None, *, at: float) -> Release:
    wished = number if number is not None else _last_good_before(parts, environment, before.release.number)
    release = parts.memory.release(environment, wished)
    if release is None:
        raise NotFound(f"{environment} has no release v{wished}", hint="`mooring releases` lists them")
    if release.number == before.release.number:
        raise UsageError(f"{release.version} is what runs now", hint="`mooring releases` lists the others")
    if not Path(release.artifact.directory).is_dir():
        raise NotFound(f"the artifact of {release.version} was pruned", hint="check out its commit and `mooring deploy` it again")
    return _copy(parts, release, at=at, config=release.config_version, what=f"rollback to {release.version}")


def _last_good_before(parts: Parts, environment: EnvironmentId, present: int) -> int:
    """The newest release below the present one that a deployment has brought to serve."""
    good = {
        deployment.target.release
        for deployment in parts.memory.deployments(environment, limit=500)
        if deployment.outcome is Outcome.SUCCEEDED and deployment.target is not None
    }
    earlier = [number for number in good if number < present]
    if not earlier:
        raise NotFound(f"{environment} has no earlier release that served", hint="`mooring releases` lists all")
    return max(earlier)


def _present(environment: EnvironmentId, before: Wanted | None) -> Wanted:
    if before is None:
        raise NotFound(f"{environment} runs nothing yet", hint="`mooring deploy` it first", where=str(environment))
    return before


def _check_counts(release: Release, counts: dict[str, int]) -> None:
    known = {str(process.name): process for process in release.processes}
    for name, count in counts.items():
        if name not in known:
            raise InvalidInput(f"there is no process type {name!r}", hint=f"{release.version} has {', '.join(known) or 'none'}")
        if count < 0:
            raise InvalidInput(f"{name}={count}: a count is 0 or more", hint=f"{name}=0 stops it")
        if known[name].is_single and count > 1:
            raise InvalidInput(f"{name}={count}: {name} is single and never runs twice", hint=f"use {name}=1 or {name}=0")
