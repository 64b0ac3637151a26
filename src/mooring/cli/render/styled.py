"""Text with a style per span, and the one place where foreign text is made harmless.

A log line or a commit message may hold escape sequences, markup or text that runs backwards: Span shows such characters
as `\x1b`, and no other type reaches the terminal.
Must not: know a terminal; widths are arguments.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Iterable, Sequence

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
HARD_SPACE = "\u00a0"  # where a wrapped text must not break


class Style(enum.Enum):
    """What a span means; the value is its ANSI code (ECMA-48 select graphic rendition)."""

    PLAIN = ""
    STRONG = "1"
    DIM = "2"
    GOOD = "32"
    BAD = "31"
    WARN = "33"
    ACCENT = "36"
    FAILURE = "1;31"
    SUCCESS = "1;32"


def visible(text: str) -> str:
    """The text with every character that could steer a terminal, hide or reorder text written out as an escape; tabs become spaces."""
    return _HARMFUL.sub(_written_out, text.expandtabs(4)) if _HARMFUL.search(text) else text


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {"\n": "\\n", "\r": "\\r"}.get(match[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


class Span:
    """A piece of a line. Its text is safe to print, whatever it was made from."""

    __slots__ = ("style", "text")

    def __init__(self, text: str, style: Style = Style.PLAIN) -> None:
        self.text = visible(text)
        self.style = style

    def __repr__(self) -> str:
        return f"Span({self.text!r}, {self.style.name})"


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """A line of spans and plain texts."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts if not isinstance(part, str) or part)


def plain(spans: Line) -> str:
    """The text alone."""
    return "".join(span.text for span in spans)


def cells(text: str) -> int:
    """Columns that a terminal gives this text: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Mn":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width_of(spans: Line) -> int:
    return sum(cells(span.text) for span in spans)


def clip(spans: Line, width: int | None) -> Line:
    """At most `width` columns, `…` at the end of what was cut; None: as it is."""
    if width is None or width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    room = max(width - 1, 0)
    for span in spans:
        text = _head(span.text, room)
        room -= cells(text)
        kept.append(Span(text, span.style))
        if len(text) < len(span.text):
            break
    return (*kept, Span("…", kept[-1].style if kept else Style.PLAIN))


def _head(text: str, width: int) -> str:
    if text.isascii():
        return text[:width]
    taken = 0
    for position, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return text[:position]
    return text


def verbatim(text: str, *, width: int | None) -> list[Line]:
    """A line that a program printed, behind a bar; cut into pieces where it is too long, its spaces kept."""
    safe = visible(text)
    pieces = [safe] if width is None else _pieces(safe, max(width - 4, 8))
    return [(Span("  │ ", Style.DIM), Span(piece)) for piece in pieces]


def wrap(text: str, width: int | None) -> list[str]:
    """Lines of at most `width` columns, broken between words, or inside a word that is too long by itself."""
    safe = visible(text)
    if width is None or cells(safe) <= width:
        return [safe.replace(HARD_SPACE, " ")]
    width = max(width, 8)
    lines: list[str] = []
    current = ""
    for word in safe.split(" "):
        joined = f"{current} {word}" if current else word
        if cells(joined) <= width:
            current = joined
            continue
        if current:
            lines.append(current)
        *full, current = _pieces(word, width)
        lines.extend(full)
    return [row.replace(HARD_SPACE, " ") for row in (*lines, current)]


def _pieces(word: str, width: int) -> list[str]:
    pieces: list[str] = []
    while cells(word) > width:
        head = _head(word, width) or word[:1]
        pieces.append(head)
        word = word[len(head) :]
    return [*pieces, word]


def hanging(label: Line, text: str, *, width: int | None, style: Style = Style.PLAIN) -> list[Line]:
    """The text after its label, further lines indented to where the text began. Line breaks in the text are kept."""
    indent = width_of(label)
    room = None if width is None else width - indent
    rows = [row for part in text.split("\n") for row in wrap(part, room)]
    return [(*(label if number == 0 else (Span(" " * indent),)), Span(row, style)) for number, row in enumerate(rows)]


def padded(spans: Line, width: int, *, is_right: bool = False) -> Line:
    """Filled with spaces to `width` columns."""
    missing = width - width_of(spans)
    if missing <= 0:
        return spans
    fill = Span(" " * missing)
    return (fill, *spans) if is_right else (*spans, fill)


def joined(lines: Iterable[Sequence[Span]]) -> str:
    """Plain text of several lines, without trailing spaces: what a snapshot holds."""
    return "".join("".join(span.text for span in spans).rstrip() + "\n" for spans in lines)
