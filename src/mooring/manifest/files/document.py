"""A parsed file with the line of each of its keys. Must not: know the file's format."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

Path = tuple[str, ...]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`lines` holds every key and every table on the way to one; `file` is the name that problems are reported under."""

    file: str
    values: dict[str, object]
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The key's line, else that of the nearest table around it; 0 when nothing is known."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 0


def first_lines(places: Iterable[tuple[Path, int]]) -> dict[Path, int]:
    """The first line of each path, and of the tables it lies in."""
    lines: dict[Path, int] = {}
    for path, line in places:
        for length in range(len(path), 0, -1):
            if path[:length] in lines:
                break
            lines[path[:length]] = line
    return lines
