"""What a window's requests came to: served, failed by the app, failed by the edge, broken off. Must not: read files.

Envoy marks each request that did not go its ordinary way with response flags; source: envoyproxy.io, "Access logging", RESPONSE_FLAGS.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence

from mooring.drivers.edge.envoy.access_log import WAITING_ROOM, Line
from mooring.drivers.edge.envoy.settings import STREAMS
from mooring.model.routing import Broken, Traffic

SHOWN_FAILURES = 10
LOOK_EVERY = 0.05  # seconds; as the attendant's waiting room does


class Fate(enum.Enum):
    SERVED = "served"
    APP_ERROR = "app error"
    EDGE_ERROR = "edge error"
    RESET = "reset"
    STREAM_ENDED = "stream ended"
    CANCELLED = "cancelled"


_REASONS = {
    "UF": "the instance did not accept the connection",
    "UH": "no instance was known",
    "UO": "too many requests were waiting for the instance",
    "UC": "the instance closed the connection before it answered",
    "UR": "the instance reset the connection",
    "UT": "the instance did not answer in time",
    "SI": "nothing was sent for too long",
    "NC": "the route led nowhere",
    "UPE": "the instance's answer was no HTTP",
    "URX": "no instance accepted the connection after several attempts",
    "LR": "the edge broke off the connection to the instance",
    "OM": "the edge is overloaded",
}


_BROKEN_OFF = frozenset({"UC", "UR", "UPE"})


def summarize(lines: Sequence[Line]) -> Traffic:
    fates = [(line, fate_of(line)) for line in lines]
    count = Counter(fate for _, fate in fates)
    answered = sorted(line.seconds for line, fate in fates if fate in (Fate.SERVED, Fate.APP_ERROR) and not _is_stream(line))
    slowest = max((line for line, fate in fates if fate is not Fate.CANCELLED and not _is_stream(line)), key=_seconds, default=None)
    failures = [_sentence(line) for line, fate in fates if fate in (Fate.EDGE_ERROR, Fate.RESET)]
    releases = Counter(line.release for line in lines if line.release)
    return Traffic(
        requests=len(lines),
        bytes_sent=sum(line.sent for line in lines),
        app_errors=count[Fate.APP_ERROR],
        edge_errors=count[Fate.EDGE_ERROR],
        resets=count[Fate.RESET],
        held=sum(1 for line, fate in fates if fate in (Fate.SERVED, Fate.APP_ERROR) and _was_held(line)),
        cancelled=count[Fate.CANCELLED],
        streams_ended=count[Fate.STREAM_ENDED],
        slowest=slowest.seconds if slowest else 0.0,
        slowest_path=slowest.path or "" if slowest else "",
        p50=_percentile(answered, 0.50),
        p99=_percentile(answered, 0.99),
        by_release=dict(sorted(releases.items())),
        broken=_broken([line for line, fate in fates if fate in (Fate.EDGE_ERROR, Fate.RESET) and _is_broken_off(line)]),
        failures=tuple(failures[:SHOWN_FAILURES]),
    )


def fate_of(line: Line) -> Fate:
    """What became of a request; the client's own leaving is no failure, nor is a stream that ends with its instance."""
    flags = set((line.flags or "").split(","))
    if flags & {"DC", "DR"} or line.status in (None, 0, 499):
        return Fate.CANCELLED
    if _is_by_instance(line):
        if flags & _BROKEN_OFF or (line.details or "").startswith("upstream_reset"):
            return Fate.EDGE_ERROR if not _had_begun(line) else Fate.STREAM_ENDED if _is_stream(line) else Fate.RESET
        if line.status in (502, 503, 504) and flags & _REASONS.keys():
            return Fate.EDGE_ERROR
        return Fate.APP_ERROR if (line.status or 0) >= 500 else Fate.SERVED
    return Fate.EDGE_ERROR if line.status in (500, 502, 503, 504) and not _is_direct(line) else Fate.SERVED


def _is_by_instance(line: Line) -> bool:
    return bool(line.instance) and line.instance != WAITING_ROOM


def _is_broken_off(line: Line) -> bool:
    """By the instance: it had taken the request. Not one that could not be reached, was too slow, or that the edge gave up."""
    return bool(_BROKEN_OFF & set((line.flags or "").split(",")))


def _broken(lines: Sequence[Line]) -> dict[str, Broken]:
    counts = Counter(line.instance or "" for line in lines)
    return {slug: Broken(count, max(line.end for line in lines if line.instance == slug)) for slug, count in sorted(counts.items())}


def _had_begun(line: Line) -> bool:
    """The answer's first bytes had been sent when it broke off: then its status is the app's own."""
    return "after_response_started" in (line.details or "")


def _is_direct(line: Line) -> bool:
    """Maintenance, no such app, too large: the route says so itself, and that is no failure."""
    return line.details == "direct_response"


def _is_stream(line: Line) -> bool:
    """A WebSocket or an event stream: its duration is its life, not its latency."""
    return (line.cluster or "").startswith(STREAMS)


def _was_held(line: Line) -> bool:
    """Sent more than once, and not at once: the waiting room looks for an instance at intervals of this length."""
    return (line.attempts or 0) > 1 and (line.waited_us or 0) >= LOOK_EVERY * 1_000_000


def _seconds(line: Line) -> float:
    return line.seconds


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _sentence(line: Line) -> str:
    flag = next((flag for flag in (line.flags or "").split(",") if flag in _REASONS), "")
    reason = _REASONS.get(flag, "no instance was ready in time" if line.instance == WAITING_ROOM else line.details or "unknown")
    if _had_begun(line):
        reason = "the instance closed the connection in the middle of its answer"
    where = f" ({line.instance})" if _is_by_instance(line) else ""
    return f"{line.method} {line.path}: {line.status} after {line.seconds:.2f}s: {reason}{where}"
