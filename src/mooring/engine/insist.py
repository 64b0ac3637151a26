"""Writing down what has been decided, however long a full disk makes it take. Must not: be used for what may still be undone."""

from __future__ import annotations

from collections.abc import Callable

from mooring.engine.parts import Parts
from mooring.errors import DriverError
from mooring.model.events import EventKind

_FIRST, _LONGEST = 0.5, 10.0  # seconds between two tries


async def insist(parts: Parts, write: Callable[[], None]) -> None:
    """Until it could be written. `write` may be repeated from its beginning."""
    pause = _FIRST
    while True:
        try:
            write()
            return
        except DriverError as error:
            parts.announcer.say(EventKind.PLATFORM, message=f"the state cannot be written, trying again: {error}")
            await parts.clock.sleep(pause)
            pause = min(_LONGEST, 2 * pause)
