"""A command with somebody attached (`mooring run`), in a container of its own that goes when they do. Must not: outlive `close`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from aiodocker.stream import Stream

from mooring.drivers.runtime.contract import Terminal
from mooring.drivers.runtime.docker.engine import Engine
from mooring.errors import MooringError

_STREAMS = {1: "stdout", 2: "stderr"}


class Session:
    """Fulfils Terminal. `discard` removes the container, running or not."""

    def __init__(
        self, engine: Engine, container: str, stream: Stream, *, is_terminal: bool, discard: Callable[[], Awaitable[None]]
    ) -> None:
        self._engine = engine
        self._container = container
        self._stream = stream
        self._is_terminal = is_terminal
        self._discard = discard
        self._is_closed = False

    async def begin(self, *, rows: int, columns: int) -> None:
        """Attach first, so that no word is lost, and start then."""
        await self._stream.__aenter__()
        await self._engine.post(f"containers/{self._container}/start")
        await self.resize(rows=rows, columns=columns)

    async def write(self, chunk: bytes) -> None:
        """What comes after its end is dropped."""
        with suppress(OSError, RuntimeError, AssertionError):  # aiodocker's words for a connection that has ended
            await self._stream.write_in(chunk)

    async def close_input(self) -> None:
        if self._is_terminal:
            await self.write(b"\x04")
            return
        connection = self._stream._resp.connection if self._stream._resp is not None else None
        if connection is not None and connection.transport is not None and connection.transport.can_write_eof():
            connection.transport.write_eof()

    async def resize(self, *, rows: int, columns: int) -> None:
        if self._is_terminal and not self._is_closed:
            with suppress(MooringError):  # it has ended
                await self._engine.post(f"containers/{self._container}/resize", {"h": rows, "w": columns})

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        while (message := await self._stream.read_out()) is not None:
            yield _STREAMS.get(message.stream, "stdout"), message.data

    async def wait(self) -> int:
        answer = await self._engine.post(f"containers/{self._container}/wait", within=None)
        return int(answer["StatusCode"])

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        try:
            await self._stream.close()
        finally:
            await self._discard()


_: type[Terminal] = Session
