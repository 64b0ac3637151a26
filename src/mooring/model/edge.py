"""How the edge treats an environment's requests, whatever it routes. Must not: name a route or a proxy."""

from __future__ import annotations

import msgspec


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`hold`: seconds a request waits for a ready instance before the page; `request_timeout`: seconds for a whole request."""

    hold: float = 10.0
    request_timeout: float = 300.0
    max_request_bytes: int = 100_000_000
