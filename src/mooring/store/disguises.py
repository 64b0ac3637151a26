"""How a secret may look when it leaks: as it is, and in the encodings that programs put it in. Must not: search anything.

Everything is bytes written as latin-1 text, one character a byte, so that patterns fit logs of any encoding.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MINIMUM = 4
"""Characters. A shorter value would be found by chance in every other word, and is left alone."""

MINIMUM_LINE = 8
"""Characters of a line that counts as a secret of its own, in a value of several lines."""

_ARMOUR = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def disguises(value: str) -> frozenset[str]:
    """Every pattern that gives `value` away, its longer lines by themselves included."""
    return frozenset(pattern for piece in _pieces(value) for pattern in _encodings(piece) if len(pattern) >= MINIMUM)


def _pieces(value: str) -> Iterator[str]:
    if len(value) < MINIMUM:
        return
    yield value
    stripped = value.strip()
    if len(stripped) >= MINIMUM:
        yield stripped
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= MINIMUM_LINE and not _ARMOUR.fullmatch(line))


def _encodings(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass" if _is_torn(text) else "surrogateescape")
    yield raw.decode("latin-1")
    yield from (raw.hex(), raw.hex().upper())
    yield from _base64(raw)
    yield from _percent(raw)
    shown = raw.decode("utf-8", "replace")
    for escaped in (*_json(shown), *_html(shown), *_shell(shown), repr(shown)[1:-1], ascii(shown)[1:-1]):
        yield escaped.encode().decode("latin-1")
    yield repr(raw)[2:-1]


def _base64(raw: bytes) -> Iterator[str]:
    """The whole value, padded or not; and at each of the three alignments what of it does not depend on its neighbours."""
    for alphabet in (b"+/", b"-_"):
        whole = base64.b64encode(raw, alphabet).decode()
        yield from (whole, whole.rstrip("="))
        for offset in range(3):
            encoded = base64.b64encode(bytes(offset) + raw, alphabet).decode()
            yield encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]


def _percent(raw: bytes) -> Iterator[str]:
    """RFC 3986 with and without the slash, HTML forms, and JavaScript's encodeURIComponent; hex digits in both cases."""
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="!'()*-._~")):
        yield encoded
        yield _PERCENT.sub(lambda match: match[0].lower(), encoded)


def _json(text: str) -> Iterator[str]:
    """As Python, as JavaScript, as Go and as PHP write it; and JSON inside JSON."""
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
        yield _replaced(escaped, (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")))
        yield json.dumps(escaped, ensure_ascii=False)[1:-1]


def _html(text: str) -> Iterator[str]:
    escaped = html.escape(text, quote=True)
    yield from (escaped, html.escape(text, quote=False))
    yield escaped.replace("&#x27;", "&#39;")
    yield _replaced(escaped, (("&#x27;", "&#39;"), ("&quot;", "&#34;")))


def _shell(text: str) -> Iterator[str]:
    """Inside single quotes, inside double quotes, and with backslashes."""
    quoted = shlex.quote(text)
    yield quoted[1:-1] if quoted != text else text
    yield text.replace("'", "'\\''")
    yield re.sub(r'([$`"\\!])', r"\\\1", text)
    yield re.sub(r'([$`"\\])', r"\\\1", text)
    yield re.sub(r"([^A-Za-z0-9_@%+=:,./-])", r"\\\1", text)


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for before, after in pairs:
        text = text.replace(before, after)
    return text


def _is_torn(text: str) -> bool:
    """Whether it holds surrogates that stand for no byte."""
    return any("\ud800" <= character <= "\udfff" and not "\udc80" <= character <= "\udcff" for character in text)
