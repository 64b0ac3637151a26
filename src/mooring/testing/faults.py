"""Faults that a fake memory meets: the Nth write fails, or lands and then its answer is lost. Must not: draw lots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mooring.errors import Unavailable

Hook = Callable[[int, str], None]


class WriteFaults:
    """Counts writes from 1 and calls the hooks around each with (count, name of the method); a hook raises to make the fault.

    `before`: what it raises, nothing was written. `after`: what it raises, the write has landed (a crash, a lost answer).
    """

    def __init__(self) -> None:
        self.count = 0
        self.before: Hook | None = None
        self.after: Hook | None = None

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        self.count += 1
        if self.before is not None:
            self.before(self.count, name)
        yield
        if self.after is not None:
            self.after(self.count, name)

    def fail_the_write(self, nth: int, error: Exception | None = None) -> None:
        """The `nth` write from now raises `error` (Unavailable: the disk is full) and changes nothing; those after it work again."""
        self.before = _at(self.count + nth, error or Unavailable("the disk is full", hint="free some space, then try again"))

    def lose_the_answer(self, nth: int, error: Exception) -> None:
        """The `nth` write from now lands, and then raises `error`."""
        self.after = _at(self.count + nth, error)

    def clear(self) -> None:
        self.before = self.after = None


def _at(count: int, error: Exception) -> Hook:
    def hook(now: int, _: str) -> None:
        if now == count:
            raise error

    return hook
