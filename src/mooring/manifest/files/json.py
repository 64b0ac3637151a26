"""From the text of app.json to a document, or to problems in words for people. Must not: know a key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from mooring.manifest.files.document import Document, Path, first_lines
from mooring.manifest.files.text import text_of
from mooring.manifest.problems import Problems
from mooring.manifest.wording import dotted

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,\n]', re.DOTALL)
_HINT = "JSON has no comments, no comma after the last entry, and double quotes only"
_BROKEN = object()


def read_json(files: Mapping[str, bytes], name: str, *, problems: Problems) -> Document | None:
    """The document; empty when there is no such file; None when it cannot be read (then there is a problem)."""
    if name not in files:
        return Document(file=name, values={}, lines={})
    text = text_of(files, name, problems=problems)
    if text is None:
        return None
    values = _parsed(text, name=name, problems=problems)
    if values is _BROKEN:
        return None
    if not isinstance(values, dict):
        problems.add(name, 1, message="the file holds no JSON object", hint='it begins with { and ends with }, like { "formation": { … } }')
        return None
    places = _places(text)
    _report_doubles(places, name=name, problems=problems)
    return Document(file=name, values=values, lines=first_lines(places))


def _parsed(text: str, *, name: str, problems: Problems) -> object:
    """_BROKEN where there is a problem; None is what `null` says."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        problems.add(name, error.lineno, message=f"this is not valid JSON: {_meaning(error)}", hint=_HINT)
    except RecursionError:
        problems.add(name, 0, message="the file is nested too deep to be read", hint="nothing that Mooring reads needs that")
    except ValueError:
        problems.add(name, 0, message="the file holds a number that is too long, NaN or Infinity", hint="write another one")
    return _BROKEN


def _meaning(error: json.JSONDecodeError) -> str:
    """The reader's words, but for what they differ in between versions of Python."""
    if error.msg.startswith(("Expecting property name", "Illegal trailing comma")):
        return "a key in double quotes has to follow { and a comma"
    return f"{error.msg[:1].lower()}{error.msg[1:]} (column {error.colno})"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _places(text: str) -> list[tuple[Path, int]]:
    """Every key of valid JSON with its line. Keys inside lists have no path and are left out."""
    places: list[tuple[Path, int]] = []
    opened: list[Path | None] = []
    path: Path | None = ()
    pending, line = "", 1
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "\n":
                line += 1
            case "{" | "[" as mark:
                opened.append(path if mark == "{" else None)
                path = None
            case "}" | "]":
                opened.pop()
            case ":":
                table = opened[-1]
                path = None if table is None else (*table, json.loads(pending))
                if path is not None:
                    places.append((path, line))
            case ",":
                path = None
            case string:
                pending = string
    return places


def _report_doubles(places: list[tuple[Path, int]], *, name: str, problems: Problems) -> None:
    seen: dict[Path, int] = {}
    for path, line in places:
        if path in seen:
            message = f"{dotted(path)} is written twice: on line {seen[path]} and here"
            problems.add(name, line, key=dotted(path), message=message, hint="keep one of them")
        seen.setdefault(path, line)
