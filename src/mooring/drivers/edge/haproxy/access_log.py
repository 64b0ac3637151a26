"""One line of JSON per request: what HAProxy is told to write, and whose doing it was what became of the request.

The path is written without its query string, and of the headers only the two named here: a log is no place for secrets.
A request that went through one of HAProxy's own rooms has a line of that room, which is read, and one of the door to it, which is not.
Source: haproxy.org, configuration manual 2.6, 8.5 "Session state at disconnection". Must not: read files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from mooring.drivers.edge.pages import BUSY, PAGES
from mooring.drivers.edge.traffic import MIDDLE, NOBODY, Fate, Request
from mooring.model.routing import Page

WAITING = "waiting"  # the server of every backend that leads to the waiting room
DOORS = frozenset({WAITING, "counting"})
LEFT = "left"  # instead of a page's kind: the client went away while it waited, and nobody reads an answer
HELD_FROM = 50  # milliseconds; less is the time that it takes to look

_FORMAT = (
    '\'{"at":"%[var(txn.at)]","end":%[date(0,us)],"route":"%[var(txn.value),field(2,|)]","method":"%HM","path":"%[var(txn.path),json(utf8s)]",'
    '"status":%ST,"sent":%B,"state":"%ts","server":"%s","instance":"%[srv_name,map_str({servers})]","edge":"%[var(txn.edge)]",'
    '"stream":"%[var(txn.is_stream)]","waited":"%[var(txn.waited)]","id":"%[var(txn.id),json(utf8s)]",'
    '"agent":"%[var(txn.agent),json(utf8s)]","peer":"%ci"}\''
)


def log_format(servers: Path) -> str:
    """As a word of HAProxy's configuration; `servers` is the map that tells which instance a server leads to."""
    return _FORMAT.replace("{servers}", str(servers))


_NONE = "-"  # what HAProxy writes for what is not there
_VAIN = {PAGES[Page.STARTING].kind, PAGES[Page.CRASHED].kind, BUSY.kind}
_MEANT = {PAGES[page].kind for page in (Page.MAINTENANCE, Page.WAKING, Page.NO_ROOM)}
_REASONS = {
    "SC": "the instance did not accept the connection",
    "sC": "the instance did not accept the connection in time",
    "SH": "the instance closed the connection before it answered",
    "sH": "the instance did not answer in time",
    "sD": "nothing was sent for too long",
    "PH": "the instance's answer was no HTTP",
    "RC": "the edge is overloaded",
}
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Line(msgspec.Struct, frozen=True):
    """A request that has ended. `at` and `end` in microseconds of the wall, `waited` in milliseconds."""

    at: str
    end_at: _Number = msgspec.field(name="end")
    route: str = _NONE
    method: str = ""
    path: str = ""
    status: int = 0
    sent: _Number = 0
    state: str = "--"
    server: str = ""
    instance: str = _NONE
    edge: str = _NONE
    stream: str = _NONE
    waited: str = _NONE
    agent: str = ""

    @property
    def start(self) -> float:
        return float(self.at) / 1_000_000

    @property
    def end(self) -> float:
        return self.end_at / 1_000_000


_line = msgspec.json.Decoder(Line)


def decode(raw: bytes) -> Line:
    """Raises msgspec.DecodeError, or ValueError for a line that stands for no request of its own."""
    line = _line.decode(raw)
    if line.server in DOORS and line.state != "SC":
        raise ValueError("the door to a room")
    return line


def judged(line: Line) -> Request:
    slug, _, release = line.instance.partition("|") if line.instance != _NONE else ("", "", "")
    is_stream = line.stream != _NONE
    fate = _fate(line, is_by_instance=bool(slug), is_stream=is_stream)
    return Request(
        end=line.end,
        seconds=max(line.end_at - float(line.at), 0.0) / 1_000_000,
        method=line.method,
        path=line.path,
        status=max(line.status, 0),
        sent=line.sent,
        instance=slug,
        release=release,
        fate=fate,
        reason=_reason(line, fate),
        is_stream=is_stream,
        is_broken_off=bool(slug) and line.state in ("SH", "PH", "SD"),
        was_held=line.waited.isascii() and line.waited.isdigit() and int(line.waited[:9]) >= HELD_FROM,
    )


def _fate(line: Line, *, is_by_instance: bool, is_stream: bool) -> Fate:
    if line.state[:1] in ("C", "c") or line.edge == LEFT:
        return Fate.CANCELLED
    if is_by_instance and line.edge == _NONE:
        if line.state[:1] in ("S", "s", "P") and line.state[1:] in ("D", "L"):
            return Fate.STREAM_ENDED if is_stream else Fate.RESET
        return Fate.APP_ERROR if line.status >= 500 else Fate.SERVED
    is_failure = line.edge in _VAIN or (line.edge not in _MEANT and line.status in (500, 502, 503, 504))
    return Fate.EDGE_ERROR if is_failure or (is_by_instance and line.status >= 500) else Fate.SERVED


def _reason(line: Line, fate: Fate) -> str:
    if fate is Fate.RESET and line.state == "SD":
        return MIDDLE
    return NOBODY if line.edge in _VAIN else _REASONS.get(line.state, f"unknown ({line.state})")
