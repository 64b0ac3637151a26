"""Wall times for people. Must not: read a clock; the present is an argument."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_STEPS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "m"))


def ago(at: float, *, now: float) -> str:
    """`12s`, `3m`, `5h`, `2d`: the largest unit alone; empty for an unknown time."""
    if not at:
        return ""
    seconds = max(now - at, 0.0)
    unit = next(((size, letter) for size, letter in _STEPS if seconds >= size), (1, "s"))
    return f"{int(seconds // unit[0])}{unit[1]}"


def clock_time(at: float, *, offset: timedelta) -> str:
    """`2026-11-21 08:39:03` at this offset from UTC; dashes for an unknown time."""
    if not at:
        return "-"
    try:
        return datetime.fromtimestamp(at, timezone(offset)).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "-"
