"""How Envoy treats every connection and request, whichever app it is for: cleaning, limits, compression, logging. Must not: route."""

from __future__ import annotations

import msgspec

from mooring.drivers.edge.envoy.access_log import logger
from mooring.drivers.edge.envoy.bodies import body_limit
from mooring.drivers.edge.envoy.guard import guards
from mooring.drivers.edge.envoy.local_replies import local_replies
from mooring.drivers.edge.envoy.settings import Layout

Json = dict[str, object]

COMPRESSED_TYPES = [
    "text/html",
    "text/plain",
    "text/css",
    "text/javascript",
    "text/xml",
    "text/csv",
    "text/markdown",
    "application/javascript",
    "application/json",
    "application/problem+json",
    "application/ld+json",
    "application/manifest+json",
    "application/xml",
    "application/xhtml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "application/wasm",
    "image/svg+xml",
    "font/ttf",
    "font/otf",
]
HTTPS_ONLY = "mooring.https_only"  # the filter that changes answers by HTTPS: routes say how
UNTRUSTED_PREFIXES = ("x-mooring-", "x-envoy-", "x-forwarded-")
UNTRUSTED = ("forwarded", "x-real-ip", "proxy")


def connection_manager(layout: Layout, *, codec: str, is_secure: bool) -> Json:
    """Envoy's HTTP connection manager. `codec` is AUTO (HTTP/1 and 2) or HTTP3."""
    config: Json = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "codec_type": codec,
        "stat_prefix": "edge",
        "rds": {"route_config_name": "apps", "config_source": _watched_routes(layout)},
        "http_filters": [
            *_https_only(is_secure=is_secure),
            *guards(),
            body_limit(),
            _compressor("gzip"),
            _compressor("zstd"),
            _router(),
        ],
        "access_log": [logger(layout.access_log)],
        "local_reply_config": local_replies(),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        **_cleaning(),
        **_limits(),
    }
    if codec == "HTTP3":
        config["http3_protocol_options"] = {}
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def _watched_routes(layout: Layout) -> Json:
    path = layout.routes
    return {"path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}}, "initial_fetch_timeout": "2s"}


def _cleaning() -> Json:
    """What clients say about themselves is replaced by what is known; one spelling of each path reaches the app."""
    return {
        "use_remote_address": True,
        "skip_xff_append": True,  # Envoy would write its own address for a client on loopback; the routes file adds the true one
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        "early_header_mutation_extensions": [_distrust()],
        "normalize_path": True,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "strip_trailing_host_dot": True,
        "server_name": "mooring",
        "server_header_transformation": "APPEND_IF_ABSENT",
        "http_protocol_options": {"accept_http_10": True},
    }


def _limits() -> Json:
    """Time and size limits of a connection. How long an app may take is the route's own limit."""
    return {
        "request_headers_timeout": "15s",
        "stream_idle_timeout": "300s",
        "drain_timeout": "5s",
        "max_request_headers_kb": 60,
        "common_http_protocol_options": {
            "idle_timeout": "900s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 262_144,
            "initial_connection_window_size": 1_048_576,
        },
    }


def _distrust() -> Json:
    prefixes = [{"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}} for prefix in UNTRUSTED_PREFIXES]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [*prefixes, *({"remove": name} for name in UNTRUSTED)],
        },
    }


def _https_only(*, is_secure: bool) -> list[Json]:
    """By itself it changes nothing."""
    if not is_secure:
        return []
    kind = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    return [{"name": HTTPS_ONLY, "typed_config": {"@type": kind}}]


def _compressor(name: str) -> Json:
    library: Json = {"@type": f"type.googleapis.com/envoy.extensions.compression.{name}.compressor.v3.{name.capitalize()}"}
    if name == "gzip":
        library.update({"memory_level": 5, "window_bits": 15, "compression_level": "COMPRESSION_LEVEL_4", "chunk_size": 16_384})
    else:
        library.update({"compression_level": 3, "chunk_size": 16_384})
    return {
        "name": f"envoy.filters.http.compressor.{name}",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
            "response_direction_config": {"common_config": {"min_content_length": 512, "content_type": COMPRESSED_TYPES}},
            "compressor_library": {"name": name, "typed_config": library},
            "choose_first": name == "zstd",
        },
    }


def _router() -> Json:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }


def encoded(config: Json) -> msgspec.Raw:
    """Encoded once, to be put into many filter chains."""
    return msgspec.Raw(msgspec.json.encode(config))
