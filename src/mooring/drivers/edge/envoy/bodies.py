"""How large a request's body may be, declared or not: counted as it passes, never kept. Must not: know an app.

One filter with the default limit stands in every connection's chain; an environment with a limit of its own says so on its virtual host.
"""

from __future__ import annotations

from mooring.model.edge import EdgeSettings

Json = dict[str, object]

BODY_LIMIT = "mooring.body_limit"
DEFAULT = EdgeSettings().max_request_bytes
CHAIN = "type.googleapis.com/envoy.extensions.filters.http.filter_chain.v3"


def body_limit() -> Json:
    """The filter for all; Envoy cannot change the limiting filter itself by route, but a chain that has only this filter."""
    chain = {"@type": f"{CHAIN}.FilterChainConfig", "default_filter_chain": _limited(DEFAULT)}
    return {"name": BODY_LIMIT, "typed_config": chain}


def own_body_limit(most: int) -> Json:
    """What a virtual host says, by filter, when its limit of `most` bytes is not the default; else nothing."""
    if most == DEFAULT:
        return {}
    return {BODY_LIMIT: {"@type": f"{CHAIN}.FilterChainConfigPerRoute", "filter_chain": _limited(most)}}


def _limited(most: int) -> Json:
    limit = {"@type": "type.googleapis.com/envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit", "max_request_bytes": most}
    return {"filters": [{"name": "limit", "typed_config": limit}]}
