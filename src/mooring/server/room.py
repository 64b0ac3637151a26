"""How much memory the bodies of all requests under way may take together, so that many slow ones take no more than a few.

A small body always finds room: its share is not counted. Must not: make anybody wait, or know what a body is for.
"""

from __future__ import annotations

from types import TracebackType

from mooring.errors import Unavailable

UNCOUNTED = 16_384  # bytes of each body
TOGETHER = 16_000_000  # bytes of all bodies beyond that


class TooBusy(Unavailable):
    """HTTP 429: the same request is likely to find room soon."""

    code = "too-busy"
    status = 429


class Room:
    def __init__(self, size: int = TOGETHER) -> None:
        self._left = size

    def share(self) -> Share:
        """For one body; a context that gives back what it took."""
        return Share(self)

    def take(self, count: int) -> None:
        """Raises TooBusy. A negative count gives back."""
        if count > self._left:
            raise TooBusy("other requests with large bodies are being read", hint="ask again in a few seconds")
        self._left -= count


class Share:
    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def __enter__(self) -> Share:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._room.take(-self._taken)

    def grow_to(self, size: int) -> None:
        """The body has `size` bytes now. Raises TooBusy."""
        more = max(size - UNCOUNTED, 0) - self._taken
        self._room.take(more)
        self._taken += more
