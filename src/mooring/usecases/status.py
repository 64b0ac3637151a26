"""What runs, what goes on, and how old that knowledge is. Must not: call anything serving that was not seen to be."""

from __future__ import annotations

import math

import msgspec

from mooring.engine.orders import Snapshot
from mooring.errors import DriverError, NotFound
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.health import Health
from mooring.model.host import FRESH
from mooring.model.records import EnvironmentRecord, Unowned
from mooring.model.release import Release
from mooring.planner.goal import Wanted, wanted_of
from mooring.usecases.answers import EnvironmentDetail, EnvironmentSummary, PlatformStatus
from mooring.usecases.borrowing import stands
from mooring.usecases.discretion import shown_release
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.state import BACKUP
from mooring.usecases.troubles import troubles

_NEVER = 1e9  # seconds; stands for "not looked at yet" in JSON, which has no infinity


async def platform_status(platform: Platform, actor: Actor) -> PlatformStatus:
    require(actor, Permission.SEE)
    unowned = await _unowned(platform)
    await platform.controller.edges.look_around()
    parts, summaries = await platform.parts(), await _summaries(platform)
    return PlatformStatus(
        version=platform.version,
        state_directory=str(platform.directory),
        started_at=platform.started_at,
        http_port=platform.edge.capabilities.http_port,
        https_port=platform.edge.capabilities.https_port,
        parts=parts,
        environments=_without_accessories(summaries),
        unowned=unowned,
        troubles=troubles(platform, parts, summaries),
        borrowed=tuple(stands(loan) for loan in platform.memory.loans()),
        backed_up_at=platform.memory.last_asked(BACKUP),
    )


async def environment_summaries(platform: Platform, actor: Actor) -> tuple[EnvironmentSummary, ...]:
    """In the order of their names."""
    require(actor, Permission.SEE)
    return _without_accessories(await _summaries(platform))


def _without_accessories(summaries: tuple[EnvironmentSummary, ...]) -> tuple[EnvironmentSummary, ...]:
    """`usecases.accessories` tells of those."""
    return tuple(each for each in summaries if each.environment.accessory is None)


async def _summaries(platform: Platform) -> tuple[EnvironmentSummary, ...]:
    found = []
    for record in platform.memory.environments():
        try:
            found.append(_summary(platform, record, await snapshot_of(platform, record.environment)))
        except NotFound:
            continue  # destroyed while the others were looked at
    return tuple(found)


async def environment_summary(platform: Platform, actor: Actor, environment: EnvironmentId) -> EnvironmentSummary:
    """Raises NotFound."""
    require(actor, Permission.SEE)
    return _summary(platform, platform.existing(environment), await snapshot_of(platform, environment))


async def environment_detail(platform: Platform, actor: Actor, environment: EnvironmentId) -> EnvironmentDetail:
    """Raises NotFound."""
    require(actor, Permission.SEE)
    record = platform.existing(environment)
    release = _release(platform, record)
    return EnvironmentDetail(
        record=record,
        release=shown_release(platform, release) if release is not None else None,
        snapshot=await snapshot_of(platform, environment),
        urls=_urls(platform, release),
        lock=platform.memory.lock(environment),
        deployment=active_deployment(platform, environment),
    )


async def _unowned(platform: Platform) -> tuple[Unowned, ...]:
    try:
        return await platform.controller.unowned()
    except DriverError:
        return ()


def active_deployment(platform: Platform, environment: EnvironmentId) -> Deployment | None:
    """The one under way, or the next of those that wait."""
    mine = [each for each in platform.memory.unfinished_deployments() if each.environment == environment]
    return next((each for each in mine if each.started_at is not None), mine[0] if mine else None)


def sleeps(platform: Platform, environment: EnvironmentId) -> bool:
    """An accessory does with its app."""
    home = platform.memory.environment(environment.home)
    return home is not None and home.is_asleep


def _summary(platform: Platform, record: EnvironmentRecord, snapshot: Snapshot) -> EnvironmentSummary:
    release = _release(platform, record)
    is_asleep = sleeps(platform, record.environment)
    wanted = None if is_asleep else _wanted(record, release)
    active = active_deployment(platform, record.environment)
    keys = set(wanted.instances()) if wanted else set()
    ready = [view.key for view in snapshot.instances if view.health is Health.READY]
    routed = {process.name for process in release.processes if process.is_routed} if release else set()
    serving = [key for key in ready if not routed or key.process in routed]
    return EnvironmentSummary(
        environment=record.environment,
        release=release.number if release else 0,
        ready=len(keys.intersection(ready)),
        desired=len(keys),
        is_maintenance=record.is_maintenance,
        is_asleep=is_asleep,
        is_locked=platform.memory.lock(record.environment) is not None,
        is_serving=bool(serving) and snapshot.age <= FRESH and not record.is_maintenance,
        deployment=active.id if active else "",
        age=snapshot.age,
        urls=_urls(platform, release),
    )


async def snapshot_of(platform: Platform, environment: EnvironmentId) -> Snapshot:
    """What was last seen, as JSON can say its age. Raises NotFound."""
    snapshot = await platform.controller.snapshot(environment)
    return snapshot if math.isfinite(snapshot.age) else msgspec.structs.replace(snapshot, age=_NEVER)


def _release(platform: Platform, record: EnvironmentRecord) -> Release | None:
    return platform.memory.release(record.environment, record.revision.release) if record.revision else None


def _wanted(record: EnvironmentRecord, release: Release | None) -> Wanted | None:
    if record.revision is None or release is None:
        return None
    return wanted_of(record.revision, release)


def _urls(platform: Platform, release: Release | None) -> tuple[str, ...]:
    is_routed = release is not None and any(process.is_routed for process in release.processes)
    return tuple(platform.edge.url(name) for name in release.hostnames) if release is not None and is_routed else ()
