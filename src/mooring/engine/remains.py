"""What is left of an environment when its destruction ends: looked for wherever it could have left something. Must not: remove it.

What it had is told by its releases, which are forgotten last of all, and by what was seen of its accessories at their own end: so a
controller that died over it, and is back, looks for the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from mooring.drivers.runtime.contract import LogQuery
from mooring.engine.accessories import records_of
from mooring.engine.kept import wanted_by
from mooring.engine.orders import DestroyOrder
from mooring.engine.parts import Parts
from mooring.errors import MooringError
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.instance import InstanceView, LogLine
from mooring.model.lease import Mark
from mooring.model.names import LOCAL, ArtifactId, HostId, Hostname
from mooring.model.service import MADE_OF, ServiceServer, ServiceWish
from mooring.model.trace import Trace, alarming

Said = TypeVar("Said")
CERTIFICATE_STAYS = "an authority gives only so many: it serves again when the branch comes back, and goes when it runs out"
SPARED = "it was built or used a moment ago, or something is being built: it goes with the next pruning, within the hour"
_SERVICES_STAY = "services go only where it is said: `mooring service rm` removes one"
_VOLUME_STAYS = "it was said that it stays"
_STRANGERS = "Mooring's list of what it pushed does not name it: it is somebody else's"
_LOOKS = 3  # where something is not as it should be
_BETWEEN = 1.0  # seconds
_LOG_WITHIN = 10.0  # seconds for the newest line of all hosts: one that is silent is not waited for as long as its line may hang


class Had(msgspec.Struct, frozen=True, kw_only=True):
    """All that its releases name, and `images`: those of the artifacts that are an image."""

    hostnames: frozenset[Hostname]
    artifacts: frozenset[ArtifactId]
    images: frozenset[ArtifactId]
    services: tuple[ServiceWish, ...]
    has_assets: bool


def had(parts: Parts, environment: EnvironmentId) -> Had:
    """By what is on record of it and its accessories."""
    releases = parts.memory.releases(environment)
    accessories = {environment.with_accessory(each.name) for release in releases for each in release.accessories}
    ends = [event for each in accessories if (event := parts.memory.newest_event(each, EventKind.TRACES)) is not None]
    artifacts = [release.artifact for release in releases]
    images = {each.id for each in artifacts if each.image}
    return Had(
        hostnames=frozenset(name for release in releases for name in release.hostnames),
        artifacts=frozenset(each.id for each in artifacts) | _ids(event.fields.get("artifacts") for event in ends),
        images=frozenset(images) | _ids(event.fields.get("images") for event in ends),
        services=tuple(wish for release in releases for wish in release.services),
        has_assets=any(release.assets is not None for release in releases),
    )


async def remains(parts: Parts, mark: Mark, order: DestroyOrder, known: Had) -> tuple[Trace, ...]:
    """A line for every kind of thing that it could have. What should not be there is looked for again: an answer may have been old."""
    found = await _looked(parts, mark, order, known)
    for _ in range(_LOOKS - 1):
        if not alarming(found):
            break
        await parts.clock.sleep(_BETWEEN)
        found = await _looked(parts, mark, order, known)
    return found


async def _looked(parts: Parts, mark: Mark, order: DestroyOrder, known: Had) -> tuple[Trace, ...]:
    environment = mark.environment
    certificates = tuple(sorted(name for name in parts.certified() if name in known.hostnames))
    accessories = tuple(str(record.environment) for record in records_of(parts.memory, environment).values())
    return (
        await _seen("instance", lambda: _instances(parts, environment)),
        await _seen("route", lambda: _routes(parts, environment)),
        Trace(kind="certificate", left=certificates, reason=CERTIFICATE_STAYS if certificates else ""),
        _services(parts, environment, order),
        *await _on_servers(parts, environment, order, known),
        Trace(kind="accessory", left=accessories),
        *await _on_hosts(parts, environment, order, known),
        *(await _assets(parts, mark) if known.has_assets else ()),
        await _seen("log", lambda: _logs(parts, environment)),
    )


async def _seen(kind: str, look: Callable[[], Awaitable[Trace]]) -> Trace:
    """What was not seen is not gone."""
    try:
        return await look()
    except (MooringError, OSError) as error:
        return Trace(kind=kind, unseen=str(error))


async def _instances(parts: Parts, environment: EnvironmentId) -> Trace:
    views, unseen = await _hosts_words(parts, parts.runtime.observe_on)
    last = [view for view in await parts.runtime.observe() if view.key.host not in views] if unseen else []
    seen_last = _keys(last, environment)
    return Trace(
        kind="instance",
        left=_keys([view for of_host in views.values() for view in of_host], environment),
        unseen=f"{unseen}; last seen: {', '.join(seen_last)}" if seen_last else unseen,
    )


def _keys(views: Iterable[InstanceView], environment: EnvironmentId) -> tuple[str, ...]:
    return tuple(str(view.key) for view in views if view.key.environment == environment)


async def _routes(parts: Parts, environment: EnvironmentId) -> Trace:
    """Of an edge that does not answer as it last was, and it is told that nobody knows."""
    routed = await parts.edge.observe(environment)
    unseen = "; ".join(f"{sight.host}: {sight.error}" for sight in parts.edge.sights() if sight.error)
    return Trace(kind="route", left=tuple(name for route in routed for name in route.table.hostnames), unseen=unseen)


async def _hosts_words(parts: Parts, ask: Callable[[HostId], Awaitable[Said]]) -> tuple[dict[HostId, Said], str]:
    """What every host says by itself, and which of them could not be asked and why, in words."""
    said, unseen = dict[HostId, Said](), list[str]()
    for host in parts.runtime.hosts():
        try:
            said[host] = await ask(host)
        except MooringError as error:
            unseen.append(f"{host}: {error.message}")
    return said, "; ".join(unseen)


def _services(parts: Parts, environment: EnvironmentId, order: DestroyOrder) -> Trace:
    """What is on record: a piece's record goes when its server has let go of all of it."""
    left = tuple(f"{each.piece.service} ({each.kind.value} on {each.server})" for each in parts.memory.services(environment))
    return Trace(kind="service", left=left, reason=_SERVICES_STAY if left and not order.services else "")


