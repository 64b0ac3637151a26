"""Walks a document along the table of keys: what fits becomes a layer, what does not a problem. Must not: stop at the first."""

from __future__ import annotations

import msgspec

from mooring.manifest import wording
from mooring.manifest.files.document import Document, Path
from mooring.manifest.keys.health import CHECKS, QUESTIONS
from mooring.manifest.keys.key import Key
from mooring.manifest.keys.names import ENVIRONMENT_NAME
from mooring.manifest.keys.regions import REGIONS
from mooring.manifest.keys.review import REVIEW
from mooring.manifest.keys.services import SAY_TYPE, SERVICES
from mooring.manifest.keys.table import KEYS, NOT_OF_REVIEW_APPS, OF_ALL_ENVIRONMENTS, OTHER_WORDS, TREE, Node, pattern_of
from mooring.manifest.kinds.kind import Mismatch
from mooring.manifest.kinds.texts import Name
from mooring.manifest.layers import Found, Layer
from mooring.manifest.problems import Problems

RESERVED_PROCESS = "release"
RESERVED_VARIABLE = "PORT"


class TomlLayers(msgspec.Struct, frozen=True):
    """What stands at the top, below each `[environments.NAME]`, and below `[review]` for review apps alone."""

    top: Layer
    environments: dict[str, Layer]
    review: Layer = {}


def layers_of(document: Document, *, problems: Problems) -> TomlLayers:
    """All that is valid in it; each thing that is not is a problem with its line."""
    walk = _Walk(document, problems=problems)
    rest = {name: value for name, value in document.values.items() if name not in ("environments", REVIEW.path)}
    top = walk.layer(rest, ())
    review = walk.review(document.values[REVIEW.path], top) if REVIEW.path in document.values else {}
    environments = document.values.get("environments", {})
    if not isinstance(environments, dict):
        walk.report(("environments",), f"environments is {wording.shown(environments)}; it is a table of environments", _ENVIRONMENTS)
        return TomlLayers(top, {}, review)
    return TomlLayers(top, {name: walk.environment(name, value) for name, value in environments.items()}, review)


def checked(key: str, value: object, *, place: tuple[str, int], said_as: str, like: str, problems: Problems) -> Found | None:
    """One value from another file by the rules of the table's `key`; None when there is a problem.

    `place` is its file and line, `said_as` its key there, `like` an example of it there.
    """
    row = KEYS[pattern_of(key) or key]
    try:
        return Found(row.kind.read(value), *place)
    except Mismatch as mismatch:
        message, _ = _said(said_as, value, mismatch, row=row)
        problems.add(*place, key=said_as, message=message, hint=f"write it like {like}")
        return None


_ENVIRONMENTS = "write it like [environments.staging] and what differs there below it"


