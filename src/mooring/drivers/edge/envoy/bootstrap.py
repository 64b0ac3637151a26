"""What Envoy is started with and never changes: the admin socket, the endpoint clusters, where to watch for the rest.

Must not: hold anything of an app.
"""

from __future__ import annotations

from mooring.drivers.edge.envoy.settings import EnvoySettings, Layout
from mooring.drivers.edge.envoy.shards import clusters
from mooring.drivers.edge.envoy.tls import ATTENDANT

Json = dict[str, object]

# Only what acknowledging needs: each statistic of each cluster costs memory, and time when they are read.
KEPT_STATISTICS = (
    r"cluster\.(apps|streams)-[0-9]+\.(version_text|update_rejected|update_failure)",
    r"http\.edge\.rds\.apps\.(version_text|update_rejected|update_failure)",
    r"listener_manager\.(lds\.(version_text|update_rejected|update_failure)|total_listeners_(warming|active)|listener_create_failure)",
    r"http\.edge\.(downstream_cx_active|downstream_rq_active|downstream_cx_destroy|downstream_cx_overflow)",
    r"server\.(live|state|uptime|memory_allocated)",
)


def bootstrap(settings: EnvoySettings, layout: Layout, *, token: str) -> Json:
    path = layout.listeners
    return {
        "node": {"id": "mooring-edge", "cluster": "mooring"},
        "admin": {"address": {"pipe": {"path": str(layout.admin_socket), "mode": 0o600}}},
        "static_resources": {"clusters": [*clusters(layout, token=token), _attendant(layout)]},
        "dynamic_resources": {"lds_config": {"path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}}}},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [_pattern(each) for each in KEPT_STATISTICS]}}},
        "overload_manager": _overload(settings),
    }


def _attendant(layout: Layout) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(layout.certificate_socket)}}}}
    return {
        "name": ATTENDANT,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": ATTENDANT, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _pattern(regex: str) -> Json:
    return {"safe_regex": {"regex": regex}}


def _overload(settings: EnvoySettings) -> Json:
    name = "envoy.resource_monitors.global_downstream_max_connections"
    kind = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    config = {"@type": f"type.googleapis.com/{kind}", "max_active_downstream_connections": settings.max_connections}
    return {"resource_monitors": [{"name": name, "typed_config": config}]}
