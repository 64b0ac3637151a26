"""What happens and what is said, as streams: events, logs, and a command with somebody attached. Must not: keep a line."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response

from mooring.errors import InvalidInput
from mooring.model.events import Event
from mooring.model.instance import LogLine
from mooring.model.names import PROCESS_PATTERN
from mooring.server.asked import Asked
from mooring.server.endpoint import Endpoint, Stream
from mooring.server.endpoints.parameters import APP, ENVIRONMENT, FOLLOW, LARGEST_SEQUENCE, LINES
from mooring.server.query import Parameter
from mooring.server.sse import Message, last_seen, log_messages
from mooring.usecases import events, logs

_PATH = "/v1/environments/{app}/{environment}"


async def of_deployment(asked: Asked) -> Response:
    after = last_seen(asked.headers, asked.number("after") or 0)
    told = events.follow_deployment(asked.platform, asked.actor, asked.path["id"], after=after)
    return asked.services.streams.respond(_numbered(told), asked.known_caller)


async def of_all(asked: Asked) -> object:
    after, environment = asked.number("after") or 0, asked.environment_filter
    seen = last_seen(asked.headers, after)
    if "text/event-stream" not in asked.headers.get("accept", ""):
        return events.events(asked.platform, asked.actor, after=after, environment=environment, limit=asked.number("limit") or 1)
    told = events.follow_events(asked.platform, asked.actor, after=max(seen, 0), environment=environment)
    return asked.services.streams.respond(_numbered(told), asked.known_caller)


async def said(asked: Asked) -> Response:
    query = logs.log_query(
        asked.environment,
        lines=asked.number("lines") or 0,
        follow=asked.flag("follow"),
        process=None if asked.query["process"] is None else asked.text("process"),
        slot=asked.number("slot"),
        release=asked.number("release"),
    )
    return asked.services.streams.respond(log_messages(logs.logs(asked.platform, asked.actor, query)), asked.known_caller)


async def without_socket(_: Asked) -> Response:
    raise InvalidInput("this takes a WebSocket", hint="`mooring run`, `exec` and `cp` open one; see the reference page of the API")


async def _numbered(told: AsyncIterator[Event]) -> AsyncIterator[Message]:
    async for event in told:
        yield str(event.sequence), event.kind.value, event


_AFTER = Parameter(
    name="after",
    kind=int,
    default=0,
    least=-events.MOST,
    most=LARGEST_SEQUENCE,
    about="Behind this sequence; negative (without a stream): the newest that many.",
)
_AFTER_ONE = Parameter(
    name="after", kind=int, default=0, least=0, most=LARGEST_SEQUENCE, about="Behind this sequence; Last-Event-ID says the same."
)
_LIMIT = Parameter(name="limit", kind=int, default=1000, least=1, most=events.MOST, about="At most this many (without a stream).")
_LOG_QUERY = (
    LINES,
    FOLLOW,
    Parameter(name="process", kind=str, most=32, pattern=PROCESS_PATTERN, about="Only of this process type."),
    Parameter(name="slot", kind=int, least=1, most=10_000, about="Only of the instance with this number."),
    Parameter(name="release", kind=int, least=1, most=LARGEST_SEQUENCE, about="Only of this release."),
)
_ATTACHED = (
    "After it, binary messages are input and text messages `Resize` or `EndOfInput`. "
    "The server sends binary messages, a byte in front (1 standard output, 2 standard error), at last `RunEnded` or a problem."
)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/deployments/{id}/events",
        summary="The events of a deployment, as they come, until it has ended",
        handler=of_deployment,
        answer=Event,
        stream=Stream.EVENTS,
        query=(_AFTER_ONE,),
    ),
    Endpoint(
        method="GET",
        path="/v1/events",
        summary="Events: stored ones as JSON, or with `Accept: text/event-stream` those and all that come",
        handler=of_all,
        answer=tuple[Event, ...],
        stream=Stream.EVENTS_OR_JSON,
        query=(_AFTER, APP, ENVIRONMENT, _LIMIT),
    ),
    Endpoint(
        method="GET",
        path=f"{_PATH}/logs",
        summary="What its instances print, without secrets",
        handler=said,
        answer=LogLine,
        stream=Stream.EVENTS,
        query=_LOG_QUERY,
    ),
    Endpoint(
        method="GET",
        path=f"{_PATH}/run",
        summary="A WebSocket: a command in a fresh process with the app's code and config",
        handler=without_socket,
        stream=Stream.SOCKET,
        about=f"The first message is a `RunRequest` as JSON. {_ATTACHED}",
    ),
    Endpoint(
        method="GET",
        path=f"{_PATH}/exec",
        summary="A WebSocket: a command where an instance runs, with its variables, directory, user and bounds",
        handler=without_socket,
        stream=Stream.SOCKET,
        about=f"The first message is an `ExecRequest` as JSON. {_ATTACHED}",
    ),
    Endpoint(
        method="GET",
        path=f"{_PATH}/copy",
        summary="A WebSocket: a file or directory into a running instance, or out of it, as a tar file",
        handler=without_socket,
        stream=Stream.SOCKET,
        about=(
            "The first message is a `CopyRequest` as JSON. In: input is a tar file with `item` at its top and then an empty file `whole`. "
            f"Out: it is standard output. {_ATTACHED} Standard error says what went wrong when the exit code is not 0."
        ),
    ),
)
