"""Gathers what is wrong while a manifest is read, so that all of it is said at once. Must not: stop at the first."""

from __future__ import annotations

from mooring.errors import ManifestInvalid
from mooring.model.problem import Problem

LIMIT = 100


class Problems:
    """Of one reading. A hostile file could make a million: after LIMIT they are only counted."""

    def __init__(self) -> None:
        self._found: set[Problem] = set()
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def is_full(self) -> bool:
        return len(self._found) >= LIMIT

    def are_in(self, file: str) -> bool:
        """Whether any is in a file of this name, in whatever folder: what it was meant to say is then not known."""
        return any(problem.file.endswith(file) for problem in self._found)

    def add(self, file: str, line: int, *, key: str = "", message: str, hint: str = "") -> None:
        """Remember one. `line` 0 means the file as a whole."""
        if self.is_full:
            self._more += 1
        else:
            self._found.add(Problem(file=file, line=line, key=key, message=message, hint=hint))

    def raise_any(self) -> None:
        """Raises ManifestInvalid with all that were added, in the order of file and line; does nothing when there are none."""
        if not self._found:
            return
        ordered = sorted(self._found)
        if self._more:
            ordered.append(Problem(file=ordered[-1].file, line=0, key="", message=f"and {self._more} more problems after these"))
        raise ManifestInvalid(ordered)
