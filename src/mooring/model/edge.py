"""How the edge treats an app's requests. Must not: hold routes."""

from __future__ import annotations

import msgspec


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`hold`: seconds a request waits for a ready instance before a page answers. `request_timeout` in seconds, 0 for none."""

    hold: float = 10.0
    request_timeout: float = 300.0
    max_request_bytes: int = 100_000_000
