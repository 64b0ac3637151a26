"""Hostnames and paths as Envoy reads them: one virtual host per environment, all in one file. Must not: write it, or know endpoints.

A switch of releases does not touch this file: it changes only when hostnames, paths or settings do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mooring.drivers.edge.envoy.bodies import BODY_LIMIT, own_body_limit
from mooring.drivers.edge.envoy.guard import own_guards
from mooring.drivers.edge.envoy.local_replies import direct
from mooring.drivers.edge.envoy.retries import RETRY_HEADER
from mooring.drivers.edge.envoy.settings import shard_name, shard_of, streams_name
from mooring.drivers.edge.envoy.shards import route_name
from mooring.drivers.edge.pages import EDGE_HEADER, PAGES
from mooring.model.routing import Page, PathRoute, RouteTable

Json = dict[str, object]

ROUTE_HEADER = "x-mooring-route"  # to the waiting room: which route it waits for
KEPT_BODY = 1_048_576  # bytes of a request's body that are kept so that it can be sent again
UPGRADES: Json = {"name": "upgrade", "present_match": True}  # so HTTP/2's and HTTP/3's CONNECT look here too
WANTS_EVENTS: Json = {"name": "accept", "string_match": {"prefix": "text/event-stream", "ignore_case": True}}
UNBOUNDED: Json = {
    "typed_per_filter_config": {BODY_LIMIT: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}
}


def route_configuration(hosts: Iterable[msgspec.Raw]) -> Json:
    """The content of the routes file (without its version): these virtual hosts, and a page for every other hostname."""
    stranger = {"name": "no-such-app", "domains": ["*"], "routes": direct(PAGES[Page.NO_SUCH_APP], {"prefix": "/"}, name="-")}
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "apps",
        "virtual_hosts": [*hosts, stranger],
        "ignore_port_in_host_matching": True,
        "most_specific_header_mutations_wins": True,  # what an app says of the edge is removed before a route adds the edge's own word
        "max_direct_response_body_size_bytes": 16_384,
        "request_headers_to_add": [
            _set("x-forwarded-for", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            _set("x-forwarded-host", "%REQ(:AUTHORITY)%"),
            _set(ROUTE_HEADER, "%ROUTE_NAME%"),
        ],
        "request_headers_to_remove": ["x-envoy-external-address"],
        "response_headers_to_remove": [EDGE_HEADER, RETRY_HEADER],
        "response_headers_to_add": [_set(EDGE_HEADER, "%UPSTREAM_METADATA(mooring:edge)%")],
    }


def virtual_host(
    table: RouteTable, *, name: str, hostnames: Sequence[str], first: Sequence[Json] = (), filters: Json | None = None
) -> msgspec.Raw:
    """The environment's part of the routes file for some of its hostnames, encoded; `first` are routes that come before its own,
    `filters` settings of filters besides its own."""
    own = {**own_body_limit(table.max_request_bytes), **own_guards(table.access), **(filters or {})}
    host: Json = {
        "name": name,
        "domains": list(hostnames),
        "routes": [*first, *(_maintenance(table) if table.is_maintenance else _routes(table))],
        "request_body_buffer_limit": KEPT_BODY,
        **({"typed_per_filter_config": own} if own else {}),
        **({"request_headers_to_remove": ["authorization"]} if table.access.user else {}),
        **({} if table.access.is_indexed else {"response_headers_to_add": [_set("x-robots-tag", "noindex")]}),
    }
    return msgspec.Raw(msgspec.json.encode(host))


def _maintenance(table: RouteTable) -> list[Json]:
    return direct(PAGES[Page.MAINTENANCE], {"prefix": "/"}, name=f"{table.environment.slug}/")


def _routes(table: RouteTable) -> list[Json]:
    """The longest path first; what no path leads to is no part of the app."""
    longest_first = sorted(table.routes, key=lambda route: len(route.path), reverse=True)
    known = [each for route in longest_first for each in _path_routes(table, route)]
    rest = [] if any(route.path == "/" for route in table.routes) else direct(PAGES[Page.NO_SUCH_APP], {"prefix": "/"}, name="-")
    return [*known, *rest]


def _path_routes(table: RouteTable, route: PathRoute) -> list[Json]:
    """WebSockets, event streams, all else: the first two to a cluster of their own, and longer silent; WebSockets without a size."""
    shard = shard_of(table.environment)
    streams: Json = {"cluster": streams_name(shard), "idle_timeout": _silence(table, table.stream_idle_timeout)}
    requests: Json = {"cluster": shard_name(shard), "idle_timeout": _silence(table, table.request_timeout)}
    return [
        {**_route(table, route, streams, headers=[UPGRADES]), **UNBOUNDED},
        _route(table, route, streams, headers=[WANTS_EVENTS]),
        _route(table, route, requests),
    ]


def _route(table: RouteTable, route: PathRoute, action: Json, *, headers: Sequence[Json] = ()) -> Json:
    name = route_name(table.environment, route.process)
    place: Json = {"prefix": "/"} if route.path == "/" else {"path_separated_prefix": route.path.rstrip("/")}
    return {
        "name": name,
        "match": {**place, "headers": headers} if headers else place,
        "route": {
            **action,
            "metadata_match": {"filter_metadata": {"envoy.lb": {"route": name}}},
            "timeout": "0s",  # a long download is no failure; silence is
        },
    }


def _silence(table: RouteTable, limit: float) -> str:
    """How long nothing may pass, 0 for no limit. Envoy counts the time in the waiting room too, and does not begin anew after it."""
    return f"{limit + table.wakes_within if limit else 0:.3f}s"


def _set(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
