"""The sockets and the protocol below the application: who is at the other end, and how long they may take. Must not: know a route.

Uvicorn would make its Unix socket 0666, answer broken HTTP in plain text, and wait for slow headers without end.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import h11
import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mooring.client.location import check_private
from mooring.client.problems import CONTENT_TYPE, document_of
from mooring.errors import InvalidInput, Refused, Unavailable
from mooring.server.callers import PEER, peer_of

HEADER_TIMEOUT = 10.0  # seconds for a whole request head
KEEP_ALIVE = 30  # seconds
MOST_CONNECTIONS = 500
LARGEST_HEAD = 65_536
_GRACE = 5  # seconds for answers under way when the server stops
_TICK = 1.0  # seconds between two renewals of the Date header
_TICKS = 10  # as many of uvicorn's own, of which it acts at every tenth


class _Closing(Protocol):
    def close(self) -> None: ...


def unix_socket(path: Path) -> socket.socket:
    """Bound and listening, 0600 from its first moment, in a directory of ours. Raises Refused when somebody listens there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(path.parent)
    _remove_dead(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    except OSError as foreign:
        made.close()
        raise Unavailable(
            f"{path} cannot be made: {foreign.strerror}", hint="see whether the directory is yours and the disk writable"
        ) from foreign
    finally:
        os.umask(before)
    made.listen(128)
    return made


def tcp_socket(address: str, port: int) -> socket.socket:
    """Bound and listening. Raises Unavailable when the port is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((address, port))
    except OSError as foreign:
        made.close()
        raise Unavailable(
            f"the API cannot listen on {address}:{port}: {foreign.strerror}", hint="choose another with `mooring up --api`"
        ) from foreign
    made.listen(128)
    return made


def _remove_dead(path: Path) -> None:
    """A socket that nobody answers on is left from a controller that died."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Refused(f"{path} is in the way and is no socket", hint="remove it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(1.0)
            if asking.connect_ex(str(path)) == 0:
                raise Refused(f"a controller answers on {path} already", hint="`mooring status` shows it; `mooring down` stops it")
        path.unlink()


class HeadTooLarge(InvalidInput):
    """HTTP 431."""

    code = "head-too-large"
    status = 431


class NotOffered(InvalidInput):
    """HTTP 501."""

    code = "not-offered"
    status = 501


def _codec_error(foreign: BaseException | None) -> InvalidInput:
    """What h11 refused."""
    match getattr(foreign, "error_status_hint", 400):
        case 431:
            return HeadTooLarge(f"the request's head is larger than {LARGEST_HEAD} bytes", hint="send shorter headers")
        case 501:
            return NotOffered("only chunked is taken as a transfer encoding", hint="send the body as it is, or chunked")
        case _:
            return InvalidInput("this is not HTTP/1.1 as it should be")


def _web_socket(**named: Any) -> asyncio.Protocol:
    """With its library: whoever has nobody attached is not to hold it."""
    from mooring.server.web_socket import GuardedWebSocket

    return GuardedWebSocket(**named)


class GuardedProtocol(H11Protocol):
    """Tells the application who is there, and ends connections whose head does not come."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(transport)
        try:
            peer = peer_of(transport.get_extra_info("socket"))
        except OSError:
            transport.abort()  # gone before it was greeted
            return
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self.app_state = {**self.app_state, PEER: peer}
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._is_between_requests and self._head_timer is None:
            self._await_head()
        super().data_received(data)
        if not self._is_between_requests:
            self._stop_awaiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_awaiting()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, which calls this while it handles h11's error; but with a problem document and the status that h11 suggests."""
        error = _codec_error(sys.exception())
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"connection", b"close")]
        with suppress(h11.LocalProtocolError):
            for part in (
                h11.Response(status_code=error.status, headers=headers, reason=HTTPStatus(error.status).phrase.encode()),
                h11.Data(data=msgspec.json.encode(document_of(error, instance=""))),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEADER_TIMEOUT, self.transport.abort)

    def _stop_awaiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class ApiServer(uvicorn.Server):
    """Uvicorn that ends open streams when it is asked to stop, and is told so: by itself it looks ten times a second."""

    def __init__(self, application: ASGIApp, streams: _Closing) -> None:
        self._streams = streams
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                application,
                http=GuardedProtocol,
                ws=_web_socket,  # type: ignore[arg-type]  # uvicorn calls it as it would a class
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=_GRACE,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                ws_max_size=1 << 20,
                ws_max_queue=32,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.close()
        await super().shutdown(sockets)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(_TICKS):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TICK)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called within a signal: the loop is woken by its own means."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    def stop(self) -> None:
        """`serve` returns soon after."""
        self.should_exit = True
        self._told.set()
