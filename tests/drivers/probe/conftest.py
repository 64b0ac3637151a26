"""A server that answers as it is told, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """`answer` gets the path and gives the bytes to send; None: say nothing; empty: hang up. `heads` are the requests seen."""

    def __init__(self) -> None:
        self.answer: Callable[[str], bytes | None] = lambda _: OK
        self.heads: list[str] = []
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                said = self.answer(head.split(" ")[1])
                if said is None:
                    await asyncio.sleep(3600)
                elif not said:
                    break
                else:
                    writer.write(said)
                    await writer.drain()
        writer.close()

    def hang_up(self) -> None:
        """On everybody who is connected."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.hang_up()
        listener.close()
