"""What a window's requests came to: served, failed by the app, failed by the edge, broken off. Must not: read files, or know a proxy."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence

import msgspec

from mooring.model.routing import Broken, Traffic

SHOWN_FAILURES = 10
MIDDLE = "the instance closed the connection in the middle of its answer"
NOBODY = "no instance was ready in time"


class Fate(enum.Enum):
    SERVED = "served"
    APP_ERROR = "app error"
    EDGE_ERROR = "edge error"
    RESET = "reset"
    STREAM_ENDED = "stream ended"
    CANCELLED = "cancelled"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One that has ended. `end` in wall seconds; `instance` is the slug of the one that was given it, empty when none was.

    `reason` says why it failed, where it did. `is_stream`: a WebSocket or an event stream: its duration is its life, not its
    latency. `is_broken_off`: by the instance, which had taken it. `was_held`: it waited until an instance was there.
    """

    end: float
    seconds: float
    method: str
    path: str
    status: int
    sent: int
    instance: str
    release: str
    fate: Fate
    reason: str
    is_stream: bool
    is_broken_off: bool
    was_held: bool


def summarize(requests: Sequence[Request]) -> Traffic:
    count = Counter(each.fate for each in requests)
    answered = sorted(each.seconds for each in requests if each.fate in (Fate.SERVED, Fate.APP_ERROR) and not each.is_stream)
    timed = (each for each in requests if each.fate is not Fate.CANCELLED and not each.is_stream)
    slowest = max(timed, key=lambda each: each.seconds, default=None)
    failed = [each for each in requests if each.fate in (Fate.EDGE_ERROR, Fate.RESET)]
    releases = Counter(each.release for each in requests if each.release)
    return Traffic(
        requests=len(requests),
        bytes_sent=sum(each.sent for each in requests),
        app_errors=count[Fate.APP_ERROR],
        edge_errors=count[Fate.EDGE_ERROR],
        resets=count[Fate.RESET],
        held=sum(1 for each in requests if each.fate in (Fate.SERVED, Fate.APP_ERROR) and each.was_held),
        cancelled=count[Fate.CANCELLED],
        streams_ended=count[Fate.STREAM_ENDED],
        slowest=slowest.seconds if slowest else 0.0,
        slowest_path=slowest.path if slowest else "",
        p50=_percentile(answered, 0.50),
        p99=_percentile(answered, 0.99),
        last_at=max((each.end for each in requests if each.instance), default=0.0),
        by_release=dict(sorted(releases.items())),
        broken=_broken([each for each in failed if each.is_broken_off]),
        failures=tuple(_sentence(each) for each in failed[:SHOWN_FAILURES]),
    )


def _broken(requests: Sequence[Request]) -> dict[str, Broken]:
    counts = Counter(each.instance for each in requests)
    return {slug: Broken(count, max(each.end for each in requests if each.instance == slug)) for slug, count in sorted(counts.items())}


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _sentence(request: Request) -> str:
    where = f" ({request.instance})" if request.instance else ""
    return f"{request.method} {request.path}: {request.status} after {request.seconds:.2f}s: {request.reason}{where}"
