"""Accessories of an environment: each is an environment of its own, with its own keeper, deployments and journal, which no deploy of the
app touches. This says which there are, has those made that are missing, and knows where each listens. Must not: stop or change one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from mooring.engine.contract import Memory
from mooring.engine.orders import AccessoryOrder, DestroyOrder
from mooring.engine.parts import Parts
from mooring.errors import CapacityExceeded, InvalidInput, NotHealthy
from mooring.model.accessory import Accessory, Place
from mooring.model.build import BuildSettings
from mooring.model.deployment import Deployment, Outcome, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.host import Host
from mooring.model.names import LOCAL, AccessoryName, ArtifactId, DeploymentId, HostId
from mooring.model.records import EnvironmentRecord
from mooring.model.release import Artifact, Release, Source
from mooring.planner.accessories import (
    Condition,
    Judgement,
    Present,
    check_reachable,
    host_of,
    judged,
    missing,
    out_of_reach,
    release_of,
)
from mooring.planner.capacity import declared_by
from mooring.planner.goal import Current, Wanted
from mooring.planner.usage import Size

_LOOK_EVERY = 0.1  # seconds between two looks at a deployment that is waited for
_NEW_HOST = HostId("new")  # any that is none of those that there are
_NOT_MADE = Artifact(id=ArtifactId(""), builder="", reason="", directory="", size=0)


def records_of(memory: Memory, environment: EnvironmentId) -> dict[AccessoryName, EnvironmentRecord]:
    """What is remembered of the accessories of an environment, also of those that left nothing but a volume."""
    found = [record for record in memory.environments() if record.environment.home == environment]
    return {name: record for record in found if (name := record.environment.accessory) is not None}


def judgements(memory: Memory, environment: EnvironmentId, declared: tuple[Accessory, ...]) -> tuple[Judgement, ...]:
    """How what is declared stands to what there is."""
    return judged(declared, {name: present(memory, record) for name, record in records_of(memory, environment).items()})


def present(memory: Memory, record: EnvironmentRecord) -> Present:
    """One whose release is lost counts as one that never ran: it is made anew."""
    release = memory.release(record.environment, record.revision.release) if record.revision else None
    if record.revision is None or release is None:
        return Present(made_from=None)
    process = release.processes[0]
    count = record.revision.counts.get(process.name, process.count)
    return Present(made_from=release.accessories[0], is_stopped=count == 0)


async def provide(parts: Parts, wanted: Wanted, deployment: Deployment) -> None:
    """Before a deployment of the app goes on: what is missing is made and ready, and what there is can be reached.

    Raises NotHealthy where one does not come up, InvalidInput where one could not run or be reached, CapacityExceeded without room.
    """
    environment, declared = wanted.release.environment, wanted.release.accessories
    found = judgements(parts.memory, environment, declared)
    for each in found:
        if each.condition is not Condition.AS_DECLARED:
            parts.announcer.say(EventKind.BUILD_OUTPUT, environment=environment, deployment=deployment.id, line=each.reason)
    orders = {each.name: AccessoryOrder(accessory=each, beside=first_host(wanted)) for each in declared if each.name in missing(found)}
    coming = [_coming(parts, environment.with_accessory(name), order, deployment.requested_by) for name, order in orders.items()]
    ends = await asyncio.gather(*(ended(parts, each) for each in coming))
    for name, end in zip(orders, ends, strict=True):
        if end is None or end.outcome is not Outcome.SUCCEEDED:
            said = f"accessory {name} did not come up: {end.error if end else 'it was removed'}"
            if end is not None and end.error_code == CapacityExceeded.code:
                raise CapacityExceeded(said, hint=end.hint, where=str(environment))
            raise NotHealthy(said, hint=f"`mooring accessory logs {name}` shows what it said")
    check_reached(parts, wanted)


def _coming(parts: Parts, environment: EnvironmentId, order: AccessoryOrder, by: str) -> DeploymentId:
    """The order that an earlier controller gave and this deployment waited for, or a new one."""
    waiting = parts.unfinished(environment)
    return waiting[-1].id if waiting else parts.submit(environment, order, by).id


def first_host(wanted: Wanted) -> HostId:
    """Where the app is: of its first instance, or the local one where it has none."""
    return next(iter(wanted.hosts()), LOCAL)


def check_reached(parts: Parts, wanted: Wanted) -> None:
    """Raise InvalidInput where the app could not connect to one that there is."""
    runtimes = {host.name: host.runtime for host in parts.memory.hosts()}
    for name, place in _places(parts, wanted.release):
        check_reachable(name, place, wanted.hosts(), runtimes)


def cut_off(parts: Parts, release: Release) -> frozenset[HostId]:
    """Hosts on which the app could not connect to those of its accessories that there are."""
    runtimes = {host.name: host.runtime for host in parts.memory.hosts()}
    known = (LOCAL, *runtimes)
    return frozenset(host for _, place in _places(parts, release) for host in out_of_reach(place, known, runtimes))


def is_bound(parts: Parts, release: Release) -> bool:
    """Whether it could not connect to them from any host that may be added."""
    return any(out_of_reach(place, (_NEW_HOST,), {}) for _, place in _places(parts, release))


def _places(parts: Parts, release: Release) -> list[tuple[AccessoryName, Place]]:
    """Of those that it declares, where they are."""
    if not release.accessories:
        return []
    records = records_of(parts.memory, release.environment)
    found = [(each.name, records[each.name].place) for each in release.accessories if each.name in records]
    return [(name, place) for name, place in found if place is not None]


def sizes(parts: Parts, wanted: Wanted) -> tuple[Size, ...]:
    """Of those that there are where they are, whatever is declared now; of those that a deploy would make where it would."""
    environment = wanted.release.environment
    records = records_of(parts.memory, environment)
    there = {name: each for name, record in records.items() if (each := parts.wanted(record.environment)) is not None}
    found = [
        Size(name=name, memory=process.memory, checks=process.checks, hosts=each.hosts_of(process))
        for name, each in there.items()
        for process in each.release.processes
    ]
    for accessory in wanted.release.accessories:
        if accessory.name not in there:
            found.append(
                Size(name=accessory.name, memory=accessory.memory, checks=accessory.checks, hosts=(_likely_host(parts, accessory, wanted),))
            )
    return tuple(found)


def _likely_host(parts: Parts, accessory: Accessory, wanted: Wanted) -> HostId:
    """Where it cannot run anywhere, that is said when it is to be made."""
    beside = first_host(wanted)
    try:
        host = _host(parts, AccessoryOrder(accessory=accessory, beside=beside), None)
    except InvalidInput:
        return beside
    return host.name if host is not None else LOCAL


def check_makeable(parts: Parts, wanted: Wanted, found: Iterable[Judgement]) -> None:
    """Raise InvalidInput for one that a deploy would make and that could not run where it is declared."""
    names = missing(found)
    for accessory in wanted.release.accessories:
        if accessory.name in names:
            _host(parts, AccessoryOrder(accessory=accessory, beside=first_host(wanted)), None)


async def ended(parts: Parts, deployment: DeploymentId) -> Deployment | None:
    """Its record when it has ended; None where its environment went with it."""
    while (record := parts.memory.deployment(deployment)) is not None and record.outcome is None:
        await parts.clock.sleep(_LOOK_EVERY)
    return record


async def removed(parts: Parts, environment: EnvironmentId, *, by: str) -> str:
    """All accessories of an environment that is destroyed, with their volumes; in words what is left, empty where they are gone."""
    names = [record.environment for record in records_of(parts.memory, environment).values()]
    going = [_going(parts, name, by) for name in names]
    ends = await asyncio.gather(*(ended(parts, each) for each in going))
    said = {end.environment: end.error for end in ends if end is not None}
    left = [record.environment for record in records_of(parts.memory, environment).values()]
    return "; ".join(f"{name}: {said.get(name) or 'it is still there'}" for name in left)


def _going(parts: Parts, environment: EnvironmentId, by: str) -> DeploymentId:
    waiting = parts.unfinished(environment, trigger=Trigger.DESTROY)
    return waiting[-1].id if waiting else parts.submit(environment, DestroyOrder(), by).id


# the release of one


async def made(parts: Parts, order: AccessoryOrder, deployment: Deployment, before: Wanted | None) -> Release:
    """With its artifact, which for a command is an empty directory, and its secrets. Raises BuildFailed, InvalidInput, Unavailable."""
    accessory, environment = order.accessory, deployment.environment
    _host(parts, order, before)  # what could not run is not fetched

    def log(line: str) -> None:
        parts.announcer.say(EventKind.BUILD_OUTPUT, environment=environment, deployment=deployment.id, line=line)

    def chosen(builder: str, reason: str) -> None:
        parts.announcer.say(EventKind.BUILD_DETECTED, environment=environment, deployment=deployment.id, builder=builder, reason=reason)

    settings = BuildSettings(builder="image", image=accessory.image) if accessory.image else BuildSettings(builder="procfile")
    source = await asyncio.to_thread(parts.workshop.blank)
    try:
        artifact = await parts.workshop.build(source, settings, Source(digest=""), secrets={}, log=log, chosen=chosen)
    finally:
        await asyncio.to_thread(parts.workshop.discard, source)
    return _release(parts, order, environment, before, artifact=artifact, config=_with_secrets(parts, accessory, environment))


def planned(parts: Parts, order: AccessoryOrder, environment: EnvironmentId, before: Wanted | None) -> Release:
    """As it would be, without fetching anything. Raises InvalidInput."""
    return _release(parts, order, environment, before, artifact=_NOT_MADE, config=0)


def _release(
    parts: Parts, order: AccessoryOrder, environment: EnvironmentId, before: Wanted | None, *, artifact: Artifact, config: int
) -> Release:
    return release_of(
        order.accessory,
        environment,
        number=parts.memory.next_release_number(environment),
        artifact=artifact,
        host=_host(parts, order, before),
        config_version=config,
        at=parts.clock.wall(),
    )


def _host(parts: Parts, order: AccessoryOrder, before: Wanted | None) -> Host | None:
    """One that runs, or was stopped, stays where its release says."""
    hosts = parts.memory.hosts()
    pinned = [host for region in before.release.regions for host in region.hosts] if before else []
    present = (pinned[0] if pinned else LOCAL) if before else None
    load = declared_by(_all_wanted(parts), [host.name for host in hosts])
    return host_of(order.accessory, hosts, beside=order.beside, before=present, load=load)


def _all_wanted(parts: Parts) -> list[tuple[Wanted, Wanted | None]]:
    found = [parts.wanted(record.environment) for record in parts.memory.environments()]
    return [(each, None) for each in found if each is not None]


def _with_secrets(parts: Parts, accessory: Accessory, environment: EnvironmentId) -> int:
    """The snapshot with all its secrets: each is made up once, and kept as long as its volume is."""
    newest = max((each.version for each in parts.memory.config_versions(environment)), default=0)
    known = parts.memory.config(environment, newest)
    new = {str(name): parts.new_secret() for name in accessory.secrets if name not in known}
    if not new:
        return newest
    version = parts.memory.put_config(environment, changes=new, unset=frozenset(), by="mooring", at=parts.clock.wall())
    parts.secrets_changed(environment)
    return version


# where it listens


def place_of(parts: Parts, wanted: Wanted | None) -> Place | None:
    """Where it was last seen to listen; None where it does not run."""
    views = [parts.observer.view(key) for key in (wanted.instances() if wanted else ())]
    view = next((view for view in views if view is not None and view.port), None)
    return Place(host=view.key.host, address=view.address, port=view.port) if view is not None else None


def note_place(parts: Parts, record: EnvironmentRecord, current: Current) -> None:
    """It stays where it is, but where a stranger took its port meanwhile: then the app has to be told by a person."""
    view = next((view for view in current.instances if view.port), None)
    if record.place is None or view is None or record.revision is None or view.key.release != record.revision.release:
        return
    place = Place(host=view.key.host, address=view.address, port=view.port)
    if place != record.place:
        parts.memory.save_environment(msgspec.structs.replace(record, place=place))
        tell_of_move(parts, record, place)


def tell_of_move(parts: Parts, record: EnvironmentRecord, place: Place | None) -> None:
    """Where it did move: whoever knew it by another address has to begin anew."""
    if record.place is not None and place is not None and place != record.place:
        name, home = record.environment.accessory, record.environment.home
        message = f"accessory {name} listens at {place.address}:{place.port} now: `mooring restart` tells the app"
        parts.announcer.say(EventKind.ENVIRONMENT_CHANGED, environment=home, what="accessory", message=message)
