"""What is left of a review app that was taken down: looked for everywhere that it could have left something. Must not: remove it."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.drivers.runtime.contract import LogQuery
from mooring.model.access import Actor
from mooring.model.certificate import CertificateSource
from mooring.model.environment import EnvironmentId
from mooring.model.names import Hostname, ServerName, app_name, hostname, server_name
from mooring.model.review import branch_name, review_environment
from mooring.model.service import MADE_OF
from mooring.usecases.answers import Trace
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

_STILL_THERE = "it is not torn down"
_CERTIFICATE_STAYS = "an authority gives only so many: it serves again when the branch comes back, and goes when it runs out"
_SHARED = "another environment has it too"
_FRESH = "it was built or used a moment ago; it goes with the next pruning, within the hour"


async def traces(
    platform: Platform,
    actor: Actor,
    app: str,
    branch: str,
    *,
    hostnames: Iterable[str],
    artifacts: Iterable[str],
    servers: Iterable[str] = (),
) -> tuple[Trace, ...]:
    """A line for every kind of thing, whether something is left or not. `hostnames`, `artifacts` and `servers` are those that it had.

    Raises InvalidName, Forbidden, NotFound for a server that is none, and Unavailable or OutcomeUnknown where one could not look: what
    was not seen is not gone.
    """
    require(actor, Permission.SEE)
    environment = review_environment(app_name(app), branch_name(branch))
    names = frozenset(hostname(name) for name in hostnames)
    is_there = platform.memory.environment(environment) is not None
    reason = _STILL_THERE if is_there else ""
    views = await platform.runtime.observe()
    routed = await platform.edge.observe(environment)
    settings = tuple(f"version {each.version}" for each in platform.memory.config_versions(environment))
    releases = tuple(release.version for release in platform.memory.releases(environment))
    return (
        Trace(kind="instance", left=tuple(str(view.key) for view in views if view.key.environment == environment), reason=reason),
        Trace(kind="route", left=tuple(name for route in routed for name in route.table.hostnames), reason=reason),
        _certificates(platform, names),
        Trace(kind="service", left=_services(platform, environment), reason=reason),
        *await _on_servers(platform, environment, frozenset(map(server_name, servers)), reason=reason),
        Trace(kind="accessory", left=_accessories(platform, environment), reason=reason),
        Trace(kind="config", left=settings, reason=reason),
        Trace(kind="release", left=releases, reason=reason),
        await _artifacts(platform, frozenset(artifacts)),
        Trace(kind="log", left=await _logs(platform, environment), reason=reason),
    )


def _services(platform: Platform, environment: EnvironmentId) -> tuple[str, ...]:
    """What is on record: a piece's record goes when its server has let go of all of it."""
    records = platform.memory.services(environment)
    return tuple(f"{record.piece.service} ({record.kind.value} on {record.server})" for record in records)


async def _on_servers(platform: Platform, environment: EnvironmentId, names: frozenset[ServerName], *, reason: str) -> tuple[Trace, ...]:
    """What carries its mark there, by the servers' own word: a line for every kind of thing that they make."""
    left: dict[str, tuple[str, ...]] = {}
    for name in sorted(names):
        kind, owned = await platform.controller.services.on_server(name, environment)
        for what in MADE_OF[kind]:
            left[what] = left.get(what, ()) + tuple(f"{each.name} on {name}" for each in owned if each.what == what)
    return tuple(Trace(kind=what, left=found, reason=reason if found else "") for what, found in left.items())


def _accessories(platform: Platform, environment: EnvironmentId) -> tuple[str, ...]:
    """Each is an environment of its own, that goes with its volume."""
    known = (record.environment for record in platform.memory.environments())
    return tuple(str(each.accessory) for each in known if each.accessory and each.home == environment)


def _certificates(platform: Platform, names: frozenset[Hostname]) -> Trace:
    left = tuple(sorted(name for name in platform.memory.certificates(CertificateSource.ACME) if name in names))
    return Trace(kind="certificate", left=left, reason=_CERTIFICATE_STAYS if left else "")


async def _artifacts(platform: Platform, had: frozenset[str]) -> Trace:
    there = {name: is_wanted for name, is_wanted in (await platform.controller.artifacts()).items() if name in had}
    if not there:
        return Trace(kind="artifact")
    return Trace(kind="artifact", left=tuple(sorted(there)), reason=_SHARED if all(there.values()) else _FRESH)


async def _logs(platform: Platform, environment: EnvironmentId) -> tuple[str, ...]:
    lines = [f"{line.source} of v{line.release}" async for line in platform.runtime.logs(LogQuery(environment=environment, lines=1))]
    return tuple(dict.fromkeys(lines))
