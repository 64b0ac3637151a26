"""Whose doing it was what became of a request: read from Envoy's own words for it. Must not: read files, or count.

Envoy marks each request that did not go its ordinary way with response flags; source: envoyproxy.io, "Access logging", RESPONSE_FLAGS.
"""

from __future__ import annotations

from mooring.drivers.edge.envoy.access_log import WAITING_ROOM, Line
from mooring.drivers.edge.envoy.settings import STREAMS
from mooring.drivers.edge.pages import PAGES
from mooring.drivers.edge.traffic import MIDDLE, NOBODY, Fate, Request
from mooring.model.routing import Page

HELD_FROM = 0.05  # seconds; less is the time that it takes to look

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


_MEANT = {str(PAGES[page].retry_after) for page in (Page.MAINTENANCE, Page.WAKING, Page.NO_ROOM)}
_BROKEN_OFF = frozenset({"UC", "UR", "UPE"})


def judged(line: Line) -> Request:
    return Request(
        end=line.end,
        seconds=line.seconds,
        method=line.method or "",
        path=line.path or "",
        status=line.status or 0,
        sent=line.sent,
        instance=line.instance or "" if _is_by_instance(line) else "",
        release=line.release,
        fate=fate_of(line),
        reason=_reason(line),
        is_stream=_is_stream(line),
        is_broken_off=_is_broken_off(line),
        was_held=_was_held(line),
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
    return Fate.EDGE_ERROR if line.status in (500, 502, 503, 504) and not _is_direct(line) and not _is_meant(line) else Fate.SERVED


def _is_by_instance(line: Line) -> bool:
    return bool(line.instance) and line.instance != WAITING_ROOM


def _is_broken_off(line: Line) -> bool:
    """By the instance: it had taken the request. Not one that could not be reached, was too slow, or that the edge gave up."""
    return bool(_BROKEN_OFF & set((line.flags or "").split(",")))


def _had_begun(line: Line) -> bool:
    """The answer's first bytes had been sent when it broke off: then its status is the app's own."""
    return "after_response_started" in (line.details or "")


def _is_direct(line: Line) -> bool:
    """Maintenance, no such app, too large: the route says so itself, and that is no failure."""
    return line.details == "direct_response"


def _is_meant(line: Line) -> bool:
    """A page of the waiting room that stands for no failure. By which it is, Envoy knows no more than when to ask again."""
    return line.instance == WAITING_ROOM and line.again in _MEANT


def _is_stream(line: Line) -> bool:
    """A WebSocket or an event stream: its duration is its life, not its latency."""
    return (line.cluster or "").startswith(STREAMS)


def _was_held(line: Line) -> bool:
    """Sent more than once, and not at once: the waiting room looks for an instance from time to time."""
    return (line.attempts or 0) > 1 and (line.waited_us or 0) >= HELD_FROM * 1_000_000


def _reason(line: Line) -> str:
    if _had_begun(line):
        return MIDDLE
    flag = next((flag for flag in (line.flags or "").split(",") if flag in _REASONS), "")
    return _REASONS.get(flag, NOBODY if line.instance == WAITING_ROOM else line.details or "unknown")
