"""One HTTP exchange with the platform, on whatever way leads there. Foreign errors end here. Must not: know any endpoint.

The standard library's client is used because it loads in 30 ms; `mooring ps` has 300 ms for everything.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO
from urllib.parse import SplitResult, urlencode, urlsplit

from mooring.client.problems import error_of
from mooring.client.ways import CONNECT_TIMEOUT, Way
from mooring.errors import InvalidInput, OutcomeUnknown, PlatformNotRunning
from mooring.model.secret import Secret

Query = Mapping[str, str | int | bool | None]
Body = bytes | IO[bytes] | None
PUSH_KEY = "Mooring-Push-Key"
"""Who pushes, by the name of their key: on the socket that is said by the account's own program, which sshd ran for that key."""


class Wire:
    """Where the platform is, and who asks."""

    def __init__(self, *, way: Way | None = None, url: str = "", token: Secret | None = None, push_key: str = "") -> None:
        self.way = way
        self.url = _checked_url(url) if url else None
        self._token = token
        self._push_key = push_key

    @property
    def place(self) -> str:
        """For messages."""
        return self.way.place if self.way else (self.url.geturl() if self.url else "")

    def headers(self) -> dict[str, str]:
        """What goes with every request."""
        pushed = {PUSH_KEY: self._push_key} if self._push_key else {}
        return {"Authorization": f"Bearer {self._token.reveal()}", **pushed} if self._token else pushed

    @contextmanager
    def exchange(
        self, method: str, path: str, *, query: Query | None = None, body: Body = None, headers: Mapping[str, str], timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        """A successful answer, not read yet. `timeout`: seconds of silence. Raises what the problem document says.

        Raises PlatformNotRunning when nobody answers, OutcomeUnknown when the connection broke before the answer was whole."""
        connection = self._connection()
        try:
            self._connect(connection)
            assert connection.sock is not None
            connection.sock.settimeout(timeout)
            with _lost_answers(self.place):
                answer = _asked(connection, method, path + _encoded(query), body=body, headers={**self.headers(), **headers})
                if answer.status >= 400:
                    raise error_of(answer.read(1_000_000), status=answer.status)
                _check_whole_head(answer)
                yield answer
        finally:
            connection.close()

    def open_socket(self) -> socket.socket:
        """Connected, for what is not plain HTTP; only where there is a way."""
        assert self.way is not None
        connection = self.way.connect()
        connection.settimeout(None)
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        if self.way is not None:
            return _WayConnection(self.way)
        assert self.url is not None
        if self.url.scheme == "https":
            return http.client.HTTPSConnection(self.url.hostname or "", self.url.port, timeout=CONNECT_TIMEOUT)
        return http.client.HTTPConnection(self.url.hostname or "", self.url.port, timeout=CONNECT_TIMEOUT)

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except OSError as absent:
            hint = "is the address right, and does it listen on TCP?"
            raise PlatformNotRunning(f"no platform answers at {self.place}", hint=hint) from absent


class _WayConnection(http.client.HTTPConnection):
    def __init__(self, way: Way) -> None:
        super().__init__("mooring", timeout=CONNECT_TIMEOUT)
        self._way = way

    def connect(self) -> None:
        self.sock = self._way.connect()


def _asked(
    connection: http.client.HTTPConnection, method: str, target: str, *, body: Body, headers: dict[str, str]
) -> http.client.HTTPResponse:
    try:
        connection.request(method, target, body=body, headers=headers)
    except (BrokenPipeError, ConnectionResetError):
        pass  # a server that refuses a body early (too large, no permission) has answered while it was still being sent
    return connection.getresponse()


def _check_whole_head(answer: http.client.HTTPResponse) -> None:
    """A head that was cut looks like a shorter one: then it says nothing of where the body ends."""
    is_stream = answer.headers.get_content_type() == "text/event-stream"
    if answer.status != 204 and answer.length is None and not answer.chunked and not is_stream:
        raise http.client.IncompleteRead(b"")


@contextmanager
def _lost_answers(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as lost:
        hint = "`mooring status` shows whether it still runs; what was asked may have happened"
        raise OutcomeUnknown(f"the connection to {place} broke before its answer was whole", hint=hint) from lost


def _encoded(query: Query | None) -> str:
    written = {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in (query or {}).items() if value is not None
    }
    return "?" + urlencode(written) if written else ""


def _checked_url(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise InvalidInput(f"{url!r} is not the address of a platform", hint="write it like https://deploy.example.com:8444")
    return parts
