"""Who gets to an app: two filters stand in every chain, asleep; an environment that is not for everybody wakes them. Must not: know an app.

They are envoy.filters.http.rbac, by the address that connects, and envoy.filters.http.basic_auth, which compares in constant time.
"""

from __future__ import annotations

from collections.abc import Sequence

from mooring.model.edge import Access

Json = dict[str, object]

GUARD, FENCE = "mooring.guard", "mooring.fence"
_FILTER = "type.googleapis.com/envoy.extensions.filters.http.basic_auth.v3"
_NOBODY = "nobody:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="
_RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3"
_ASLEEP: Json = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
UNGUARDED: Json = {FENCE: _ASLEEP, GUARD: _ASLEEP}
"""By route: for everybody."""


def guards() -> list[Json]:
    """The filters for all, which do nothing where no virtual host says whom it lets in."""
    fence = {"name": FENCE, "disabled": True, "typed_config": {"@type": f"{_RBAC}.RBAC"}}
    config = {"@type": f"{_FILTER}.BasicAuth", "users": {"inline_string": _NOBODY}}
    return [fence, {"name": GUARD, "disabled": True, "typed_config": config}]


def own_guards(access: Access) -> Json:
    """By virtual host: whom it lets in; empty for everybody."""
    users = {"inline_string": f"{access.user}:{{SHA}}{access.digest}"}
    guard = {GUARD: {"@type": f"{_FILTER}.BasicAuthPerRoute", "users": users}} if access.user else {}
    fence = {FENCE: {"@type": f"{_RBAC}.RBACPerRoute", "rbac": {"rules": _only_from(access.networks)}}} if access.networks else {}
    return {**fence, **guard}


def _only_from(networks: Sequence[str]) -> Json:
    """By who connects to the edge: not by what a request says."""
    ranges = [each.split("/") for each in networks]
    near = [{"direct_remote_ip": {"address_prefix": address, "prefix_len": int(bits)}} for address, bits in ranges]
    return {"action": "ALLOW", "policies": {"near": {"permissions": [{"any": True}], "principals": near}}}
