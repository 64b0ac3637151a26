"""What came of another tool's file: the settings for mooring.toml, and a row for every key of it. Must not: translate."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from mooring.manifest.wording import quoted

Value = str | int | float | bool | tuple[str, ...]


class Outcome(enum.Enum):
    """What became of a key. `NEEDLESS`: Mooring does it without being told."""

    MAPPED = "mapped"
    PARTLY = "partly mapped"
    NEEDLESS = "needs no key"
    NOT_YET = "not yet"
    NOT_MAPPED = "not mapped"
    UNKNOWN = "unknown key"


class Told(msgspec.Struct, frozen=True):
    """What is said of a key that no setting was made of: why, and what to do instead."""

    outcome: Outcome
    why: str
    instead: str = ""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key of mooring.toml. `source` and `line`: where it comes from. A draft is written as a comment: something is missing still."""

    key: str
    value: Value
    source: str
    line: int
    is_draft: bool = False

    @property
    def text(self) -> str:
        """As TOML: `processes.web.count = 2`."""
        return f"{self.key} = {toml(self.value)}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the source, or a table of it as a whole. `settings`: what stands for it in mooring.toml, as TOML.

    `why` and `instead` are sentences, empty where nothing is left to say; `commands` are what to type.
    """

    source: str
    line: int
    outcome: Outcome
    settings: tuple[str, ...] = ()
    why: str = ""
    instead: str = ""
    commands: tuple[str, ...] = ()


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """`dialect`: whose file it is. `app`: the name it gives, empty without one. `toml`: the whole mooring.toml. Rows by line."""

    file: str
    dialect: str
    app: str
    toml: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """Everything that is left to type, each once."""
        return tuple(dict.fromkeys(command for row in self.rows for command in row.commands))


Explanations = Mapping[str, Told]
"""By the key in the source; `*` stands for any name or position."""


def toml(value: Value) -> str:
    """A value as TOML."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return quoted(value)
    return f"[{', '.join(quoted(item) for item in value)}]"
