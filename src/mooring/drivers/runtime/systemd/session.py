"""A command on a host with somebody attached, spoken with in the frames of onhost/sessions.py. Must not: outlive `close`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from mooring.drivers.runtime.contract import Terminal
from mooring.drivers.runtime.systemd.asking import OnHost, failure_of
from mooring.drivers.runtime.systemd.onhost.sessions import (
    ALIVE,
    BEGUN,
    END_OF_INPUT,
    ENDED,
    ERR,
    FAILED,
    HEADER,
    INPUT,
    OUT,
    RESIZE,
    SILENCE,
    WINDOW,
)
from mooring.drivers.transport.contract import Channel
from mooring.errors import OutcomeUnknown

_STREAMS = {OUT: "stdout", ERR: "stderr"}
_CHUNK = 65_536


class Session:
    """Fulfils Terminal."""

    def __init__(self, channel: Channel, stack: AsyncExitStack, *, host: str, is_terminal: bool) -> None:
        self._channel = channel
        self._stack = stack
        self._host = host
        self._is_terminal = is_terminal
        self._heard = bytearray()
        self._code: int | None = None
        self._writing = asyncio.Lock()
        self._breathing = asyncio.create_task(self._breathe())

    async def write(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), _CHUNK):
            await self._say(INPUT, chunk[start : start + _CHUNK])

    async def close_input(self) -> None:
        if self._is_terminal:
            await self.write(b"\x04")
        else:
            await self._say(END_OF_INPUT)

    async def resize(self, *, rows: int, columns: int) -> None:
        await self._say(RESIZE, WINDOW.pack(rows, columns))

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        while self._code is None:
            kind, content = await self._frame()
            if kind in _STREAMS:
                yield _STREAMS[kind], content
            elif kind == ENDED:
                self._code = int(json.loads(content)["code"])

    async def wait(self) -> int:
        async for _ in self.output():
            pass
        assert self._code is not None
        return self._code

    async def close(self) -> None:
        self._breathing.cancel()
        await asyncio.shield(self._stack.aclose())

    async def begun(self) -> None:
        """Returns when it runs. Raises what the host says."""
        kind, _ = await self._frame()
        if kind != BEGUN:
            raise self._lost()

    async def _frame(self) -> tuple[int, bytes]:
        while len(self._heard) < HEADER.size or len(self._heard) < HEADER.size + HEADER.unpack_from(self._heard)[1]:
            piece = await self._channel.read()
            if not piece:
                raise self._lost()
            self._heard += piece
        kind, length = HEADER.unpack_from(self._heard)
        content = bytes(self._heard[HEADER.size : HEADER.size + length])
        del self._heard[: HEADER.size + length]
        if kind == FAILED:
            raise failure_of(json.loads(content), self._host)
        return kind, content

    async def _say(self, kind: int, content: bytes = b"") -> None:
        async with self._writing:
            await self._channel.write(HEADER.pack(kind, len(content)) + content)

    async def _breathe(self) -> None:
        """So that the host knows that this side is there, also where the line ends without a word."""
        while True:
            await asyncio.sleep(SILENCE / 4)
            await self._say(ALIVE)

    def _lost(self) -> OutcomeUnknown:
        return OutcomeUnknown("the host broke off the command", hint="what it had started is ended", where=self._host)


async def opened(host: OnHost, asked: dict[str, Any], *, is_terminal: bool) -> Session:
    """Begun. Raises Unavailable, InvalidInput, OutcomeUnknown."""
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(host.conversation())
        question = json.dumps({"directory": host.directory, "name": secrets.token_hex(8), **asked}).encode()
        session = Session(channel, stack.pop_all(), host=host.transport.host, is_terminal=is_terminal)
    try:
        await channel.write(HEADER.pack(INPUT, len(question)) + question)
        await session.begun()
    except BaseException:
        await session.close()
        raise
    return session


_: type[Terminal] = Session
