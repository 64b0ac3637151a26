"""The real clock. Must not: be called by anything that was not handed it as a `Clock`."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Wall time for records, monotonic time for durations."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
