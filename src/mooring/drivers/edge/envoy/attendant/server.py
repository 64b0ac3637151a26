"""The attendant's two sockets, one for requests that wait and one for certificates: read request by request. Must not: decide."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from mooring.drivers.edge.envoy.attendant.certificates import answer_certificates
from mooring.drivers.edge.envoy.attendant.exchange import LARGEST_HEAD, Answer, Request, Unreadable, read_request, write_answer
from mooring.drivers.edge.envoy.attendant.waiting_room import WaitingRoom
from mooring.drivers.edge.envoy.retries import RETRY_HEADER
from mooring.drivers.edge.envoy.routes import ROUTE_HEADER
from mooring.drivers.edge.envoy.settings import Layout
from mooring.drivers.edge.ledger import read_entry
from mooring.drivers.edge.pages import HTML_TYPE, JSON_TYPE, SEND_AGAIN, Message, prefers_json, render_html, render_json, wants_page
from mooring.drivers.edge.waited import note
from mooring.drivers.peers import is_confined
from mooring.errors import StateDamaged, Unavailable
from mooring.model.routing import RouteTable

LINGER = 5.0  # seconds
Answering = Callable[[Request, StreamReader], Awaitable[Answer]]


class Attendant:
    """Serves until it is cancelled."""

    def __init__(self, layout: Layout, *, token: str, max_held: int) -> None:
        self._layout = layout
        self._token = token
        self._room = WaitingRoom(self._table, most=max_held, note=partial(note, layout.waited_for))

    async def serve(self) -> None:
        waiting = await _listen(self._layout.waiting_socket, self._waited)
        certificates = await _listen(self._layout.certificate_socket, self._certified)
        async with waiting, certificates:
            await asyncio.gather(waiting.serve_forever(), certificates.serve_forever())

    def _table(self, slug: str) -> RouteTable | None:
        """None when nothing is routed, or when its file cannot be read."""
        try:
            entry = read_entry(self._layout.tables / f"{slug}.json")
        except (StateDamaged, Unavailable):
            return None
        return entry.table if entry else None

    async def _certified(self, request: Request, _: StreamReader) -> Answer:
        return answer_certificates(request, self._layout)

    async def _waited(self, request: Request, reader: StreamReader) -> Answer:
        """Hold it, unless its client leaves first. Raises Unreadable when it does."""
        waiting = asyncio.create_task(
            self._room.wait(request.headers.get(ROUTE_HEADER, ""), is_browser=wants_page(request.headers.get("accept", "")))
        )
        leaving = asyncio.create_task(_closed(reader, is_read=request.body is not None))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise Unreadable
            message = waiting.result()
        finally:
            waiting.cancel()
            leaving.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)
        return _page(message, request) if message else self._again(request)

    def _again(self, request: Request) -> Answer:
        """Envoy sends it again when it sees the token. Where it could not keep the body, the person reads why."""
        page = _page(SEND_AGAIN, request)
        if request.body is None:
            return page
        return Answer(status=page.status, reason=page.reason, headers={**page.headers, RETRY_HEADER: self._token}, body=page.body)


def _page(message: Message, request: Request) -> Answer:
    is_json = prefers_json(request.headers.get("accept", ""))
    body = render_json(message) if is_json else render_html(message, host=request.headers.get("host", ""))
    retry = {"retry-after": str(message.retry_after)} if message.retry_after else {}
    headers = {"content-type": JSON_TYPE if is_json else HTML_TYPE, "cache-control": "no-store", **retry}
    return Answer(status=message.status, reason="Unavailable", headers=headers, body=body.encode())


async def _closed(reader: StreamReader, *, is_read: bool) -> None:
    """Returns when the peer closes. With a body still coming there is nothing to tell by."""
    if not is_read:
        await asyncio.Event().wait()
    await reader.read(1)


async def _listen(path: Path, answer: Answering) -> asyncio.Server:
    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            is_open = not is_confined(writer.get_extra_info("socket"))  # keys of certificates are for the edge
            while is_open and await _exchange(reader, writer, answer):
                continue
        except (Unreadable, ConnectionError):
            pass  # Envoy has closed: whoever waited has gone
        finally:
            writer.close()

    path.unlink(missing_ok=True)  # left by an earlier attendant, it would be in the way
    server = await asyncio.start_unix_server(connected, str(path), limit=LARGEST_HEAD, backlog=1024)
    path.chmod(0o600)
    return server


async def _exchange(reader: StreamReader, writer: StreamWriter, answer: Answering) -> bool:
    """One request; whether there may be another on the connection."""
    request = await read_request(reader)
    is_last = request.body is None
    await write_answer(writer, await answer(request, reader), is_last=is_last)
    if is_last:
        await _let_read(reader, writer)
    return not is_last


async def _let_read(reader: StreamReader, writer: StreamWriter) -> None:
    """Closing with a body unread would destroy the answer on its way: take the rest until the peer has closed."""
    writer.write_eof()
    try:
        async with asyncio.timeout(LINGER):
            while await reader.read(65_536):
                continue
    except TimeoutError:
        return
