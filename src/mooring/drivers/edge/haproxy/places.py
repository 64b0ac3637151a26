"""Which prepared backend a route has, and which server in it an instance: pure, so that a change is known before it is made.

A backend belongs to one route of one environment; its servers are places that instances take and leave. A place is taken again only when
nothing is in flight on it any more. Must not: write, or talk to HAProxy.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import msgspec

from mooring.drivers.edge.haproxy.maps import route_name
from mooring.model.routing import Endpoint, EndpointState, RouteTable

FEWEST = 2  # servers of a backend: an instance, and the one that takes its place


class Taken(msgspec.Struct, frozen=True):
    """By an instance: its slug and release, where it listens, whether it gets new requests."""

    instance: str
    release: int
    address: str
    port: int
    is_active: bool


class Backend(msgspec.Struct, frozen=True):
    """`route` empty: free. A server that is None is free."""

    route: str = ""
    servers: tuple[Taken | None, ...] = (None,) * FEWEST


Backends = tuple[Backend, ...]  # by their numbers


class Exhausted(Exception):
    """More routes than there are prepared backends."""


def backend_name(number: int) -> str:
    return f"b{number}"


def server_name(number: int, place: int) -> str:
    """Unique over all backends, since the access log knows servers by their names alone."""
    return f"{number}.{place}"


def placed(backends: Backends, slug: str, table: RouteTable | None, *, is_busy: Callable[[str], bool]) -> Backends:
    """With the environment's table as it is now; None: it has none any more. `is_busy` tells of a server's name. Raises Exhausted."""
    wanted = _endpoints(table) if table else {}
    found = list(backends)
    for number, backend in enumerate(backends):
        if backend.route.startswith(f"{slug}/"):
            endpoints = wanted.pop(backend.route, None)
            found[number] = _with(backend, number, endpoints or (), is_busy=is_busy)
            if endpoints is None:
                found[number] = msgspec.structs.replace(found[number], route="")
    for route, endpoints in wanted.items():
        free = next((number for number, backend in enumerate(found) if not backend.route), None)
        if free is None:
            raise Exhausted
        found[free] = _with(msgspec.structs.replace(found[free], route=route), free, endpoints, is_busy=is_busy)
    return tuple(found)


def placed_or_grown(backends: Backends, slug: str, table: RouteTable | None, *, is_busy: Callable[[str], bool]) -> tuple[Backends, bool]:
    """With twice as many backends, as often as needed, when there are too few; whether it was so."""
    known, is_grown = backends, False
    while True:
        try:
            return placed(known, slug, table, is_busy=is_busy), is_grown
        except Exhausted:
            known, is_grown = known + (Backend(),) * max(len(known), 1), True


def numbers_of(backends: Backends, slug: str) -> list[int]:
    """The backends of an environment."""
    return [number for number, backend in enumerate(backends) if backend.route.startswith(f"{slug}/")]


def free_numbers(backends: Backends, *, most: int) -> list[int]:
    """Those that would be taken next."""
    return list(islice((number for number, backend in enumerate(backends) if not backend.route), most))


def _endpoints(table: RouteTable) -> dict[str, tuple[Endpoint, ...]]:
    """Of each process type, each once."""
    found: dict[str, dict[str, Endpoint]] = {}
    for route in table.routes:
        known = found.setdefault(route_name(table.environment, route.process), {})
        known.update({endpoint.instance.slug: endpoint for endpoint in route.endpoints})
    return {name: tuple(known.values()) for name, known in found.items()}


def _with(backend: Backend, number: int, endpoints: tuple[Endpoint, ...], *, is_busy: Callable[[str], bool]) -> Backend:
    wanted = {(each.instance.slug, each.address, each.port): each for each in endpoints}
    servers: list[Taken | None] = []
    for server in backend.servers:
        still = wanted.pop((server.instance, server.address, server.port), None) if server else None
        servers.append(_taken(still) if still else None)
    for endpoint in wanted.values():
        place = next((place for place, server in enumerate(servers) if server is None and _is_free(backend, number, place, is_busy)), None)
        if place is None:
            servers.append(_taken(endpoint))
        else:
            servers[place] = _taken(endpoint)
    return msgspec.structs.replace(backend, servers=tuple(servers))


def _is_free(backend: Backend, number: int, place: int, is_busy: Callable[[str], bool]) -> bool:
    """Also not one that is left by this very change: it may be answering."""
    is_left = place < len(backend.servers) and backend.servers[place] is not None
    return not is_left and not is_busy(server_name(number, place))


def _taken(endpoint: Endpoint) -> Taken:
    key, is_active = endpoint.instance, endpoint.state is EndpointState.ACTIVE
    return Taken(key.slug, key.release, endpoint.address, endpoint.port, is_active)
