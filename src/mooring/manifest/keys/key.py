"""A row of the table of keys, and the heading it stands under. Must not: read a file."""

from __future__ import annotations

import msgspec

from mooring.manifest.kinds.kind import Kind


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key. Capitals in `path` stand for a name of the user's. `example` is TOML that may stand alone.

    `default` is the value as read; `default_text` says it in words where it is not one value. `fix` is what to do about a wrong value,
    where the kind has nothing better; else the example is shown.
    """

    path: str
    kind: Kind
    summary: str
    example: str
    text: str = ""
    default: object = None
    default_text: str = ""
    fix: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def said_default(self) -> str:
        """The default for people: TOML, or a few words."""
        if self.default_text:
            return self.default_text
        return "none" if self.default is None else self.kind.write(self.default)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A table of keys. `path` is empty for the keys at the top; `noun` is what one such table is, for "X is a table"."""

    path: str
    noun: str
    summary: str
    text: str = ""
    keys: tuple[Key, ...]
