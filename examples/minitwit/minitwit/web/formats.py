"""How values look in a page: times, links to people, the colour of somebody without an avatar."""

import time
import zlib
from datetime import UTC, datetime

from flask import Flask, url_for
from markupsafe import Markup

from minitwit.posts import MENTION

TINTS = 8


def add_filters(application: Flask) -> None:
    application.add_template_filter(linked)
    application.add_template_filter(ago)
    application.add_template_filter(exact_time)
    application.add_template_filter(tint)


def linked(text: str) -> Markup:
    """The text, safe for HTML, with a link on every @name."""
    # Splitting at a pattern with one group alternates: text, name, text, name, text.
    pieces = MENTION.split(text)
    return Markup("").join(_link(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def _link(name: str) -> Markup:
    return Markup('<a href="{}">@{}</a>').format(url_for("timelines.person", name=name.lower()), name)


def ago(moment: float) -> str:
    """Seconds since 1970 as people say it: now, 5 min, 3 h, or the date."""
    seconds = time.time() - moment
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h"
    return datetime.fromtimestamp(moment, UTC).strftime("%-d %b %Y")


def exact_time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def tint(name: str) -> int:
    return zlib.crc32(name.encode()) % TINTS
