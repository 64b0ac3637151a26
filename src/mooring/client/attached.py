"""A command running on the server with this side's input and output attached (`mooring run`, `exec`). Must not: know a terminal.

A WebSocket: text messages are JSON (the request, a new size, the end of input; back: the exit code), binary ones are
bytes typed, and bytes written with one byte in front: 1 for standard output, 2 for standard error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self
from urllib.parse import urlunsplit

import msgspec
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from mooring.client.problems import ProblemDocument, error_of
from mooring.client.wire import Wire
from mooring.errors import OutcomeUnknown, PlatformNotRunning
from mooring.usecases.requests import EndOfInput, Resize, RunEnded

STREAMS = {1: "stdout", 2: "stderr"}
_OPEN_TIMEOUT = 20.0
_LARGEST_MESSAGE = 1 << 20


class Attached:
    """Use as a context: leaving it hangs up, which ends the command. `write` and friends may be called from another thread."""

    def __init__(self, context: AbstractContextManager[ClientConnection]) -> None:
        self._context = context
        self._connection = context.__enter__()
        self._exit_code: int | None = None

    @classmethod
    def open(cls, wire: Wire, path: str, request: msgspec.Struct) -> Self:
        """Raises what the server refuses it with."""
        try:
            attached = cls(_connected(wire, path))
            attached._connection.send(msgspec.json.encode(request).decode())
        except (WebSocketException, OSError) as lost:
            raise _translated(lost, wire.place) from lost
        return attached

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        """Typed on this side. What comes after the end is dropped."""
        self._send(chunk)

    def close_input(self) -> None:
        self._send(msgspec.json.encode(EndOfInput()).decode())

    def resize(self, *, rows: int, columns: int) -> None:
        self._send(msgspec.json.encode(Resize(rows=rows, columns=columns)).decode())

    def output(self) -> Iterator[tuple[str, bytes]]:
        """Pairs of `stdout` or `stderr` and bytes, until the command has ended."""
        try:
            for message in self._connection:
                if isinstance(message, str):
                    self._exit_code = _ended(message)
                    return
                yield STREAMS.get(message[0], "stdout"), message[1:]
        except (WebSocketException, OSError) as lost:
            raise _translated(lost, "the platform") from lost

    def wait(self) -> int:
        """The exit code, 128 + signal number when killed; what is still written meanwhile is dropped."""
        if self._exit_code is None:
            for _ in self.output():
                pass
        if self._exit_code is None:
            raise OutcomeUnknown("the connection ended before the command did", hint="`mooring logs` may show more")
        return self._exit_code

    def close(self) -> None:
        self._context.__exit__(None, None, None)

    def _send(self, message: bytes | str) -> None:
        try:
            self._connection.send(message)
        except (WebSocketException, OSError):
            return


def _connected(wire: Wire, path: str) -> AbstractContextManager[ClientConnection]:
    headers = wire.headers()
    if wire.way is not None:
        return connect(
            f"ws://mooring{path}",
            sock=wire.open_socket(),
            additional_headers=headers,
            max_size=_LARGEST_MESSAGE,
            open_timeout=_OPEN_TIMEOUT,
            compression=None,
            proxy=None,
        )
    assert wire.url is not None
    scheme = "wss" if wire.url.scheme == "https" else "ws"
    address = urlunsplit((scheme, wire.url.netloc, path, "", ""))
    return connect(address, additional_headers=headers, max_size=_LARGEST_MESSAGE, open_timeout=_OPEN_TIMEOUT, compression=None)


def _ended(message: str) -> int:
    """The exit code; raises the error when the message is a problem document."""
    body = message.encode()
    try:
        msgspec.json.decode(body, type=ProblemDocument)
    except msgspec.MsgspecError:
        return msgspec.json.decode(body, type=RunEnded).exit_code
    raise error_of(body, status=500)


def _translated(lost: Exception, place: str) -> Exception:
    if isinstance(lost, InvalidStatus):
        return error_of(bytes(lost.response.body or b""), status=lost.response.status_code)
    if isinstance(lost, InvalidHandshake):
        return PlatformNotRunning(f"no platform answers at {place}", hint="`mooring up` starts it")
    return OutcomeUnknown("the connection broke while the command ran", hint="the command was ended; see `mooring logs`")
