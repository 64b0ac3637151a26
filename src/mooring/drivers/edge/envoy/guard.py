"""Who gets to an app: one filter stands in every chain, asleep; an environment that asks for a password wakes it. Must not: know an app.

The filter is envoy.filters.http.basic_auth, which compares in constant time.
"""

from __future__ import annotations

from mooring.model.edge import Access

Json = dict[str, object]

GUARD = "mooring.guard"
_FILTER = "type.googleapis.com/envoy.extensions.filters.http.basic_auth.v3"
_NOBODY = "nobody:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="
UNGUARDED: Json = {GUARD: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}
"""By route: for everybody."""


def guard() -> Json:
    """The filter for all, which does nothing where no virtual host says whom it lets in."""
    config = {"@type": f"{_FILTER}.BasicAuth", "users": {"inline_string": _NOBODY}}
    return {"name": GUARD, "disabled": True, "typed_config": config}


def own_guard(access: Access) -> Json:
    """By virtual host: whom it lets in; empty for everybody."""
    if not access.user:
        return {}
    users = {"inline_string": f"{access.user}:{{SHA}}{access.digest}"}
    return {GUARD: {"@type": f"{_FILTER}.BasicAuthPerRoute", "users": users}}
