"""The least of HTTP/1.1 that a probe needs: one GET on an open connection, its status and headers, its body read and dropped.

Source: RFC 9112. Must not: follow redirects, retry, or believe that an answer is short.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import msgspec

from mooring.drivers.edge.contract import PROBE_AGENT

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 8 * 1024 * 1024


class NotHttp(Exception):
    """What came was no answer, or more than is read."""


class Answer(msgspec.Struct, frozen=True):
    """`headers` have lower-case names. `is_reusable`: the connection may carry another request."""

    status: int
    headers: dict[str, str]
    is_reusable: bool


class Connection:
    """To one address, for requests one after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, address: str, port: int) -> Connection:
        """Raises OSError."""
        return cls(*await asyncio.open_connection(address, port, limit=_HEAD_LIMIT))

    @property
    def is_open(self) -> bool:
        """Whether the other side had not hung up when we last heard of it."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def get(self, path: str, *, host: str, keep: bool) -> Answer:
        """Raises OSError, asyncio.IncompleteReadError, NotHttp."""
        self._writer.write(_request(path, host=host, keep=keep))
        await self._writer.drain()
        status, headers = await self._head()
        while 100 <= status < 200 and status != 101:
            status, headers = await self._head()
        is_delimited = await self._skip_body(status, headers)
        return Answer(status, headers, is_reusable=keep and is_delimited and headers.get("connection", "").lower() != "close")

    def close(self) -> None:
        self._writer.close()

    async def _head(self) -> tuple[int, dict[str, str]]:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise NotHttp("answered with more headers than are read") from error
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not (words[1].isdigit() and len(words[1]) == 3):
            raise NotHttp("answered with something that is not HTTP")
        fields = (line.partition(":") for line in lines[1:] if line)
        return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in fields}

    async def _skip_body(self, status: int, headers: dict[str, str]) -> bool:
        """Whether its end was told, rather than being the end of the connection."""
        if status in (204, 304):
            return True
        if headers.get("transfer-encoding", "").lower().endswith("chunked"):
            await self._skip_chunks()
            return True
        length = headers.get("content-length", "")
        if length.isdigit():
            await self._skip(int(length))
            return True
        left = _BODY_LIMIT
        while left > 0 and (part := await self._reader.read(65_536)):
            left -= len(part)
        return False

    async def _skip_chunks(self) -> None:
        while True:
            size = (await self._reader.readuntil(b"\r\n")).split(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError as error:
                raise NotHttp("answered with a body that is not HTTP") from error
            if length == 0:
                while (await self._reader.readuntil(b"\r\n")) != b"\r\n":
                    pass
                return
            await self._skip(length + 2)

    async def _skip(self, length: int) -> None:
        if length > _BODY_LIMIT:
            raise NotHttp(f"answered with a body of {length} bytes, which a probe does not read")
        while length > 0:
            part = await self._reader.read(min(length, 65_536))
            if not part:
                raise asyncio.IncompleteReadError(b"", length)
            length -= len(part)


def _request(path: str, *, host: str, keep: bool) -> bytes:
    """Nothing in path or host can end a line."""
    target = quote(path, safe="/?&=%:@!$'()*+,;~-._[]")
    name = quote(host, safe=":[].-_*")
    lines = [f"GET {target} HTTP/1.1", f"Host: {name}", f"User-Agent: {PROBE_AGENT}", "Accept: */*"]
    return "\r\n".join([*lines, f"Connection: {'keep-alive' if keep else 'close'}", "", ""]).encode("latin-1")


def reason(error: BaseException) -> str:
    """What went wrong, for people."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was reset before an answer"
        case asyncio.IncompleteReadError(partial=partial):
            return "the connection was closed within an answer" if partial else "the connection was closed before an answer"
        case OSError(strerror=str(text)):
            return text
        case _:
            return str(error) or type(error).__name__
