"""Server-sent events: messages as they come, a heartbeat when nothing does, an end when the story, the token or the server ends.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html. A stream that has told everything says `event: end`; one
that ends without it was cut, and is taken up with `Last-Event-ID`. Must not: outlive its caller's token by 5 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import StreamingResponse

from mooring.client.problems import document_of
from mooring.errors import InvalidInput, MooringError, Unauthorized, Unavailable
from mooring.model.instance import LogLine

if TYPE_CHECKING:
    from mooring.server.callers import Caller

HEARTBEAT = 5.0  # seconds
VALIDITY = 2.0  # seconds between two looks at the caller's token
MOST_STREAMS = 200

Message = tuple[str, str, object]  # id (may be empty), event, value


async def log_messages(told: AsyncIterator[LogLine]) -> AsyncIterator[Message]:
    async for line in told:
        yield "", "line", line


class Streams:
    """All that are open: counted, and ended together when the server stops."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()
        self.count = 0

    def close(self) -> None:
        self._closing.set()

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    def check_room(self) -> None:
        """Raises Unavailable when too many are open."""
        if self.count >= MOST_STREAMS:
            raise Unavailable(f"{MOST_STREAMS} streams are open already", hint="close one, or try again later")

    def respond(self, messages: AsyncIterator[Message], caller: Caller) -> StreamingResponse:
        """An endless answer. `messages` is closed with it."""
        self.check_room()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(self._told(messages, caller), media_type="text/event-stream", headers=headers)

    async def _told(self, messages: AsyncIterator[Message], caller: Caller) -> AsyncIterator[bytes]:
        self.count += 1
        try:
            yield b"retry: 500\n\n"
            async for piece in self._pieces(messages, caller.is_valid):
                yield piece
        except MooringError as error:
            yield encode(("", "problem", document_of(error, instance="")))
        finally:
            self.count -= 1

    async def _pieces(self, messages: AsyncIterator[Message], is_valid: Callable[[], bool]) -> AsyncIterator[bytes]:
        closing = asyncio.ensure_future(self._closing.wait())
        coming = asyncio.ensure_future(_next(messages))
        silent = 0.0
        try:
            while True:
                await asyncio.wait({coming, closing}, timeout=VALIDITY, return_when=asyncio.FIRST_COMPLETED)
                if not is_valid():
                    raise Unauthorized("the token has ended", hint="ask with another one")
                if coming.done():
                    message = coming.result()
                    if message is None:
                        yield b"event: end\ndata: {}\n\n"
                        return
                    yield encode(message)
                    silent = 0.0
                    coming = asyncio.ensure_future(_next(messages))
                elif closing.done():
                    return
                elif (silent := silent + VALIDITY) >= HEARTBEAT:
                    yield b": still here\n\n"
                    silent = 0.0
        finally:
            closing.cancel()
            coming.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await coming
            await _close(messages)


def encode(message: Message) -> bytes:
    """JSON holds no bare newline, so one data line is enough."""
    identity, event, value = message
    lines = [f"id: {identity}"] if identity else []
    return "\n".join([*lines, f"event: {event}", ""]).encode() + b"data: " + msgspec.json.encode(value) + b"\n\n"


def last_seen(headers: Mapping[str, str], after: int) -> int:
    """`Last-Event-ID` of a connection that is taken up again, else `after`. Raises InvalidInput."""
    text = headers.get("last-event-id", "").strip()
    if not text:
        return after
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput("the Last-Event-ID is not one of ours", hint="send the id of the last event that arrived")
    return int(text)


async def _next(messages: AsyncIterator[Message]) -> Message | None:
    return await anext(messages, None)


async def _close(messages: AsyncIterator[Message]) -> None:
    close = getattr(messages, "aclose", None)
    if close is not None:
        await close()
