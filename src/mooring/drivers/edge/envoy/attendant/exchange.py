"""HTTP/1.1 as Envoy speaks it to the attendant over its socket: one request read, one answer written. Must not: know what is asked."""

from __future__ import annotations

from asyncio import IncompleteReadError, StreamReader, StreamWriter

import msgspec

LARGEST_HEAD = 262_144
LARGEST_BODY = 1_048_576


class Unreadable(Exception):
    """The peer has closed, or does not speak HTTP: the connection is of no more use."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`body` None: it is too large, and was not read to its end. Header names are lower case; of equal ones the last counts."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


async def read_request(reader: StreamReader) -> Request:
    """Raises Unreadable."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = dict(_header(line) for line in lines)
        return Request(method=method, target=target, headers=headers, body=await _read_body(reader, headers))
    except (IncompleteReadError, ValueError, ConnectionError, LookupError, OverflowError) as error:
        raise Unreadable from error


async def write_answer(writer: StreamWriter, answer: Answer, *, is_last: bool) -> None:
    closing = {"connection": "close"} if is_last else {}
    headers = {**answer.headers, "content-length": str(len(answer.body)), **closing}
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode("latin-1") + answer.body)
    await writer.drain()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


async def _read_body(reader: StreamReader, headers: dict[str, str]) -> bytes | None:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = int(headers.get("content-length", "0"))
    return None if length > LARGEST_BODY else await reader.readexactly(length)


async def _read_chunks(reader: StreamReader) -> bytes | None:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(body) + size > LARGEST_BODY:
            return None
        body += (await reader.readexactly(size + 2))[:size]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue  # trailers
    return bytes(body)
