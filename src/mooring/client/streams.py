"""Server-sent events, read to the end of the story although connections end earlier: broken ones are taken up where they were.

Must not: give an event twice, or go on for ever when nobody answers.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import msgspec

from mooring.client.problems import error_of
from mooring.errors import OutcomeUnknown, PlatformNotRunning

SILENCE = 30.0  # seconds without even a heartbeat after which the connection is given up
_PATIENCE = 60.0  # seconds that nobody may answer before following is given up
_PAUSE = 0.25

Opener = Callable[[str], AbstractContextManager[http.client.HTTPResponse]]


class Message(msgspec.Struct, frozen=True):
    """One server-sent event. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

    id: str
    event: str
    data: bytes


def followed(
    open_stream: Opener, *, after: str = "", is_last: Callable[[Message], bool], reconnected: Callable[[], None]
) -> Iterator[Message]:
    """Messages until one `is_last`, or the server says that there are no more.

    `open_stream(last_id)` makes a connection that goes on behind that message.
    """
    silent_since: float | None = None
    while True:
        try:
            with open_stream(after) as answer:
                for message in read_messages(answer):
                    silent_since = None
                    after = message.id or after
                    if message.event == "end":
                        return
                    yield message
                    if is_last(message):
                        return
        except (OutcomeUnknown, PlatformNotRunning) as gone:
            silent_since = _still_patient(silent_since, gone)
        time.sleep(_PAUSE)
        reconnected()


def read_messages(answer: http.client.HTTPResponse) -> Iterator[Message]:
    """The messages of one connection; heartbeats (comments) are passed over. Raises what a `problem` message says."""
    fields: dict[str, bytes] = {}
    for line in _lines(answer):
        if not line:
            if "data" in fields:
                yield _message(fields)
            fields = {}
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name:
            known = fields.get(name.decode())
            fields[name.decode()] = value if known is None or name != b"data" else known + b"\n" + value


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline():
        yield line.rstrip(b"\r\n")


def _message(fields: dict[str, bytes]) -> Message:
    event = fields.get("event", b"message").decode()
    if event == "problem":
        raise error_of(fields["data"], status=500)
    return Message(fields.get("id", b"").decode(), event, fields["data"])


def _still_patient(silent_since: float | None, gone: OutcomeUnknown | PlatformNotRunning) -> float:
    """A controller that restarts is away for a second or two; nothing is lost meanwhile, since events are stored."""
    now = time.monotonic()
    if silent_since is not None and now - silent_since > _PATIENCE:
        raise gone
    return now if silent_since is None else silent_since
