"""From the text of mooring.toml to a document, or to problems in words for people. Must not: know a key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from mooring.manifest.files.document import Document, first_lines
from mooring.manifest.files.text import text_of
from mooring.manifest.files.toml_scan import DEEPEST, Place, Scan, scan
from mooring.manifest.problems import Problems
from mooring.manifest.wording import dotted

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_QUOTES = 'text needs quotes, also "256MB" and "30s": name = "value"'
_MEANINGS = (
    (
        "Expected '=' after a key",
        "a key is not followed by =",
        'write it like name = "value"; a name with dots or spaces inside needs quotes',
    ),
    ("Invalid value", "what stands after = is not a value", _QUOTES),
    ("Expected newline or end of document", "something is left over after the value", _QUOTES),
    ("Illegal character '\\n'", "a text is not closed on its line", 'end it with a quote, or use """ for text of several lines'),
    ("Illegal character", "there is a character that TOML does not allow here", 'remove it, or write it as an escape in quotes: "\\u0001"'),
    ("Found invalid character", "there is a character that TOML does not allow here", "remove it"),
    ("Unescaped '\\'", "a backslash in a text begins no escape", "write \\\\ for a backslash, or use single quotes: 'C:\\path'"),
    ("Unterminated string", "a text is not closed", "end it with the quotes it began with"),
    ('Expected "\'"', "a text is not closed", "end it with a single quote"),
    ("Unclosed array", "a list is not closed, or lacks a comma", 'write it like ["one", "two"]'),
    (
        "Unclosed inline table",
        "a table in braces is not closed on its line, or lacks a comma",
        'write it like { path = "/up", timeout = "2s" }',
    ),
    ("Expected ']'", "the header of a table is not closed", "write it like [deploy]"),
    ("Invalid initial character for a key part", "a key begins with a character that needs quotes", 'write it like name = "value"'),
    ("Invalid statement", "this is neither a key nor a table", 'write name = "value", or [table]; a comment begins with #'),
    (
        "Cannot mutate",
        "a table in braces ends with its brace, and nothing can be added to it",
        "write all its keys inside the braces, or below a [table]",
    ),
    ("Cannot", "this table was begun above in another way", "write all its keys in one place, below one [table]"),
    ("Invalid hex value", "an escape in a text is not complete", "write \\u and four hexadecimal digits"),
)
_DOUBLED = ("Cannot overwrite", "Cannot declare", "Duplicate inline", "Cannot mutate", "Cannot redefine")


def read_toml(files: Mapping[str, bytes], name: str, *, problems: Problems) -> Document | None:
    """The document; empty when there is no such file; None when it cannot be read (then there is a problem)."""
    if name not in files:
        return Document(file=name, values={}, lines={})
    text = text_of(files, name, problems=problems)
    if text is None:
        return None
    found = scan(text)
    if found.too_deep:
        message = f"keys are nested more than {DEEPEST} deep"
        problems.add(name, found.too_deep, message=message, hint="nothing in this file needs that; see `mooring explain`")
        return None
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _report(str(error), found, name=name, last=text.count("\n") + 1, problems=problems)
        return None
    return Document(file=name, values=values, lines=first_lines((place.path, place.line) for place in found.places))


def _report(said: str, found: Scan, *, name: str, last: int, problems: Problems) -> None:
    """Say a foreign message in our words. The reader stops at its first; what is written twice is all found by the scan."""
    at = _AT.search(said)
    line = int(at[1]) if at and at[1] else last
    doubles = _doubles(found.places)
    for first, second in doubles:
        key = dotted(second.path)
        is_table = first.kind == second.kind == "table"
        where = "on this line" if first.line == second.line else f": on line {first.line} and here"
        message = f"{f'[{key}]' if is_table else key} is written twice {where}".replace(" :", ":")
        hint = "put the keys of both below the first one" if is_table else "keep one of them"
        problems.add(name, second.line, key=key, message=message, hint=hint)
    if doubles and said.startswith(_DOUBLED):
        return
    message, hint = _meaning(said)
    column = f" (column {at[2]})" if at and at[2] else ""
    problems.add(name, line, message=message + column, hint=hint)


def _meaning(said: str) -> tuple[str, str]:
    for beginning, message, hint in _MEANINGS:
        if said.startswith(beginning):
            return message, hint
    return "this is not valid TOML", f"the reader says: {said[:100]!r}"


def _doubles(places: tuple[Place, ...]) -> list[tuple[Place, Place]]:
    """Places whose key or table stands somewhere before. What is below [[arrays]] may repeat, and is left out."""
    arrays = {place.path for place in places if place.kind == "array"}
    seen: dict[tuple[str, ...], Place] = {}
    doubles: list[tuple[Place, Place]] = []
    for place in places:
        if any(place.path[:length] in arrays for length in range(len(place.path) + 1)):
            continue
        if place.path in seen:
            doubles.append((seen[place.path], place))
        seen.setdefault(place.path, place)
    return doubles
