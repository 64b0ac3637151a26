"""Faults that a fake driver meets: an effect fails, or lands and then its answer is lost; or it is down. Must not: draw lots.

A simulation sets `before` and `after`; a test of one case says `fail` or `lose_answer`. A hook may raise anything, a crash of
the controller (a BaseException of its own) included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from mooring.errors import OutcomeUnknown, Unavailable

Subject = TypeVar("Subject")


class DriverFaults(Generic[Subject]):
    """Hooks around each effect with (name of the method, what it is about). `what` names the driver in messages."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.before: Callable[[str, Subject], None] | None = None
        self.after: Callable[[str, Subject], None] | None = None
        self.is_down = False  # it cannot be looked at: raises Unavailable
        self._failing: list[tuple[str, BaseException]] = []
        self._losing: list[tuple[str, BaseException]] = []

    def fail(self, method: str, error: BaseException | None = None, *, times: int = 1) -> None:
        """The next `times` calls of `method` change nothing and raise `error` (Unavailable)."""
        self._failing += [(method, error or Unavailable(f"{method} was refused"))] * times

    def lose_answer(self, method: str, error: BaseException | None = None, *, times: int = 1) -> None:
        """The next `times` calls of `method` take effect and raise `error` (OutcomeUnknown)."""
        self._losing += [(method, error or OutcomeUnknown(f"the answer to {method} was lost"))] * times

    def recover(self) -> None:
        """What was to fail, or to be lost, and has not been met yet, will not be."""
        self._failing.clear()
        self._losing.clear()

    @contextmanager
    def around(self, method: str, subject: Subject) -> Iterator[None]:
        _raise_next(self._failing, method)
        if self.before is not None:
            self.before(method, subject)
        yield
        if self.after is not None:
            self.after(method, subject)
        _raise_next(self._losing, method)

    def check_sight(self) -> None:
        if self.is_down:
            raise Unavailable(f"the {self._what} gives no answer")


def _raise_next(waiting: list[tuple[str, BaseException]], method: str) -> None:
    for index, (name, error) in enumerate(waiting):
        if name == method:
            del waiting[index]
            raise error
