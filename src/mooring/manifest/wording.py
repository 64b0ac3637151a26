"""How values, keys and suggestions are put into sentences. Must not: show a value whole, or unescaped: it may be hostile."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

_LONGEST = 60
_PLAIN = re.compile(r"\A[A-Za-z0-9_*-]{1,64}\Z")


def shown(value: object) -> str:
    """The value for a message: text escaped and cut to 60 characters, lists and tables by their kind only."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if abs(value) < 10**18 else "a very large number"
        case float():
            return repr(value)
        case str():
            return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…")
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case None:
            return "null"
    return "a date or time"


def dotted(path: Sequence[str]) -> str:
    """The key as it is written: odd segments quoted, escaped and cut."""
    return ".".join(part if _PLAIN.match(part) else shown(part) for part in path)


def suggestion(word: str, options: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The option that was probably meant. Long words are cut first: comparing takes quadratic time."""
    by_case = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word[:64].lower(), by_case, n=1, cutoff=cutoff)
    return by_case[close[0]] if close else None


def joined(words: Iterable[str]) -> str:
    """`a, b and c`."""
    items = list(words)
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def quoted(text: str) -> str:
    """A TOML basic string of any text."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(mark) or (mark if mark.isprintable() else f"\\U{ord(mark):08x}") for mark in text) + '"'


def duration(seconds: float) -> str:
    """The shortest text that reads back as this duration: `1m30s`, `200ms`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    text, rest = "", seconds
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        whole, rest = divmod(rest, length)
        text += f"{whole:.0f}{unit}" if whole else ""
    return text + (f"{rest:g}s" if rest or not text else "")


def size(count: int) -> str:
    """The shortest text that reads back as this many bytes: `256MB`, `1.5GB`."""
    for unit, length in (("TB", 1000**4), ("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if count >= length and count % (length // 100) == 0:
            return f"{count / length:g}{unit}"
    return str(count)