class _Walk:
    def __init__(self, document: Document, *, problems: Problems) -> None:
        self._document = document
        self._problems = problems

    def layer(self, values: dict[str, object], outer: Path) -> Layer:
        """The values of the whole tree below `outer`, which is empty or an environment."""
        layer: Layer = {}
        self._table(TREE, values, inner=(), outer=outer, layer=layer)
        self._report_two_questions(layer, outer)
        return layer

    def environment(self, name: str, values: object) -> Layer:
        outer = ("environments", name)
        self._name_fits(name, ENVIRONMENT_NAME, outer)
        if not isinstance(values, dict):
            message = f"{wording.dotted(outer)} is {wording.shown(values)}; an environment is a table of keys"
            self.report(outer, message, _ENVIRONMENTS)
            return {}
        if "app" in values:
            self.report((*outer, "app"), "the app's name is the same in every environment", "move app = … to the top of the file")
        if REVIEW.path in values:
            self.report((*outer, REVIEW.path), "review apps are the app's, not an environment's", "move [review] to the top of the file")
        return self.layer({key: value for key, value in values.items() if key not in OF_ALL_ENVIRONMENTS}, outer)

    def review(self, values: object, top: Layer) -> Layer:
        """What is said of review apps goes into `top`; given is what they alone ask for."""
        if not isinstance(values, dict):
            return self.layer({REVIEW.path: values}, ())
        others = {name for name in TREE.children if name not in (*NOT_OF_REVIEW_APPS, *TREE.children[REVIEW.path].children)}
        if "hostnames" in values:
            message = "review.hostnames would be the same for all review apps"
            self.report((REVIEW.path, "hostnames"), message, 'give each its own: hostname = "{branch}.review.example.com"')
        own = {name: value for name, value in values.items() if name not in (*others, "hostnames")}
        top |= self.layer({REVIEW.path: own}, ())
        return self.layer({name: value for name, value in values.items() if name in others}, (REVIEW.path,))

    def report(self, path: Path, message: str, hint: str) -> None:
        self._problems.add(self._document.file, self._document.line(path), key=wording.dotted(path), message=message, hint=hint)

    def _table(self, node: Node, values: dict[str, object], *, inner: Path, outer: Path, layer: Layer) -> None:
        if not values and node.path == REGIONS.path:  # its name alone says something: all hosts of it
            layer[".".join((*inner, "hosts"))] = Found((), self._document.file, self._document.line(outer + inner))
        if not values and node.path == SERVICES.path:
            self.report(outer + inner, f"{wording.dotted(outer + inner)} does not say what it is", SAY_TYPE)
        for name, value in values.items():
            if self._problems.is_full:
                return
            self._entry(node, name, value, inner=(*inner, name), outer=outer, layer=layer)

    def _entry(self, node: Node, name: str, value: object, *, inner: Path, outer: Path, layer: Layer) -> None:
        path = outer + inner
        following = node.children.get(name)
        if following is None and node.below_name is not None and node.name_kind is not None:
            if not self._name_fits(name, node.name_kind, path):
                return
            following = node.below_name
        if following is None:
            self.report(path, f"unknown key {wording.dotted(path)}", _meant(node, name))
        elif following.key is not None:
            self._value(following.key, value, inner=inner, path=path, layer=layer)
        elif isinstance(value, dict):
            self._table(following, value, inner=inner, outer=outer, layer=layer)
        else:
            message = f"{wording.dotted(path)} is {wording.shown(value)}; {following.noun} is a table of keys"
            self.report(path, message, _table_fix(following, path, value))

    def _value(self, key: Key, value: object, *, inner: Path, path: Path, layer: Layer) -> None:
        if inner == ("env", RESERVED_VARIABLE):
            self.report(
                path, "PORT cannot be set: Mooring gives each instance a port of its own", "remove it, and let the app listen on $PORT"
            )
            return
        try:
            layer[".".join(inner)] = Found(key.kind.read(value), self._document.file, self._document.line(path))
        except Mismatch as mismatch:
            for each in (mismatch, *mismatch.others):
                self.report(path, *_said(wording.dotted(path), value, each, row=key))

    def _name_fits(self, name: str, kind: Name, path: Path) -> bool:
        if path[-2:] == ("processes", RESERVED_PROCESS):
            self.report(path, "release is no process type but the release command", 'write it at the top: release = "…"')
            return False
        try:
            kind.read(name)
        except Mismatch as mismatch:
            self.report(path, f"{wording.shown(name)} is not {kind.noun}; {mismatch.rule}", mismatch.hint)
            return False
        return True

    def _report_two_questions(self, layer: Layer, outer: Path) -> None:
        asked: dict[str, str] = {}
        for key, found in layer.items():
            table, _, name = key.rpartition(".")
            if ".health" not in table or name not in QUESTIONS or found.value is False:
                continue
            if table in asked:
                message = f"{wording.dotted((*outer, table))} asks two things: {asked[table]} and {name}".replace("'", "")
                self.report((*outer, *key.split(".")), message, "keep one of path, paths, tcp and command")
            asked.setdefault(table, name)


def _said(key: str, value: object, mismatch: Mismatch, *, row: Key) -> tuple[str, str]:
    """The message and the fix: a quantity in text gets its quotes, anything else the example's last line."""
    relation = (
        f"has {wording.shown(mismatch.item)}" if isinstance(value, list) and mismatch.item is not None else f"is {wording.shown(value)}"
    )
    if isinstance(value, str) and "\0" in value:
        relation = "holds a NUL character"
    hint = mismatch.hint or row.fix or _quotes(key, value, row=row) or f"write it like {row.example.splitlines()[-1]}"
    return f"{key} {relation}; {mismatch.rule}", hint


def _quotes(key: str, value: object, *, row: Key) -> str:
    """What to do about a number or a flag that would be right as text."""
    if isinstance(value, str) or row.kind.word != "string":
        return ""
    try:
        row.kind.read(wording.shown(value))
    except Mismatch:
        return ""
    is_scalar = isinstance(value, (bool, int, float))
    return f'put quotes around it: {key.rpartition(".")[2]} = "{wording.shown(value)}"' if is_scalar else ""


def _meant(node: Node, name: str) -> str:
    """The key that was probably meant: a neighbour, else one of that name that has its place elsewhere."""
    other = OTHER_WORDS.get(name.lower(), "")
    neighbour = (other if other in node.children else None) if other else wording.suggestion(name, node.children)
    if neighbour:
        return f"did you mean `{neighbour}`?"
    elsewhere = [path for path in [*KEYS, *_TABLES] if path.rpartition(".")[2] in (name, other)]
    if elsewhere:
        return f"did you mean `{elsewhere[0]}`?"
    more = f"`mooring explain {node.path}`" if node.path else "`mooring explain`"
    here = [*node.children, *(["environments"] if node is TREE else [])]
    return f"the keys here are {wording.joined(here)}; see {more}" if len(here) < 12 else f"{more} lists the keys"


_HEALTH = "processes.NAME.health"
_TABLES = [_HEALTH, *(f"{_HEALTH}.{check}" for check in CHECKS)]


def _table_fix(node: Node, path: Path, value: object) -> str:
    if node.path == "processes.NAME" and isinstance(value, str) and len(value) < 100:
        return f"write [{wording.dotted(path)}] and below it command = {wording.quoted(value)}"
    example = next((key.example for key in KEYS.values() if key.path.startswith(f"{node.path}.")), "")
    return "write it like " + " and below it ".join(example.splitlines()[:2])
