"""Endpoints as Envoy reads them: one file per shard, in which every route of an environment is a subset of the shard's cluster.

Envoy opens one inotify instance per watched file, a user has 128 of them by default, and Envoy aborts when they are used up.
So 1,000 apps cannot have 1,000 endpoint files: they share a fixed number of clusters, and a route finds its own endpoints by metadata.

Priority 0 of a subset holds the app's instances, priority 1 the waiting room, which is chosen when no instance is active.

Two clusters read each file: one for requests, one for WebSockets and event streams. Envoy counts what is in flight by cluster and
upstream, and so both can be told apart where they drain.
Must not: write files, or know hostnames.
"""

from __future__ import annotations

from collections.abc import Iterable

from mooring.drivers.edge.envoy.access_log import WAITING_ROOM
from mooring.drivers.edge.envoy.retries import retry_policy
from mooring.drivers.edge.envoy.settings import SHARDS, Layout, shard_name, streams_name
from mooring.drivers.edge.silence import ASKED_AFTER, ASKED_EVERY, GONE_AFTER, TCP_LEVEL, TCP_USER_TIMEOUT
from mooring.model.environment import EnvironmentId
from mooring.model.names import ProcessName
from mooring.model.routing import Endpoint, EndpointState, RouteTable

Json = dict[str, object]

ANY_ONE_SERVES = 1_000_000  # percent: a single healthy endpoint takes all requests, however many others drain beside it
KEEP_IDLE = "1s"  # shorter than any app server's own keep-alive, so that it is Envoy who closes an idle connection
MANY = 1_000_000  # no circuit breaker: the apps of a shard must not use up each other's share


def route_name(environment: EnvironmentId, process: ProcessName) -> str:
    """The word that ties a route to its endpoints, and that stands in the access log."""
    return f"{environment.slug}/{process}"


def clusters(layout: Layout, *, token: str) -> list[Json]:
    """The shards' clusters: a part of the bootstrap, never changed."""
    return [_cluster(layout, shard, name, token=token) for shard in range(SHARDS) for name in (shard_name(shard), streams_name(shard))]


def assignment(shard: int, tables: Iterable[RouteTable], *, waiting_socket: str) -> Json:
    """The content of one endpoint file (without its version): the endpoints of these environments, and the waiting room."""
    known = list(tables)
    instances = [_lb_endpoint(route_name(owner, process), each) for owner, process, each in _endpoints(known)]
    names = sorted({route_name(table.environment, route.process) for table in known for route in table.routes})
    return {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": shard_name(shard),
        "policy": {"overprovisioning_factor": ANY_ONE_SERVES},
        "endpoints": [
            {"priority": 0, "lb_endpoints": instances},
            {"priority": 1, "lb_endpoints": [_waiting_room(names, waiting_socket)]},
        ],
    }


def _endpoints(tables: list[RouteTable]) -> list[tuple[EnvironmentId, ProcessName, Endpoint]]:
    """Each address once, those that serve first: a port that an old instance left may by now be another's."""
    every = [(table.environment, route.process, each) for table in tables for route in table.routes for each in route.endpoints]
    found: dict[tuple[str, int], tuple[EnvironmentId, ProcessName, Endpoint]] = {}
    for owner, process, endpoint in sorted(every, key=lambda each: each[2].state is not EndpointState.ACTIVE):
        found.setdefault((endpoint.address, endpoint.port), (owner, process, endpoint))
    return list(found.values())


def _lb_endpoint(route: str, endpoint: Endpoint) -> Json:
    state = "HEALTHY" if endpoint.state is EndpointState.ACTIVE else "DRAINING"
    return {
        "endpoint": {
            "hostname": endpoint.instance.slug,  # for the access log alone
            "address": {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}},
        },
        "health_status": state,
        "metadata": {"filter_metadata": {"envoy.lb": {"route": route}}},
    }


def _waiting_room(routes: list[str], socket: str) -> Json:
    return {
        "endpoint": {"hostname": WAITING_ROOM, "address": {"pipe": {"path": socket}}},
        "metadata": {"filter_metadata": {"envoy.lb": {"route": routes}, "mooring": {"edge": "no-instance"}}},
    }


def _given_up_after(seconds: int) -> Json:
    name = "what is not acknowledged"
    return {"description": name, "level": TCP_LEVEL, "name": TCP_USER_TIMEOUT, "int_value": seconds * 1000, "state": "STATE_PREBIND"}


def _cluster(layout: Layout, shard: int, name: str, *, token: str) -> Json:
    path = layout.endpoints(shard)
    source = {"path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}}, "initial_fetch_timeout": "2s"}
    limits = {"max_connections": MANY, "max_pending_requests": MANY, "max_requests": MANY, "max_retries": MANY}
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": source, "service_name": shard_name(shard)},
        "connect_timeout": "5s",
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": ASKED_AFTER, "keepalive_interval": ASKED_EVERY}},
        "upstream_bind_config": {"socket_options": [_given_up_after(GONE_AFTER)]},
        "lb_policy": "LEAST_REQUEST",
        "lb_subset_config": {"fallback_policy": "NO_FALLBACK", "subset_selectors": [{"keys": ["route"]}], "list_as_any": True},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **limits}]},
        "per_connection_buffer_limit_bytes": 131_072,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": KEEP_IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
                "retry_policy": retry_policy(token),
            }
        },
    }
