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
            summary='how long a request may take in all; "0s" for no limit',
            text="A request that takes longer is answered 504.",
            default=_SETTINGS.request_timeout,
            example='[edge]\nrequest_timeout = "15m"',
        ),
        Key(
            path="edge.max_request_size",
            kind=Size(least=1),
            summary="the largest body a request may have",
            text="A larger one is answered 413.",
            default=_SETTINGS.max_request_bytes,
            example='[edge]\nmax_request_size = "1GB"',
        ),
    ),
)
