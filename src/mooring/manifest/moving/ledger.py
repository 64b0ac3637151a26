"""Keeps account of a source: every key is dealt with once, and what nobody dealt with is named at the end.

Must not: know a dialect.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mooring.manifest import wording
from mooring.manifest.keys.health import QUESTIONS
from mooring.manifest.keys.table import KEYS, pattern_of
from mooring.manifest.kinds.kind import Mismatch
from mooring.manifest.moving.node import Node, Path
from mooring.manifest.moving.translation import Explanations, Outcome, Row, Setting, Told, Value

_UNKNOWN = Told(
    Outcome.UNKNOWN,
    "no such key is known here, or not in this form: it is misspelt, or newer than this table",
    "see what it does, and do it by hand",
)
_EMPTY = Told(Outcome.NEEDLESS, "it is empty")


class _Line(msgspec.Struct, frozen=True):
    """A row before it is written: the settings by their keys."""

    node: Node
    told: Told
    keys: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Ledger:
    """Of one source. `settings` by their keys, in the order they were made."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.settings: dict[str, Setting] = {}
        self._lines: dict[Path, _Line] = {}
        self._around: set[Path] = set()

    def maps(self, node: Node, key: str, value: Value, *, note: str = "", instead: str = "") -> bool:
        """The node becomes this setting; with a `note`, in part. False when Mooring would refuse it: the row then says why."""
        return self.maps_all(node, {key: value}, note=note, instead=instead)

    def maps_all(self, node: Node, values: dict[str, Value], *, note: str = "", instead: str = "", commands: Sequence[str] = ()) -> bool:
        """The node becomes all of these settings, or none."""
        for key, value in values.items():
            told = self._refusal(key, value)
            if told is not None:
                self.tells(node, told)
                return False
        for key, value in values.items():
            self.settings.setdefault(key, Setting(key=key, value=value, source=node.said, line=node.line))
        self._add(_Line(node, Told(Outcome.PARTLY if note else Outcome.MAPPED, note, instead), tuple(values), tuple(commands)))
        return True

    def tells(self, node: Node, told: Told, *, commands: Sequence[str] = ()) -> None:
        """The node becomes no setting."""
        self._add(_Line(node, told, commands=tuple(commands)))

    def is_covered(self, node: Node) -> bool:
        """Something was said of it, or of what lies in it or around it."""
        return node.path in self._around or any(node.path[:length] in self._lines for length in range(len(node.path) + 1))

    def closes(self, told: Explanations) -> None:
        """Say of all that is left what the dialect's table says; what stands in none is unknown."""
        self._sweep(self.root, _grown(told), None)

    def takes_back(self, key: str, why: str, *, instead: str = "decide, and write it by hand") -> None:
        """The setting is not to be written after all."""
        del self.settings[key]
        for path, line in self._lines.items():
            if key in line.keys:
                rest = tuple(each for each in line.keys if each != key)
                outcome = Outcome.PARTLY if rest else Outcome.NOT_MAPPED
                self._lines[path] = _Line(line.node, Told(outcome, why, instead), rest, line.commands)

    def drafts(self, process: str, why: str) -> None:
        """Write all settings of a process type as comments: something is missing."""
        mine = {key for key in self.settings if key.startswith(f"processes.{process}.")}
        for key in mine:
            self.settings[key] = msgspec.structs.replace(self.settings[key], is_draft=True)
        for path, line in self._lines.items():
            if mine & set(line.keys):
                told = Told(Outcome.PARTLY, why, f"write command below [processes.{process}], and take the # away")
                self._lines[path] = msgspec.structs.replace(line, told=told)

    @property
    def rows(self) -> tuple[Row, ...]:
        """In the order of the source."""
        return tuple(
            Row(
                source=line.node.said,
                line=line.node.line,
                outcome=line.told.outcome,
                settings=tuple(self.settings[key].text for key in line.keys),
                why=line.told.why,
                instead=line.told.instead,
                commands=line.commands,
            )
            for line in sorted(self._lines.values(), key=lambda line: line.node.line)
        )

    def _add(self, line: _Line) -> None:
        assert not self.is_covered(line.node), f"{line.node.said} is dealt with twice"
        self._lines[line.node.path] = line
        self._around.update(line.node.path[:length] for length in range(len(line.node.path)))

    def _refusal(self, key: str, value: Value) -> Told | None:
        row = KEYS[pattern_of(key) or key]
        try:
            row.kind.read(list(value) if isinstance(value, tuple) else value)
        except Mismatch as mismatch:
            said = wording.shown(mismatch.item if mismatch.item is not None else value)
            return Told(
                Outcome.NOT_MAPPED, f"{key} cannot be {said}: {mismatch.rule}", mismatch.hint or "choose what is allowed, or leave it out"
            )
        known = self.settings.get(key)
        if known is not None and known.value != value:
            return Told(
                Outcome.NOT_MAPPED,
                f"line {known.line} says {key} already, with another value",
                "one value holds for the whole app; keep the one you mean",
            )
        table, _, name = key.rpartition(".")
        other = next((each for each in QUESTIONS if each != name and f"{table}.{each}" in self.settings), None)
        if ".health" in table and name in QUESTIONS and other:
            return Told(Outcome.NOT_MAPPED, f"one check asks one thing, and {table}.{other} is asked already", "keep the better one")
        return None

    def _sweep(self, node: Node, branch: _Branch | None, around: Told | None) -> None:
        told = (branch.told if branch else None) or around
        has_said_inside = node.path in self._around
        is_split = has_said_inside or (branch is not None and bool(branch.below))
        if node.path in self._lines:
            return
        if node.parts and (is_split or not node.path):
            for part in node.parts:
                self._sweep(part, _following(branch, part), told)
        elif node.path:
            self.tells(node, _EMPTY if (told or branch) and not node.parts and node.text is None else told or _UNKNOWN)


class _Branch:
    """What a table of explanations says of a key, and of those below it."""

    def __init__(self) -> None:
        self.told: Told | None = None
        self.below: dict[str, _Branch] = {}


def _grown(told: Explanations) -> _Branch:
    root = _Branch()
    for pattern, each in told.items():
        branch = root
        for step in pattern.split("."):
            branch = branch.below.setdefault(step, _Branch())
        branch.told = each
    return root


def _following(branch: _Branch | None, node: Node) -> _Branch | None:
    return (branch.below.get(node.name) or branch.below.get("*")) if branch else None