async def _on_servers(parts: Parts, environment: EnvironmentId, order: DestroyOrder, known: Had) -> tuple[Trace, ...]:
    """What carries its mark there, by the servers' own word: a line for every kind of thing that they make."""
    left: dict[str, tuple[str, ...]] = {}
    unseen: dict[str, str] = {}
    for server in _servers(parts, environment, known):
        try:
            owned = await parts.services.on_server(server.name, environment)
        except MooringError as error:
            owned = ()
            silent = f"{server.name}: {error}"
            unseen |= {what: f"{unseen[what]}; {silent}" if what in unseen else silent for what in MADE_OF[server.kind]}
        for what in MADE_OF[server.kind]:
            left[what] = left.get(what, ()) + tuple(f"{each.name} on {server.name}" for each in owned if each.what == what)
    return tuple(
        Trace(kind=what, left=names, reason=_SERVICES_STAY if names and not order.services else "", unseen=unseen.get(what, ""))
        for what, names in left.items()
    )


def _servers(parts: Parts, environment: EnvironmentId, known: Had) -> tuple[ServiceServer, ...]:
    """Those that its services can be on."""
    recorded = {record.server for record in parts.memory.services(environment)}
    return tuple(
        server
        for server in parts.memory.service_servers()
        if server.name in recorded or any(wish.kind is server.kind and wish.server in ("", server.name) for wish in known.services)
    )


