"""From TOML and JSON to a tree, by the manifest's own readers. Must not: know a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mooring.manifest.files.json import read_json
from mooring.manifest.files.text import text_of
from mooring.manifest.files.toml import read_toml
from mooring.manifest.files.toml_scan import Place, scan
from mooring.manifest.moving.node import Node, Path
from mooring.manifest.problems import Problems


def toml_tree(files: Mapping[str, bytes], name: str, *, problems: Problems) -> Node | None:
    """The tree; None when the file cannot be read (then there is a problem)."""
    document = read_toml(files, name, problems=problems)
    if document is None:
        return None
    text = text_of(files, name, problems=problems) or ""
    return _node(document.values, (), 1, _indexed(scan(text).places))


def json_tree(files: Mapping[str, bytes], name: str, *, problems: Problems) -> Node | None:
    """The tree; None when the file cannot be read (then there is a problem). What lies in a list has the list's line."""
    document = read_json(files, name, problems=problems)
    return None if document is None else _node(document.values, (), 1, {(*path,): line for path, line in document.lines.items()})


def _node(value: object, path: Path, line: int, lines: Mapping[Path, int]) -> Node:
    line = lines.get(path, line)
    match value:
        case dict():
            table = {str(key): _node(each, (*path, str(key)), line, lines) for key, each in value.items()}
            return Node(path=path, line=line, table=table)
        case list():
            return Node(path=path, line=line, items=tuple(_node(each, (*path, at), line, lines) for at, each in enumerate(value)))
        case None:
            return Node(path=path, line=line)
        case bool():
            return Node(path=path, line=line, text=str(value).lower())
    return Node(path=path, line=line, text=str(value))


def _indexed(places: Iterable[Place]) -> dict[Path, int]:
    """The first line of every path; a table of an array ([[services]]) has its position in it."""
    last: dict[Path, int] = {}
    lines: dict[Path, int] = {}
    for place in places:
        if place.kind == "array":
            array = (*_resolved(place.path[:-1], last), place.path[-1])
            lines.setdefault(array, place.line)
            last[array] = last.get(array, -1) + 1
        path = _resolved(place.path, last)
        for length in range(len(path), 0, -1):
            lines.setdefault(path[:length], place.line)
    return lines


def _resolved(path: tuple[str, ...], last: Mapping[Path, int]) -> Path:
    found: Path = ()
    for part in path:
        found = (*found, part)
        if found in last:
            found = (*found, last[found])
    return found
