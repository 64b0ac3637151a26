"""A command with somebody attached, over the engine's own stream: in a container of its own (`mooring run`), or in an instance's
(`mooring exec`). Must not: outlive `close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from aiodocker.stream import Stream

from mooring.drivers.runtime.contract import Terminal
from mooring.drivers.runtime.docker.engine import Engine
from mooring.errors import MooringError

_STREAMS = {1: "stdout", 2: "stderr"}
_SHORTEST, _LONGEST = 0.01, 0.5  # seconds between two looks at whether it has ended


class Session:
    """Fulfils Terminal. `subject` is what the engine calls it: `containers/ID`, or `exec/ID`. `end` sees to it that nothing is left."""

    def __init__(self, engine: Engine, subject: str, stream: Stream, *, is_terminal: bool, end: Callable[[], Awaitable[None]]) -> None:
        self._engine = engine
        self._subject = subject
        self._stream = stream
        self._is_terminal = is_terminal
        self._end_all = end
        self._is_closed = False

    async def begin(self, *, rows: int, columns: int) -> None:
        """A container is attached to first, so that no word is lost, and started then; a command in one begins with its stream."""
        await self._engine.open(self._stream)
        if self._is_container:
            await self._engine.post(f"{self._subject}/start")
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
                await self._engine.post(f"{self._subject}/resize", {"h": rows, "w": columns})

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        while (message := await self._stream.read_out()) is not None:
            yield _STREAMS.get(message.stream, "stdout"), message.data

    async def wait(self) -> int:
        if self._is_container:
            answer = await self._engine.post(f"{self._subject}/wait", within=None)
            return int(answer["StatusCode"])
        return await ended_with(self._engine, self._subject.removeprefix("exec/"))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.shield(self._end())

    @property
    def _is_container(self) -> bool:
        return self._subject.startswith("containers/")

    async def _end(self) -> None:
        try:
            await self._stream.close()
        finally:
            await self._end_all()


async def ended_with(engine: Engine, command: str) -> int:
    """The exit code of a command in a container, when it has ended."""
    pause = _SHORTEST
    while (found := await engine.get(f"exec/{command}/json"))["Running"]:
        await asyncio.sleep(pause)
        pause = min(_LONGEST, pause * 2)
    return int(found["ExitCode"] or 0)


_: type[Terminal] = Session
