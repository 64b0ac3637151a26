"""Values laid over each other, lowest first, each remembering where it stands. Must not: read a file or judge a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from mooring.manifest.keys.health import CHECKS, QUESTIONS
from mooring.manifest.keys.table import KEYS, pattern_of

BUILDER = "builder"
_INHERITED_BY = ("startup", "readiness")


class Found(msgspec.Struct, frozen=True):
    """A value as its kind read it. `line` 0: not from a line of a file (the builder's offer)."""

    value: object
    file: str
    line: int = 0

    @property
    def origin(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


Layer = dict[str, Found]


class Layers:
    """All layers of one reading merged: what is asked for a key is its highest value, or the table's default."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._merged: Layer = {}
        for layer in layers:
            for key, found in layer.items():
                for displaced in _displaced(key, found):
                    self._merged.pop(displaced, None)
            self._merged.update(layer)

    def __contains__(self, key: str) -> bool:
        return key in self._merged

    def __iter__(self) -> Iterator[str]:
        return iter(self._merged)

    def found(self, key: str) -> Found | None:
        return self._merged.get(key)

    def value(self, key: str) -> object:
        """What was said, else the default of the table."""
        found = self._merged.get(key)
        return KEYS[pattern_of(key) or key].default if found is None else found.value

    def text(self, key: str) -> str:
        """A text's value, empty without one."""
        return str(self.value(key) or "")

    def below(self, table: str) -> Layer:
        """What was said below a table, by the rest of its key, in order: `env` gives LOG_LEVEL."""
        prefix = f"{table}."
        return {key.removeprefix(prefix): found for key, found in self._merged.items() if key.startswith(prefix)}

    def place(self, *keys: str) -> tuple[str, int]:
        """File and line of the first of these keys that was said, for a problem; mooring.toml as a whole otherwise."""
        for key in keys:
            found = self._merged.get(key)
            if found is not None:
                return found.file, found.line
        return "mooring.toml", 0


def _displaced(key: str, found: Found) -> list[str]:
    """Keys of lower layers that this one speaks for: another question about health, or a part of what it says as a whole."""
    table, _, name = key.rpartition(".")
    parts = table.split(".")
    if len(parts) < 3 or parts[0] != "processes" or parts[2] != "health":
        return []
    tables = [table] if parts[-1] in CHECKS else [table, *(f"{table}.{check}" for check in _INHERITED_BY)]
    names = QUESTIONS if name in QUESTIONS and found.value is not False else (name,)
    return [f"{where}.{each}" for where in tables for each in names]
