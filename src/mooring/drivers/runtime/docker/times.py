"""The engine's times, and how long it waits before it starts anew what died. Must not: read a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(r"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 60.0  # seconds. Source: moby, restartmanager: doubled after each short life


def seconds(text: str) -> float:
    """Wall seconds of `2026-11-21T16:27:47.161890781Z`; 0.0 of the engine's `never`, and of what is no time."""
    match = _TIME.match(text)
    if match is None or text.startswith("0001-"):
        return 0.0
    whole, fraction, zone = match.groups()
    at = datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp() + float(fraction or 0)
    return at if zone == "Z" else at - _offset(zone)


def wait_before(restart: int) -> float:
    """Seconds before the `restart`th start after the first."""
    return float(min(_FIRST_WAIT * 2 ** min(max(restart - 1, 0), 20), _LONGEST_WAIT))


def _offset(zone: str) -> float:
    sign = 1 if zone[0] == "+" else -1
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
