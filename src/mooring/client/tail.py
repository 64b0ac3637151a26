"""Log lines over a connection that was taken up again: the history comes once more, and only what is new in it is given.

Lines have no numbers, so what is told again is found by comparing it with the end of what was told. Must not: ask for anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from mooring.model.instance import LogLine


class Tail:
    """`kept` lines of each source are remembered: as many as the history that is asked for again."""

    def __init__(self, kept: int) -> None:
        self._kept = max(kept, 1)
        self._told: dict[tuple[str, int, str], deque[LogLine]] = {}
        self._again: dict[tuple[str, int, str], _Overlap] = {}

    def reconnected(self) -> None:
        """From here on the history is told once more."""
        self._again = {source: _Overlap(tuple(told)) for source, told in self._told.items()}

    def new(self, line: LogLine) -> Iterator[LogLine]:
        """What is to be given now that this line came: nothing, itself, or also what was held back."""
        source = (line.source, line.release, line.stream)
        overlap = self._again.get(source)
        found = [line] if overlap is None else overlap.new(line)
        if overlap is not None and overlap.is_over:
            del self._again[source]
        self._told.setdefault(source, deque(maxlen=self._kept)).extend(found)
        yield from found


class _Overlap:
    """Of one source: the longest end of what was told that is a beginning of what is told now."""

    def __init__(self, told: tuple[LogLine, ...]) -> None:
        self._told = told
        self._possible = list(range(len(told)))  # where in `told` the new telling may have begun
        self._held: list[LogLine] = []
        self._certain = 0  # how many of those held are known to have been told
        self.is_over = False

    def new(self, line: LogLine) -> list[LogLine]:
        place = len(self._held)
        self._held.append(line)
        self._possible = [start for start in self._possible if start + place < len(self._told) and self._told[start + place] == line]
        if any(start + place == len(self._told) - 1 for start in self._possible):
            self._certain = len(self._held)
        longest = min(self._possible, default=None)
        if longest is not None and longest + place < len(self._told) - 1:
            return []
        self.is_over = True
        return self._held[self._certain :]
