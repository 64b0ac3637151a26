"""From the text of a YAML file to a tree, or to problems in words for people.

Only the parser's events are used: nothing is ever constructed, so no tag can do anything. Size, depth, and what aliases and merge
keys grow to are bounded. Source: YAML 1.2.2; merge keys: https://yaml.org/type/merge.html
Must not: know a key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from mooring.manifest import wording
from mooring.manifest.files.text import text_of
from mooring.manifest.moving.node import Node, Path
from mooring.manifest.problems import Problems

LARGEST = 200_000
DEEPEST = 32
MOST_VALUES = 20_000
_STANDARD = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))
_HARMLESS = frozenset(("!", "!reset", "!override"))  # the latter are Compose's, for files laid over each other
_NULLS = ("", "~", "null", "Null", "NULL")
_HINT = "indent with spaces, write `key: value` with a space after the colon, and put quotes around text with : or # in it"


class _Fault(Exception):
    def __init__(self, line: int, message: str, hint: str = _HINT) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.hint = hint


class _Raw:
    """A value as it is read, before aliases are taken. `pairs` are a table's, `items` a list's; `is_open` while it is read."""

    __slots__ = ("is_open", "items", "line", "pairs", "pending", "text")

    def __init__(self, line: int) -> None:
        self.line = line
        self.text: str | None = None
        self.pairs: list[tuple[str, int, _Raw]] | None = None
        self.items: list[_Raw] | None = None
        self.pending: tuple[str, int] | None = None
        self.is_open = False


def read_yaml(files: Mapping[str, bytes], name: str, *, problems: Problems) -> Node | None:
    """The tree; None when it cannot be read (then there is a problem)."""
    if len(files[name]) > LARGEST:
        message = f"the file has {len(files[name]):,} bytes; at most {LARGEST:,} of YAML are read"
        problems.add(name, 0, message=message, hint="take out what is no configuration")
        return None
    text = text_of(files, name, problems=problems)
    if text is None:
        return None
    try:
        return _Growing().node(_raw(text), ())
    except _Fault as fault:
        line = min(max(fault.line, 0), text.count("\n") + 1)
        problems.add(name, line, message=fault.message, hint=fault.hint)
        return None


def _raw(text: str) -> _Raw:
    """The one document of the text. Raises _Fault."""
    try:
        return _document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise _Fault(line, f"this is not valid YAML: {_harmless(error.problem or error.context or 'it cannot be read')}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise _Fault(line, "there is a character that YAML does not allow", "remove it, or write it as an escape in quotes") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        raise _Fault(0, "this is not valid YAML") from None


def _harmless(text: str) -> str:
    return wording.shown(text.strip())[1:-1]


def _document(events: Iterator[yaml.Event]) -> _Raw:
    anchors: dict[str, _Raw] = {}
    opened: list[_Raw] = []
    root: _Raw | None = None
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                opened.pop().is_open = False
            case yaml.NodeEvent():
                if root is not None and not opened:
                    raise _Fault(line, "there is a second document in the file", "keep one, without a --- between")
                made = _started(event, line, anchors)
                if opened:
                    _put(opened[-1], made, event, line)
                root = root or made
                if made.is_open and not isinstance(event, yaml.AliasEvent):
                    opened.append(made)
                    if len(opened) > DEEPEST:
                        raise _Fault(line, f"values are nested more than {DEEPEST} deep", "nothing here needs that")
    if root is None:
        raise _Fault(0, "the file is empty", "give the file that the app is deployed with")
    return root


def _started(event: yaml.NodeEvent, line: int, anchors: dict[str, _Raw]) -> _Raw:
    if isinstance(event, yaml.AliasEvent):
        return _aliased(event.anchor, line, anchors)
    tag = event.tag if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) else None
    if tag and tag not in _STANDARD and tag not in _HARMLESS:
        raise _Fault(line, f"the tag {wording.shown(tag)} is not read: values are texts, lists and tables", "remove the tag")
    made = _Raw(line)
    if isinstance(event, yaml.ScalarEvent):
        made.text = None if event.implicit[0] and event.value in _NULLS else event.value
    else:
        made.is_open = True
        made.pairs = [] if isinstance(event, yaml.MappingStartEvent) else None
        made.items = [] if isinstance(event, yaml.SequenceStartEvent) else None
    if event.anchor:
        anchors[event.anchor] = made
    return made


def _aliased(name: str | None, line: int, anchors: dict[str, _Raw]) -> _Raw:
    meant = anchors.get(name or "")
    if meant is None:
        raise _Fault(line, f"*{_harmless(name or '')} names an anchor that is not there above", "write &NAME at the value that is meant")
    if meant.is_open:
        raise _Fault(line, f"*{_harmless(name or '')} lies inside the value that it names", "write out what is meant")
    return meant


def _put(around: _Raw, made: _Raw, event: yaml.NodeEvent, line: int) -> None:
    if around.items is not None:
        around.items.append(made)
    elif around.pairs is not None and around.pending is not None:
        around.pairs.append((*around.pending, made))
        around.pending = None
    elif isinstance(event, yaml.ScalarEvent):
        is_merge = event.value == "<<" and event.implicit[0]
        around.pending = ("<<" if is_merge else event.value, -line if is_merge else line)
    else:
        raise _Fault(line, "a key is a list, a table or an alias; it is text", "write `key: value`")


class _Growing:
    """Makes the tree, with aliases and merge keys taken. Counts what it makes."""

    def __init__(self) -> None:
        self._count = 0

    def node(self, raw: _Raw, path: Path, line: int = 0) -> Node:
        """`line`: where the key stands. Raises _Fault."""
        line = line or raw.line
        self._grow(line)
        if len(path) > DEEPEST:
            raise _Fault(line, f"values are nested more than {DEEPEST} deep", "nothing here needs that")
        if raw.pairs is not None:
            table = {key: self.node(value, (*path, key), at) for key, (at, value) in self._pairs(raw, depth=0).items()}
            return Node(path=path, line=line, table=table)
        if raw.items is not None:
            return Node(path=path, line=line, items=tuple(self.node(item, (*path, at)) for at, item in enumerate(raw.items)))
        return Node(path=path, line=line, text=raw.text)

    def _pairs(self, raw: _Raw, *, depth: int) -> dict[str, tuple[int, _Raw]]:
        own: dict[str, tuple[int, _Raw]] = {}
        merged: dict[str, tuple[int, _Raw]] = {}
        for key, line, value in raw.pairs or []:
            self._grow(abs(line))
            if line < 0:
                for source in self._merged(value, -line, depth=depth + 1):
                    merged = {**source, **merged}
            elif key in own:
                raise _Fault(line, f"{wording.dotted((key,))} is written twice: on line {own[key][0]} and here", "keep one of them")
            else:
                own[key] = (line, value)
        return {**own, **{key: found for key, found in merged.items() if key not in own}}

    def _merged(self, value: _Raw, line: int, *, depth: int) -> list[dict[str, tuple[int, _Raw]]]:
        sources = [value] if value.items is None else value.items
        if depth > DEEPEST or any(source.pairs is None for source in sources):
            raise _Fault(line, "<< takes over the keys of a table, and this is none", "write <<: *NAME, where &NAME stands at a table")
        return [self._pairs(source, depth=depth) for source in sources]

    def _grow(self, line: int) -> None:
        self._count += 1
        if self._count > MOST_VALUES:
            message = f"the file grows to more than {MOST_VALUES:,} values when its aliases are taken"
            raise _Fault(line, message, "give a file that describes one app")
