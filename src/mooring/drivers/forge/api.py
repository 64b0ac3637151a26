"""A forge's HTTP API: JSON there and back, with limits and no redirects. Must not: show the token, or follow an address that was sent."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import msgspec

from mooring.errors import InvalidInput, OutcomeUnknown, Unavailable

WITHIN = 20.0  # seconds for an answer
LARGEST = 5_000_000  # bytes of one
_AGENT = "mooring"
_NOT_THERE = (404, 410, 422)  # GitHub answers a status of a commit that it has not with 422


class Api:
    """`base` is the administrator's word. `headers` go with every request: the token is among them."""

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        self._base = base.rstrip("/")
        self._headers = headers

    async def get(self, path: str) -> object:
        """Raises Unavailable, InvalidInput."""
        return await asyncio.to_thread(self._ask, "GET", path, None)

    async def send(self, method: str, path: str, body: Mapping[str, object]) -> object:
        """Raises Unavailable, OutcomeUnknown, InvalidInput."""
        return await asyncio.to_thread(self._ask, method, path, msgspec.json.encode(body))

    async def send_where_found(self, method: str, path: str, body: Mapping[str, object]) -> object:
        """Null where it is about something that the forge has no longer. Raises as `send`."""
        return await asyncio.to_thread(self._ask, method, path, msgspec.json.encode(body), _NOT_THERE)

    async def send_where_allowed(self, method: str, path: str, body: Mapping[str, object]) -> object:
        """As `send_where_found`; null also where the token may not. Raises Unavailable, OutcomeUnknown, InvalidInput."""
        return await asyncio.to_thread(self._ask, method, path, msgspec.json.encode(body), (*_NOT_THERE, 403))

    def _ask(self, method: str, path: str, body: bytes | None, passed_over: Collection[int] = ()) -> object:
        parts = urlsplit(self._base)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=WITHIN)
        place = f"{parts.scheme}://{parts.netloc}"
        try:
            try:
                connection.connect()
            except OSError as foreign:
                raise Unavailable(f"{place} does not answer: {foreign}", hint="is the address right, and reached from here?") from foreign
            headers = {**self._headers, "User-Agent": _AGENT, "Accept": "application/json", "Content-Type": "application/json"}
            connection.request(method, f"{parts.path}{path}", body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read(LARGEST + 1)
        except (OSError, http.client.HTTPException) as foreign:
            raise OutcomeUnknown(f"the answer of {place} was lost: {type(foreign).__name__}") from foreign
        finally:
            connection.close()
        if answer.status in passed_over:
            return None
        _check(answer.status, content, f"{method} {place}{parts.path}{path}")
        return _decoded(content, place)


def _check(status: int, content: bytes, what: str) -> None:
    if 200 <= status < 300 and len(content) <= LARGEST:
        return
    if status in (401, 403, 404):
        hint = "look at the repository's name, and at what the token may: `mooring forge check`"
        raise InvalidInput(f"{what} is answered with {status}", hint=hint)
    raise Unavailable(f"{what} is answered with {status}", hint="it is tried again")


def _decoded(content: bytes, place: str) -> object:
    try:
        return msgspec.json.decode(content or b"null")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Unavailable(f"{place} answers with something that is no JSON", hint="is that the address of its API?") from None