async def _on_hosts(parts: Parts, environment: EnvironmentId, order: DestroyOrder, known: Had) -> tuple[Trace, ...]:
    """Volumes, artifacts and images on every host, by its own word; here also by that of the workshop and its builders."""
    places: dict[ArtifactId, tuple[str, ...]] = {}
    holdings, blind = await _hosts_words(parts, lambda host: parts.runtime.holdings_on(host, environment))
    volumes = [f"{name} on {host}" for host, held in holdings.items() for name in held.volumes]
    for host, held in holdings.items():
        for artifact in held.artifacts & known.artifacts:
            places[artifact] = (*places.get(artifact, ()), host)
    images = {name: hosts for name, hosts in places.items() if name in known.images}
    trees = {name: hosts for name, hosts in places.items() if name not in known.images}
    shelved = _Place("artifact", known.artifacts, parts.workshop.artifacts)
    kept = _Place("image", known.images, parts.workshop.images)
    return (
        Trace(kind="volume", left=tuple(volumes), reason=_VOLUME_STAYS if volumes and order.keeps_volume else "", unseen=blind),
        *await _built(parts, environment, shelved, trees, unseen=blind),
        *(await _built(parts, environment, kept, images, unseen=blind) if known.images else ()),
    )


class _Place(NamedTuple):
    """Where some of these may be on this machine: `there` says which are."""

    kind: str
    names: frozenset[ArtifactId]
    there: Callable[[], frozenset[str]]


async def _built(
    parts: Parts, environment: EnvironmentId, place: _Place, elsewhere: Mapping[ArtifactId, tuple[str, ...]], *, unseen: str
) -> tuple[Trace, ...]:
    """A line for each reason why one stays. `elsewhere`: by artifact, the hosts that have it."""
    try:
        here = await asyncio.to_thread(place.there)
    except (MooringError, OSError) as error:
        here, unseen = frozenset(), f"{LOCAL}: {error}{'; ' if unseen else ''}{unseen}"
    left: dict[str, tuple[str, ...]] = {}
    for name in sorted(place.names):
        hosts = (*((LOCAL,) if name in here else ()), *elsewhere.get(name, ()))
        users = wanted_by(parts, name, without=environment) if hosts else ()
        for host in hosts:
            reason = _why(parts, users, name, host)
            left[reason] = (*left.get(reason, ()), f"{name} on {host}")
    found = tuple(Trace(kind=place.kind, left=names, reason=reason) for reason, names in left.items())
    return (*found, Trace(kind=place.kind, unseen=unseen)) if unseen or not found else found


def _why(parts: Parts, users: tuple[EnvironmentId, ...], artifact: ArtifactId, host: str) -> str:
    """Empty where it should be gone."""
    if users:
        return f"used by {', '.join(map(str, users))}"
    return SPARED if host == LOCAL and parts.workshop.spares(artifact) else ""


async def _assets(parts: Parts, mark: Mark) -> tuple[Trace, ...]:
    try:
        own, others = await parts.assets.left(mark)
    except (MooringError, OSError) as error:
        return (Trace(kind="assets", unseen=str(error)),)
    return (Trace(kind="assets", left=own), *((Trace(kind="assets", left=others, reason=_STRANGERS),) if others else ()))


async def _logs(parts: Parts, environment: EnvironmentId) -> Trace:
    try:
        async with asyncio.timeout(_LOG_WITHIN):
            lines = [line async for line in parts.runtime.logs(LogQuery(environment=environment, lines=1))]
    except TimeoutError:
        return Trace(kind="log", unseen=f"not every host has told its lines within {_LOG_WITHIN:g} seconds")
    return Trace(
        kind="log",
        left=tuple(dict.fromkeys(f"{line.source} of v{line.release}" for line in lines if not _is_of_a_silent_host(line))),
        unseen="; ".join(dict.fromkeys(line.text for line in lines if _is_of_a_silent_host(line))),
    )


def _is_of_a_silent_host(line: LogLine) -> bool:
    """It stands for lines that could not be read."""
    return line.source == "mooring"


def _ids(named: Iterable[object]) -> frozenset[ArtifactId]:
    """Of lists as an event has them."""
    return frozenset(ArtifactId(str(name)) for names in named if isinstance(names, (list, tuple)) for name in names)
