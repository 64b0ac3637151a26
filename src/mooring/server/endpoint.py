"""One route as a value: what it takes, what it answers, who does it. Dispatch, OpenAPI and the reference page read the same.

Must not: know an endpoint, or do anything.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mooring.server.query import Parameter

if TYPE_CHECKING:
    from mooring.server.asked import Asked


class Body(enum.Enum):
    """What a request carries besides JSON of a type."""

    NONE = "none"
    JSON = "json"
    ARCHIVE = "archive"  # a tar, gzipped or not, streamed to a file
    ARCHIVE_OR_JSON = "archive-or-json"
    FILE = "file"  # bytes of any length, streamed to a file
    RAW = "raw"  # bytes that are a value by themselves


class Stream(enum.Enum):
    """What an answer is, when it is not one JSON document."""

    EVENTS = "text/event-stream"
    EVENTS_OR_JSON = "text/event-stream, application/json"
    TEXT = "text/plain"
    BYTES = "application/octet-stream"
    SOCKET = "websocket"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`handler` gives a value to be encoded, or a response that is ready. `answer` None and no stream: 204, nothing to say."""

    method: str
    path: str
    summary: str
    handler: Callable[[Asked], Awaitable[object]]
    answer: Any = None
    status: int = 200
    body: Body = Body.NONE
    body_type: Any = None
    stream: Stream | None = None
    query: tuple[Parameter, ...] = ()
    is_idempotent_by_key: bool = False
    about: str = ""

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))
