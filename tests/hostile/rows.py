"""The hostile inputs of `tests/cases/hostile` as values: a file per class, a row per input. Must not: know what an entry is."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).resolve().parents[1] / "cases" / "hostile"
OUTCOMES = frozenset({"refused", "carried", "withheld", "ignored", "harmless", "cut", "one reading"})
_KEYS = frozenset({"id", "entry", "slot", "input", "base64", "prefix", "repeat", "body", "commit", "expected", "field"})


@dataclass(frozen=True)
class Row:
    """`slot` says where in its entry the input goes, `expected` how that ends, `field` what a refusal names."""

    group: str
    id: str
    entry: str
    slot: str
    content: bytes
    expected: str
    field: str
    extra: Mapping[str, object] = field(default_factory=dict, hash=False)

    def bytes(self, **places: str) -> bytes:
        """The input; `{canary}` and the like replaced by what they stand for."""
        content = self.content
        for name, place in places.items():
            content = content.replace(b"{%b}" % name.encode(), place.encode())
        return content

    def text(self, **places: str) -> str:
        return self.bytes(**places).decode()

    def named(self, **places: str) -> str:
        """What a refusal names, with the same replacements."""
        found = self.field
        for name, place in places.items():
            found = found.replace(f"{{{name}}}", place)
        return found


def all_rows() -> list[Row]:
    return [row for path in sorted(CASES.glob("*.toml")) for row in _rows(path)]


def rows_of(*entries: str) -> list[Row]:
    return [row for row in all_rows() if row.entry in entries]


def _rows(path: Path) -> list[Row]:
    document = tomllib.loads(path.read_text())
    return [_row(path.stem, each) for each in document["row"]]


def _row(group: str, found: dict[str, object]) -> Row:
    assert found.keys() <= _KEYS, found
    assert ("input" in found) != ("base64" in found), found
    assert found["expected"] in OUTCOMES, found
    content = base64.b64decode(str(found["base64"])) if "base64" in found else str(found["input"]).encode()
    prefix, repeat = str(found.get("prefix", "")), found.get("repeat", 1)
    assert isinstance(repeat, int)
    return Row(
        group=group,
        id=str(found["id"]),
        entry=str(found["entry"]),
        slot=str(found.get("slot", "")),
        content=prefix.encode() + content * repeat,
        expected=str(found["expected"]),
        field=str(found.get("field", "")),
        extra={name: found[name] for name in ("body", "commit") if name in found},
    )
