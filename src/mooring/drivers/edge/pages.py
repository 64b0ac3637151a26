"""What the edge itself says to a person or a program instead of an app's answer: one small page per situation.

Pure text: nothing is fetched from elsewhere, every value is escaped, light and dark follow the reader's system.
Must not: know a proxy, or show more than the person needs (no addresses, no paths, no versions).
"""

from __future__ import annotations

import html
import json
import re

import msgspec

from mooring.model.routing import Page

EDGE_HEADER = "x-mooring-edge"  # on every answer that the edge made itself; its value is Message.kind
HTML_TYPE = "text/html; charset=utf-8"
JSON_TYPE = "application/problem+json"

JSON_PATTERN = r"(?i).*\b(application|text)/([a-z0-9.-]+\+)?json\b.*"
HTML_PATTERN = r"(?i).*\btext/html\b.*"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` names the situation to programs. `retry_after` in seconds, 0: none. `reloads`: the page asks again by itself."""

    kind: str
    status: int
    title: str
    text: str
    retry_after: int = 0
    reloads: bool = False


PAGES = {
    Page.STARTING: Message(
        kind="starting",
        status=503,
        title="Starting",
        text="This app is starting. The page loads by itself as soon as it is ready.",
        retry_after=2,
        reloads=True,
    ),
    Page.WAKING: Message(
        kind="waking",
        status=503,
        title="Waking up",
        text="Nobody has visited this app for a while. It is being started, and the page loads by itself as soon as it is ready.",
        retry_after=1,
        reloads=True,
    ),
    Page.NO_ROOM: Message(
        kind="no-room",
        status=503,
        title="No room yet",
        text="Nobody has visited this app for a while, and its servers have no room for it now. It is started as soon as they have.",
        retry_after=15,
        reloads=True,
    ),
    Page.CRASHED: Message(
        kind="crashed",
        status=503,
        title="Not running",
        text="This app has stopped working and is being started again. Please try again in a moment.",
        retry_after=10,
        reloads=True,
    ),
    Page.MAINTENANCE: Message(
        kind="maintenance",
        status=503,
        title="Maintenance",
        text="This app is closed for maintenance and will be back soon. Nothing is lost.",
        retry_after=60,
    ),
    Page.NO_SUCH_APP: Message(
        kind="no-such-app",
        status=404,
        title="No such app",
        text="No app is served under this address. Check the address for a typing mistake.",
    ),
}

SEND_AGAIN = Message(
    kind="starting",
    status=503,
    title="Please send it again",
    text="The app was not ready, and what you sent is too large to be kept for it. Please send it again.",
    retry_after=2,
)
BUSY = Message(
    kind="too-many-waiting",
    status=503,
    title="Busy",
    text="Too many requests are waiting for this app. Please try again in a moment.",
    retry_after=5,
)
TOO_LARGE = Message(
    kind="too-large",
    status=413,
    title="Too large",
    text="What you sent is larger than this app accepts.",
)
FAILED = Message(
    kind="instance-failed",
    status=503,
    title="No answer",
    text="The app did not answer this request. Please try again.",
    retry_after=2,
)
TIMED_OUT = Message(
    kind="timeout",
    status=504,
    title="No answer in time",
    text="The app took too long to answer this request.",
)
NOT_UNDERSTOOD = Message(
    kind="bad-request",
    status=400,
    title="Not understood",
    text="The request was not understood. Go back, and try again.",
)

PASSWORD_WANTED = Message(
    kind="password-wanted",
    status=401,
    title="Who are you?",
    text="This app is not public. Ask those who run it for its user and password.",
)

NOT_FROM_HERE = Message(
    kind="not-from-here",
    status=403,
    title="Not from here",
    text="This app is not public, and not to be reached from where you are. Ask those who run it.",
)

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f6f7f9;color:#1c2733;"
    "font:17px/1.55 system-ui,sans-serif}"
    "main{max-width:30rem;padding:2rem;text-align:center;overflow-wrap:anywhere}"
    "h1{font-size:1.6rem;margin:0 0 .6rem}p{margin:.4rem 0}small{opacity:.65}"
    "@media(prefers-color-scheme:dark){body{background:#11171d;color:#dfe6ee}}"
)
_NO_ICON = '<link rel="icon" href="data:,">'  # else the browser asks for /favicon.ico, which waits for the app or wakes it


def render_html(message: Message, *, host: str = "") -> str:
    """The whole page. `host` is what the person asked for; it is escaped here."""
    refresh = f'<meta http-equiv="refresh" content="{message.retry_after}">' if message.reloads else ""
    named = f"<p><small>{html.escape(host)}</small></p>" if host else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"{_NO_ICON}{refresh}<title>{html.escape(message.title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{html.escape(message.title)}</h1><p>{html.escape(message.text)}</p>{named}</main></body></html>\n"
    )


def problem(message: Message) -> dict[str, object]:
    """The same for a program, as RFC 9457 has it; `error` is the stable word."""
    return {"type": "about:blank", "title": message.title, "status": message.status, "detail": message.text, "error": message.kind}


def render_json(message: Message) -> str:
    return json.dumps(problem(message)) + "\n"


def wants_page(accept: str) -> bool:
    """Whether a request's Accept header is a browser's, that shows a page and loads it again."""
    return bool(re.fullmatch(HTML_PATTERN, accept))


def prefers_json(accept: str) -> bool:
    """Whether a request's Accept header asks for JSON and not for a page."""
    return bool(re.fullmatch(JSON_PATTERN, accept)) and not re.fullmatch(HTML_PATTERN, accept)
