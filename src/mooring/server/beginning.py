"""Commits that are about to begin: a look that comes meanwhile leaves them alone, and is made up for. Must not: look."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Beginnings(Generic[Key]):
    """Of what, each is known by its key."""

    def __init__(self) -> None:
        self._is_look_due: dict[Key, bool] = {}

    def hold(self, keys: Iterable[Key]) -> bool:
        """Whether one of these is about to begin; then another look is due as soon as it has."""
        held = [key for key in keys if key in self._is_look_due]
        self._is_look_due |= dict.fromkeys(held, True)
        return bool(held)

    def begin(self, key: Key) -> None:
        self._is_look_due[key] = False

    def end(self, key: Key) -> bool:
        """Whether another look is due."""
        return self._is_look_due.pop(key)
