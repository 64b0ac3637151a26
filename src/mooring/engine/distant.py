"""Something on another host that is asked how it is: what was seen of it and when, and whether it answers. Must not: know what it is."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mooring.engine.contract import Clock
from mooring.errors import DriverError, NeedsPerson
from mooring.model.host import Sight
from mooring.model.names import HostId

Seen = TypeVar("Seen")


@dataclass
class Distant(ABC, Generic[Seen]):
    """`views` None: it has not answered since this controller began. Times are monotonic seconds; `seen_at`: when that look began.

    `error`: why it does not answer, or nothing; `failed_at`: when that was found. `asked_at`: when the newest look began.
    """

    name: HostId
    clock: Clock
    views: Seen | None = None
    seen_at: float = 0.0
    error: str = ""
    failed_at: float = 0.0
    asked_at: float = 0.0
    _acts: int = field(default=0, init=False)
    _looking: asyncio.Task[None] | None = field(default=None, init=False)

    @abstractmethod
    async def ask(self) -> Seen:
        """How it is now. Raises DriverError, or NeedsPerson where its host shows another key."""

    @abstractmethod
    def note(self, seen: Seen, began: float, *, is_newest: bool) -> None:
        """A look that began then has found this; not `is_newest`: something has been done to it since, which the look may not know of."""

    @property
    def is_asked(self) -> bool:
        """Whether a look at it goes on."""
        return self._looking is not None and not self._looking.done()

    def sight(self) -> Sight:
        """How well it is seen."""
        return Sight(host=self.name, age=None if self.views is None else self.clock.monotonic() - self.seen_at, error=self.error)

    def look(self) -> asyncio.Task[None]:
        """The look at it that goes on, or a new one. It ends when it has failed, or no effect was sent since it began."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._looked(), name=f"look at {self.name}")
        return self._looking

    @contextmanager
    def acting(self) -> Iterator[None]:
        """While an effect is on its way: a look that began before its end may not know of it."""
        self._acts += 1
        try:
            yield
        finally:
            self._acts += 1

    def unwatch(self) -> tuple[asyncio.Task[None], ...]:
        """The look at it ends, if there is one; returns what ends, for who wants to wait for that."""
        if self._looking is None:
            return ()
        self._looking.cancel()
        return (self._looking,)

    def believe(self, seen: Seen, began: float) -> None:
        self.views, self.seen_at, self.error = seen, began, ""

    async def _looked(self) -> None:
        while True:
            acts, began = self._acts, self.clock.monotonic()
            self.asked_at = began
            try:
                seen = await self.ask()
            except (DriverError, NeedsPerson) as error:
                self.error, self.failed_at = error.message, self.clock.monotonic()
                return
            self.note(seen, began, is_newest=acts == self._acts)
            if acts == self._acts:
                return
