"""Answers as bytes: values as JSON, failures as problem documents, nothing else ever. Must not: show a traceback.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from mooring.client.problems import CONTENT_TYPE, document_of
from mooring.errors import LeaseHeld, MooringError, NeedsPerson, Unauthorized, Unavailable

JSON = "application/json"
_SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_answer(value: object, *, status: int) -> Response:
    return encoded_answer(msgspec.json.encode(value), status=status)


def encoded_answer(content: bytes, *, status: int) -> Response:
    """JSON that is encoded already."""
    return Response(content, status_code=status, media_type=JSON, headers=dict(_SAFE))


def empty_answer() -> Response:
    return Response(status_code=204, headers=dict(_SAFE))


def problem_answer(error: MooringError, *, instance: str, headers: dict[str, str] | None = None) -> Response:
    """`instance` is the path that was asked for."""
    extra = {**_SAFE, **(headers or {})}
    if isinstance(error, Unauthorized):
        extra["WWW-Authenticate"] = 'Bearer realm="mooring"'
    if isinstance(error, (LeaseHeld, Unavailable)):
        extra["Retry-After"] = "5"
    content = msgspec.json.encode(document_of(error, instance=instance[:1000]))
    return Response(content, status_code=error.status, media_type=CONTENT_TYPE, headers=extra)


def defect(identity: str) -> MooringError:
    """What a caller is told of an error nobody thought of; the log has the rest under the same identity."""
    return NeedsPerson(
        f"something unexpected happened ({identity})", hint=f"the controller's log says more under {identity}; please report it"
    )
