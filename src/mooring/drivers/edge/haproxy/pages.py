"""What the edge itself answers, as maps from what a client accepts to a page: HAProxy chooses by looking up. Must not: word a page."""

from __future__ import annotations

from mooring.drivers.edge.pages import (
    BUSY,
    FAILED,
    HTML_TYPE,
    JSON_TYPE,
    NOT_FROM_HERE,
    NOT_UNDERSTOOD,
    PAGES,
    PASSWORD_WANTED,
    TIMED_OUT,
    TOO_LARGE,
    render_html,
    render_json,
)
from mooring.model.routing import Page

WANTS_HTML = r"(?i)\btext/html\b"
WANTS_JSON = r"(?i)\b(application|text)/([a-z0-9.-]+\+)?json\b"
TYPES = "types"  # the map of content types, beside the pages

NO_SUCH_APP = PAGES[Page.NO_SUCH_APP]
MAINTENANCE = PAGES[Page.MAINTENANCE]
WAITED_IN_VAIN = (PAGES[Page.STARTING], PAGES[Page.WAKING], PAGES[Page.NO_ROOM], PAGES[Page.CRASHED], BUSY)
OWN = (*PAGES.values(), BUSY, NOT_FROM_HERE, PASSWORD_WANTED, TOO_LARGE, FAILED, TIMED_OUT, NOT_UNDERSTOOD)


def page_maps() -> dict[str, str]:
    """The content of each map, by the kind of its message; a line each for whom prefers JSON, and for all others."""
    pages = {message.kind: _map(render_html(message), render_json(message)) for message in OWN}
    return {**pages, TYPES: _map(HTML_TYPE, JSON_TYPE)}


def _map(html: str, json: str) -> str:
    return "".join(f"{pattern} {text.strip()}\n" for pattern, text in ((WANTS_HTML, html), (WANTS_JSON, json), (".*", html)))
