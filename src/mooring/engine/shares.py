"""The share of a table that one edge of many takes, and what many edges do together: pure. Must not: look, or act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from mooring.model.names import HostId
from mooring.model.routing import Broken, Endpoint, EndpointState, PathRoute, RouteTable, RouteView, Traffic
from mooring.planner.routes import active_keys, routed_keys

_SHOWN_FAILURES = 10


def share(table: RouteTable, hosts: frozenset[HostId]) -> RouteTable:
    """The same, with only the instances that run on these hosts."""
    return msgspec.structs.replace(table, routes=tuple(_share(route, hosts) for route in table.routes))


def carries(table: RouteTable, hosts: frozenset[HostId]) -> bool:
    """Whether an instance on one of these hosts is routed."""
    return any(key.host in hosts for key in routed_keys(table))


def is_switch(before: RouteTable | None, after: RouteTable) -> bool:
    """Whether instances of a release, or of a generation of it, are to serve of which none was routed; not where nothing was."""
    known = {(key.release, key.generation) for key in routed_keys(before)}
    return bool(known) and any((key.release, key.generation) not in known for key in active_keys(after))


def taken(table: RouteTable, before: RouteView | None) -> RouteView:
    """An edge that has just taken this table, and has not been looked at since. `before`: how it was last seen.

    What it has in flight to those that drain it has to say: until then each has a request, and the streams that it had.
    """
    draining = {key.slug for key in routed_keys(table) - active_keys(table)}
    requests, streams = (before.in_flight, before.streams) if before else ({}, {})
    return RouteView(
        table=table,
        in_flight={slug: max(1, requests.get(slug, 0)) for slug in sorted(draining)},
        streams={slug: count for slug, count in streams.items() if slug in draining},
    )


def joined(views: Sequence[RouteView], *, is_agreed: bool, is_acknowledged: bool) -> RouteView:
    """Of one environment, the controller's own first. Where they do not agree, who gets requests from any of them counts as active."""
    flying: Counter[str] = Counter()
    streams: Counter[str] = Counter()
    for view in views:
        flying.update(view.in_flight)
        streams.update(view.streams)
    table = views[0].table if is_agreed else _union([view.table for view in views])
    return RouteView(table=table, in_flight=dict(flying), streams=dict(streams), is_acknowledged=is_acknowledged, is_agreed=is_agreed)


def summed(parts: Sequence[Traffic]) -> Traffic:
    """Counts are added; times are those of the slowest edge, since percentiles cannot be."""
    slowest = max(parts, key=lambda part: part.slowest)
    releases: Counter[str] = Counter()
    for part in parts:
        releases.update(part.by_release)
    return Traffic(
        requests=sum(part.requests for part in parts),
        bytes_sent=sum(part.bytes_sent for part in parts),
        app_errors=sum(part.app_errors for part in parts),
        edge_errors=sum(part.edge_errors for part in parts),
        resets=sum(part.resets for part in parts),
        held=sum(part.held for part in parts),
        cancelled=sum(part.cancelled for part in parts),
        streams_ended=sum(part.streams_ended for part in parts),
        slowest=slowest.slowest,
        slowest_path=slowest.slowest_path,
        p50=max(part.p50 for part in parts),
        p99=max(part.p99 for part in parts),
        last_at=max(part.last_at for part in parts),
        by_release=dict(sorted(releases.items())),
        broken=_broken(parts),
        failures=tuple(failure for part in parts for failure in part.failures)[:_SHOWN_FAILURES],
    )


def _share(route: PathRoute, hosts: frozenset[HostId]) -> PathRoute:
    return msgspec.structs.replace(route, endpoints=tuple(end for end in route.endpoints if end.instance.host in hosts))


def _union(tables: Sequence[RouteTable]) -> RouteTable:
    """The first, with all endpoints of all of them."""
    found: dict[tuple[str, str], PathRoute] = {}
    for table in tables:
        for route in table.routes:
            known = found.get((route.path, route.process), msgspec.structs.replace(route, endpoints=()))
            ends = {end.instance: end for end in known.endpoints}
            for end in route.endpoints:
                ends[end.instance] = _rather(ends.get(end.instance), end)
            found[route.path, route.process] = msgspec.structs.replace(known, endpoints=tuple(ends.values()))
    return msgspec.structs.replace(tables[0], routes=tuple(found.values()))


def _rather(known: Endpoint | None, other: Endpoint) -> Endpoint:
    return known if known is not None and (known.state is EndpointState.ACTIVE or other.state is not EndpointState.ACTIVE) else other


def _broken(parts: Sequence[Traffic]) -> dict[str, Broken]:
    found: dict[str, Broken] = {}
    for part in parts:
        for slug, broken in part.broken.items():
            known = found.get(slug, Broken(0, 0.0))
            found[slug] = Broken(known.count + broken.count, max(known.last_at, broken.last_at))
    return found
