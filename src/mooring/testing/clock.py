"""Virtual time: an event loop whose clock jumps to the next scheduled moment when nothing can run now.

A rollout of a minute takes milliseconds, in the same order every time. A loop in which nothing is scheduled any more, that spins
without time going on, or that goes beyond its horizon, raises Stuck: every wait has to end.
Must not: wait for anything real (a thread's work runs at once, in the loop), or be used outside of tests and simulations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from mooring.engine.contract import Clock

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

DAY = 86_400.0
_MOST_TURNS = 100_000  # turns of the loop at one and the same moment: far above what any real story needs


class Stuck(Exception):
    """Nothing will ever happen again, or it never ends."""


class VirtualClock:
    """`wall` and `monotonic` go on together, until `jump` sets them apart."""

    def __init__(self, *, monotonic: float = 1_000.0, wall: float = 1_700_000_000.0) -> None:
        self._now = monotonic
        self._offset = wall - monotonic
        self.before_leap: Callable[[], None] | None = None  # called whenever all that can be done at a moment is done

    def wall(self) -> float:
        return self._now + self._offset

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def jump(self, seconds: float) -> None:
        """Somebody sets the machine's clock: wall time changes, durations do not."""
        self._offset += seconds

    def advance(self, seconds: float) -> None:
        """Time passes: for the loop, and for what is tested without one."""
        self._now += seconds


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs on a VirtualClock. No sockets, no threads, no signals."""

    def __init__(self, clock: VirtualClock, *, within: float = DAY) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _Leap(clock, until=clock.monotonic() + within)

    def time(self) -> float:
        return self._clock.monotonic()

    def run_in_executor(self, executor: object, func: Callable[[*Arguments], Result], *args: *Arguments) -> asyncio.Future[Result]:
        """At once and in the loop: threads have a time of their own."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: nothing outside of the loop exists."""

    def _write_to_self(self) -> None:
        """There is nobody to wake: the loop never sleeps."""


class _Leap:
    """What the loop asks instead of a selector: how long to wait, answered by letting time leap."""

    def __init__(self, clock: VirtualClock, *, until: float) -> None:
        self._clock = clock
        self._until = until
        self._turns = 0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is scheduled and nothing can run: somebody waits for what never comes")
        if timeout <= 0:
            self._spin()
            return []
        self._turns = 0
        if self._clock.before_leap is not None:
            self._clock.before_leap()
        self._clock.advance(timeout)
        if self._clock.monotonic() > self._until:
            self._until = float("inf")  # told once: what cleans up afterwards needs time as well
            raise Stuck("the story does not end")
        return []

    def _spin(self) -> None:
        self._turns += 1
        if self._turns > _MOST_TURNS:
            self._turns = 0
            raise Stuck(f"{_MOST_TURNS} turns without a moment passing: something spins")

    def close(self) -> None:
        """Nothing was opened."""


def run_virtually(story: Coroutine[Any, Any, Result], clock: VirtualClock, *, within: float = DAY) -> Result:
    """Run the coroutine to its end in virtual time; `within` seconds of it, else Stuck."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock, within=within)) as runner:
        return runner.run(story)


_: type[Clock] = VirtualClock
