"""From a matched route to its answer: who asks, may they, what exactly, done once. The same way for every endpoint.

Must not: know what any endpoint does.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from mooring.errors import InvalidInput, MooringError, Unauthorized
from mooring.model.records import Answering
from mooring.server.answering import empty_answer, encoded_answer, json_answer, problem_answer
from mooring.server.asked import Asked, Services
from mooring.server.authorization import TABLE, Route
from mooring.server.callers import Caller, Peer, TcpPeer, identify, peer_in
from mooring.server.endpoint import Body, Endpoint
from mooring.server.once import Once
from mooring.server.reading import LARGEST_JSON, WrongType, content_type, read_archive, read_bytes, read_json, read_query
from mooring.server.room import Room
from mooring.usecases.permission import Permission, require

_ARCHIVES = ("application/x-tar", "application/gzip")


class MethodNotAllowed(InvalidInput):
    """HTTP 405."""

    code = "method-not-allowed"
    status = 405


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What came in the body, and the digest of it that an idempotency key stands for."""

    body: object = None
    archive: Path | None = None
    digest: str = ""


class Dispatcher:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._once = Once(services.platform)

    async def respond(self, endpoints: Mapping[str, Endpoint], request: Request) -> Response:
        """`endpoints` are those of the path, by method."""
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            error = MethodNotAllowed(f"{request.method[:20]} is not possible here", hint=f"use {', '.join(endpoints)}")
            return problem_answer(error, instance=request.url.path, headers={"Allow": ", ".join(endpoints)})
        try:
            return await self._answered(endpoint, request)
        except MooringError as error:
            return problem_answer(error, instance=request.url.path)

    async def _answered(self, endpoint: Endpoint, request: Request) -> Response:
        caller = admit(self._services, endpoint.route, request.headers, peer_in(request.scope))
        request.state.actor = caller.actor.name if caller else ""
        query = read_query(request.query_params, endpoint.query)
        content = await self._content(endpoint, request)
        try:
            asked = Asked(
                services=self._services,
                caller=caller,
                path=request.path_params,
                query=query,
                headers=request.headers,
                body=content.body,
                archive=content.archive,
            )
            return await self._done(endpoint, asked, request, digest=content.digest)
        except BaseException:
            if content.archive is not None:
                content.archive.unlink(missing_ok=True)
            raise

    async def _done(self, endpoint: Endpoint, asked: Asked, request: Request, *, digest: str) -> Response:
        key = asked.headers.get("idempotency-key")
        if key is None or not endpoint.is_idempotent_by_key:
            return _response(endpoint, await endpoint.handler(asked))

        async def act(answering: Answering) -> object:
            return await endpoint.handler(dataclasses.replace(asked, answering=answering))

        whole = hashlib.sha256(f"{digest} {request.url.query}".encode()).hexdigest()
        route = f"{endpoint.method} {request.url.path}"
        answer, is_new = await self._once.answer(key, act, actor=asked.actor, route=route, digest=whole)
        if not is_new and asked.archive is not None:
            asked.archive.unlink(missing_ok=True)
        return encoded_answer(answer, status=endpoint.status)

    async def _content(self, endpoint: Endpoint, request: Request) -> _Content:
        kind = content_type(request.headers)
        match endpoint.body:
            case Body.NONE:
                if await read_bytes(request, at_most=LARGEST_JSON, room=self._services.room):
                    raise InvalidInput("this takes no body", hint="leave it out")
                return _Content()
            case Body.RAW:
                # Its digest is left out: what is kept with a key must not help to guess a secret.
                return _Content(body=await read_bytes(request, at_most=LARGEST_JSON, room=self._services.room))
            case Body.ARCHIVE:
                return await self._archive(request, kind)
            case Body.FILE:
                path, digest = await read_archive(request, self._services.uploads, at_most=self._services.largest_dump)
                return _Content(archive=path, digest=digest)
            case Body.ARCHIVE_OR_JSON if kind in _ARCHIVES:
                return await self._archive(request, kind)
            case _:
                return await _json(endpoint, request, kind, room=self._services.room)

    async def _archive(self, request: Request, kind: str) -> _Content:
        if kind not in _ARCHIVES:
            raise WrongType(f"{kind[:100] or 'a body without a type'} is not taken here", hint=f"send {' or '.join(_ARCHIVES)}")
        path, digest = await read_archive(request, self._services.uploads, at_most=self._services.largest_archive)
        return _Content(archive=path, digest=digest)


def admit(services: Services, route: Route, headers: Mapping[str, str], peer: Peer | None) -> Caller | None:
    """Who asks, when the authorization table lets them; None for an open route, and for one where each message is signed.

    Raises Unauthorized, Forbidden, TooManyAttempts.
    """
    permission = TABLE[route]
    if not isinstance(permission, Permission):
        return None
    caller = _identified(services, headers, peer)
    require(caller.actor, permission)
    return caller


def _identified(services: Services, headers: Mapping[str, str], peer: Peer | None) -> Caller:
    """Wrong tokens are counted by the address that they come from."""
    address = peer.address if isinstance(peer, TcpPeer) else ""
    platform = services.platform
    services.attempts.check(address)
    try:
        return identify(peer, headers, memory=platform.memory, now=platform.clock.wall)
    except Unauthorized:
        if address and headers.get("authorization"):
            services.attempts.failed(address)
        raise


async def _json(endpoint: Endpoint, request: Request, kind: str, *, room: Room) -> _Content:
    content = await read_bytes(request, at_most=LARGEST_JSON, room=room)
    if kind not in ("application/json", "") or (content and not kind):
        raise WrongType(f"{kind[:100] or 'a body without a type'} is not taken here", hint="send application/json")
    return _Content(body=read_json(content, endpoint.body_type), digest=hashlib.sha256(content).hexdigest())


def _response(endpoint: Endpoint, value: object) -> Response:
    if isinstance(value, Response):
        return value
    if endpoint.answer is None:
        return empty_answer()
    return json_answer(value, status=endpoint.status)
