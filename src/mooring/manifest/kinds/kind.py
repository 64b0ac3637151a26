"""What every kind of value can do: read one from TOML or JSON, write it back, describe itself to editors.

A kind says what was expected; the key and the place are the caller's to add. Must not: know a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Schema = dict[str, object]


class Mismatch(Exception):
    """The value is not of the kind. `rule` says what one is; `hint` the fix, empty for the key's own; `item` the guilty element, and
    `others` what is wrong with the elements after it."""

    def __init__(self, rule: str, *, hint: str = "", item: object = None, others: Sequence[Mismatch] = ()) -> None:
        super().__init__(rule)
        self.rule = rule
        self.hint = hint
        self.item = item
        self.others = tuple(others)


class Kind(Protocol):
    @property
    def word(self) -> str:
        """The type in a word or two, for the reference page."""

    def read(self, value: object) -> object:
        """The value as the program uses it; raises Mismatch."""

    def write(self, value: object) -> str:
        """The value read by `read`, as TOML."""

    def schema(self) -> Schema:
        """The value as JSON Schema."""


def javascript(pattern: str) -> str:
    """The anchors of a Python pattern as JSON Schema has them."""
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")
