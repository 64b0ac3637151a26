"""A bell: somebody rings, whoever waits looks again. Rings while nobody waits are not lost. Must not: carry a message."""

from __future__ import annotations

import asyncio

from mooring.engine.contract import Clock


class Bell:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, *, at_most: float) -> None:
        """Until rung, or `at_most` seconds of the given clock."""
        ringing = asyncio.ensure_future(self._rung.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(at_most))
        try:
            await asyncio.wait({ringing, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ringing.cancel()
            sleeping.cancel()
        self._rung.clear()
