"""One thing wrong with what describes an app: where, what, and the fix. Must not: decide which problems are fatal."""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """`file` is relative to the app; `line` is 1-based, 0 when the whole file is meant; `key` a dotted path or empty."""

    file: str
    line: int
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" + (f"\n    fix: {self.hint}" if self.hint else "")
