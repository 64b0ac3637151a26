"""The keys of the edge. Their defaults are the model's. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.kinds.numbers import Duration, Size
from mooring.model.edge import EdgeSettings

_SETTINGS = EdgeSettings()

EDGE = Section(
    path="edge",
    noun="the edge",
    summary="how the reverse proxy treats the app's requests",
    keys=(
        Key(
            path="edge.hold",
            kind=Duration(most=300),
            summary="how long a request waits for a ready instance before a page answers it",
            default=_SETTINGS.hold,
            example='[edge]\nhold = "30s"',
        ),
        Key(
            path="edge.request_timeout",
            kind=Duration(),
            summary='how long a request may go on without a byte in either direction; "0s" for no limit',
            text="One that is silent for longer is answered 504, or cut when its answer had begun. A long download is no silence.",
            default=_SETTINGS.request_timeout,
            example='[edge]\nrequest_timeout = "15m"',
        ),
        Key(
            path="edge.stream_idle_timeout",
            kind=Duration(),
            summary='the same for WebSockets and event streams; "0s" for no limit',
            text="A request with an `Upgrade` header, or that accepts `text/event-stream` first, is a stream.",
            default=_SETTINGS.stream_idle_timeout,
            example='[edge]\nstream_idle_timeout = "6h"',
        ),
        Key(
            path="edge.max_request_size",
            kind=Size(least=1),
            summary="the largest body a request may have",
            text="A larger one is answered 413, declared or not. What a WebSocket sends is not counted.",
            default=_SETTINGS.max_request_bytes,
            example='[edge]\nmax_request_size = "1GB"',
        ),
    ),
)
