"""How the platform is asked: values in, values out; lost answers asked for again where that is safe; streams followed to their end.

Must not: know an endpoint.
"""

from __future__ import annotations

import http.client
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from mooring.client.streams import SILENCE, Message, followed
from mooring.client.tail import Tail
from mooring.client.wire import Body, Query, Wire
from mooring.errors import MooringError, NeedsPerson, OutcomeUnknown, PlatformNotRunning
from mooring.model.deployment import Deployment
from mooring.model.events import Event, EventKind
from mooring.model.instance import LogLine
from mooring.model.promotion import Promotion
from mooring.model.release import Source

Value = TypeVar("Value")
TIMEOUT = 60.0
_UPLOAD_TIMEOUT = 120.0
_PATIENCE = 20.0  # seconds in which a controller that restarts is expected back
_PAUSE = 0.25
_JSON = {"Content-Type": "application/json"}


class Asking:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def get(self, path: str, kind: type[Value], *, query: Query | None = None, timeout: float = TIMEOUT) -> Value:
        return self.exchange("GET", path, kind, query=query, timeout=timeout)

    def send(self, method: str, path: str, kind: type[Value], body: msgspec.Struct | None = None, *, key: str | None = None) -> Value:
        """`key` None: it may not be asked twice; empty: a new key."""
        encoded = None if body is None else msgspec.json.encode(body)
        return self.exchange(method, path, kind, body=encoded, headers={**(_JSON if encoded else {}), **_keyed(key)})

    def order(self, method: str, path: str, body: msgspec.Struct | None, *, key: str, query: Query | None = None) -> Deployment:
        """What becomes a deployment."""
        encoded = None if body is None else msgspec.json.encode(body)
        return self.exchange(method, path, Deployment, query=query, body=encoded, headers={**(_JSON if encoded else {}), **_keyed(key)})

    def upload(self, path: str, archive: Path, query: Query, kind: type[Value], *, key: str) -> Value:
        """A tar, gzipped or not, with what is said of it."""
        with archive.open("rb") as body:
            is_gzip = body.read(2) == b"\x1f\x8b"
            headers = {
                "Content-Type": "application/gzip" if is_gzip else "application/x-tar",
                "Content-Length": str(archive.stat().st_size),
                **_keyed(key),
            }
            return self.exchange("POST", path, kind, query=query, body=body, headers=headers, timeout=_UPLOAD_TIMEOUT)

    def exchange(
        self,
        method: str,
        path: str,
        kind: type[Value],
        *,
        query: Query | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Value:
        """Ask; when the answer was lost, ask again if asking twice is the same as asking once."""
        headers = headers or {}
        patience = _Patience(_PATIENCE) if method == "GET" or "Idempotency-Key" in headers else None
        while True:
            try:
                if body is not None and not isinstance(body, bytes):
                    body.seek(0)
                with self._wire.exchange(method, path, query=query, body=body, headers=headers, timeout=timeout) as answer:
                    return _decoded(answer.read(), kind)
            except OutcomeUnknown as lost:
                if patience is None:
                    raise
                patience.spend(lost)
            except PlatformNotRunning as absent:
                if patience is None or not patience.is_begun:
                    raise
                patience.spend(absent)

    def tell(self, method: str, path: str, *, body: IO[bytes] | None = None, timeout: float = TIMEOUT) -> None:
        """Ask for what has no answer but that it was done. `body`: a file, sent whole."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(os.fstat(body.fileno()).st_size)} if body else {}
        with self._wire.exchange(method, path, body=body, headers=headers, timeout=timeout) as answer:
            answer.read()

    def text(self, path: str) -> str:
        with self._wire.exchange("GET", path, headers={}, timeout=TIMEOUT) as answer:
            return answer.read().decode()

    def opened(
        self, method: str, path: str, *, body: bytes | None = None, timeout: float = TIMEOUT
    ) -> AbstractContextManager[http.client.HTTPResponse]:
        """A large answer, to be read bit by bit."""
        headers = {"Content-Type": "application/octet-stream"} if body is not None else {}
        return self._wire.exchange(method, path, body=body, headers=headers, timeout=timeout)

    def follow(
        self,
        path: str,
        query: Query,
        *,
        after: str = "",
        is_last: Callable[[Message], bool],
        reconnected: Callable[[], None] = lambda: None,
    ) -> Iterator[Message]:
        """Messages of a stream, over broken connections, until one `is_last` or the server ends it.

        `reconnected` is told before messages of a further connection come."""

        def opened(last: str) -> AbstractContextManager[http.client.HTTPResponse]:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
            return self._wire.exchange("GET", path, query=query, headers=headers, timeout=SILENCE)

        return followed(opened, after=after, is_last=is_last, reconnected=reconnected)

    def log_lines(self, path: str, query: Query, *, lines: int, follow: bool) -> Iterator[LogLine]:
        """`lines` of history of each source, then what comes, over broken connections; each once."""
        tail = Tail(lines)
        asked = {**query, "lines": lines, "follow": follow}
        for message in self.follow(path, asked, is_last=lambda _: False, reconnected=tail.reconnected):
            yield from tail.new(_decoded(message.data, LogLine))

    def follow_events(self, path: str, query: Query, *, after: int, until_ended: bool) -> Iterator[Event]:
        """Events of a stream; `until_ended`: the last is `deployment.ended`."""
        ended = EventKind.DEPLOYMENT_ENDED.value
        messages = self.follow(path, query, after=str(after or ""), is_last=lambda message: until_ended and message.event == ended)
        for message in messages:
            yield _decoded(message.data, Event)


def told_of(origin: Source) -> Query:
    """Where an upload comes from."""
    return {
        "digest": origin.digest,
        "commit": origin.commit,
        "branch": origin.branch,
        "message": origin.message,
        "dirty": origin.is_dirty,
    }


def told_of_promotion(promotion: Promotion) -> Query:
    """What is promoted, with its notes."""
    notes = "" if promotion.notes is None else msgspec.json.encode(promotion.notes).decode()
    return {"from": promotion.environment, "release": promotion.number, "notes": notes}


def new_key() -> str:
    """An idempotency key."""
    return secrets.token_hex(16)


class _Patience:
    """How long lost answers are borne, from the first one on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    @property
    def is_begun(self) -> bool:
        return self._until is not None

    def spend(self, error: MooringError) -> None:
        """Wait a moment, or raise `error` when none is left."""
        now = time.monotonic()
        self._until = now + self._seconds if self._until is None else self._until
        if now > self._until:
            raise error
        time.sleep(_PAUSE)


def _keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key or new_key()}


def _decoded(content: bytes, kind: type[Value]) -> Value:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as foreign:
        hint = "`mooring version` and `mooring status` show the two versions; `mooring up` renews the platform"
        raise NeedsPerson(f"the platform's answer is not understood: {foreign}", hint=hint) from foreign
