"""The API's reference page, from the endpoints themselves: `python -m mooring.server.reference > docs/reference/api.md`.

Must not: hold a sentence about a route; those are in the endpoints.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from mooring.server.authorization import TABLE, Signature
from mooring.server.endpoint import Body, Endpoint, Stream
from mooring.server.endpoints import ENDPOINTS
from mooring.server.query import Parameter
from mooring.usecases.permission import Permission

_OPENING = """\
# The API

<!-- Written by `python -m mooring.server.reference`; a test compares. -->

The server speaks HTTP and JSON on a Unix socket in its state directory (`run/controller.sock`), where whoever owns the platform may
do everything, and with `mooring up --api 127.0.0.1:9000` also on TCP, where each request carries a token
(`Authorization: Bearer TOKEN`, made by `mooring token create`). `/openapi.json` describes every shape for programs.

- **Roles.** `viewer` sees everything but secrets; `deployer` may also change what runs; `admin` may do everything. A route that is not
  in this list does not exist.
- **Errors** are problem documents (RFC 9457, `application/problem+json`) with `code`, `detail`, `hint`, and `problems` where there are
  several; the codes are listed in [errors.md](errors.md). Besides those: `too-large` (413), `wrong-content-type` (415),
  `method-not-allowed` (405), `too-many-attempts` and `too-busy` (429).
- **Asking twice.** Where a route says so, requests with the same `Idempotency-Key` header are done once and answered alike for a day.
  The same key with another body is refused (409).
- **Streams** are server-sent events: `id` is an event's sequence, `data` its JSON. A stream that has told everything says
  `event: end`; one that was cut is taken up again with `Last-Event-ID`. When a token ends, its streams end within 5 seconds.
- **Web pages** are refused: a request with an `Origin` header, or over TCP with a `Host` that is not the API's own.
- **Limits.** 1 MB of JSON, 2 GB of source archive, 64 kB of headers within 10 seconds, 200 streams, 500 connections.

| route | role | what |
|---|---|---|
"""
_BODIES = {
    Body.ARCHIVE: "a tar (`application/x-tar` or `application/gzip`)",
    Body.ARCHIVE_OR_JSON: "a tar, or JSON `PlanRequest`: `order` is rollback, scale, restart or destroy, with that order's fields",
    Body.RAW: "the value's bytes",
}
_KINDS = {str: "text", int: "number", bool: "true or false"}


def page(endpoints: Sequence[Endpoint] = ENDPOINTS) -> str:
    """Markdown."""
    rows = [f"| {_code(endpoint)} | {_role(endpoint)} | {endpoint.summary} |\n" for endpoint in endpoints]
    return _OPENING + "".join(rows) + "".join(f"\n{text}" for endpoint in endpoints for text in _section(endpoint))


def _section(endpoint: Endpoint) -> Iterator[str]:
    yield f"## {endpoint.method} {endpoint.path}\n"
    yield f"{endpoint.summary}. {_who(endpoint)}\n"
    if endpoint.about:
        yield f"{endpoint.about}\n"
    lines = [*map(_parameter, endpoint.query), *_details(endpoint)]
    yield "".join(f"- {line}\n" for line in lines)


def _details(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.body is not Body.NONE:
        yield f"Body: {_BODIES.get(endpoint.body) or f'JSON `{_name(endpoint.body_type)}`'}."
    yield f"Answer: {_answer(endpoint)}."
    if endpoint.is_idempotent_by_key:
        yield "Takes an `Idempotency-Key`."


def _answer(endpoint: Endpoint) -> str:
    match endpoint.stream:
        case Stream.EVENTS:
            return f"a stream of `{_name(endpoint.answer)}`"
        case Stream.EVENTS_OR_JSON:
            return f"200, a list of `{_name(endpoint.answer)}`, or a stream of them"
        case Stream.TEXT:
            return "200, text"
        case Stream.BYTES:
            return "200, a file"
        case Stream.SOCKET:
            return "101, then the messages"
        case _ if endpoint.answer is None:
            return "204"
        case _:
            is_list = getattr(endpoint.answer, "__origin__", None) is tuple
            return f"{endpoint.status}, {'a list of ' if is_list else ''}`{_name(endpoint.answer)}`"


def _parameter(parameter: Parameter) -> str:
    default = (
        "required" if parameter.is_required else f"default {_written(parameter.default)}" if parameter.default not in (None, "") else ""
    )
    kind = ", ".join(word for word in (_KINDS[parameter.kind], default) if word)
    return f"`{parameter.name}` ({kind}): {parameter.about}"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(kind: object) -> str:
    """Of a type, or of a list's elements."""
    arguments = getattr(kind, "__args__", None)
    inner = arguments[0] if arguments and getattr(kind, "__origin__", None) is tuple else kind
    return "object" if getattr(inner, "__origin__", None) is dict else getattr(inner, "__name__", str(inner))


def _code(endpoint: Endpoint) -> str:
    return f"`{endpoint.method} {endpoint.path}`"


def _role(endpoint: Endpoint) -> str:
    permission = TABLE[endpoint.route]
    if isinstance(permission, Permission):
        return str(permission.value.value)
    return "anybody" if permission is None else "a forge"


def _who(endpoint: Endpoint) -> str:
    match TABLE[endpoint.route]:
        case None:
            return "Anybody may."
        case Signature.FORGE:
            return "Takes the signature of the app's forge."
        case _:
            return f"Takes the role {_role(endpoint)}."


if __name__ == "__main__":
    sys.stdout.write(page())
