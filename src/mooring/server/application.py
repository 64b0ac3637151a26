"""The application: every endpoint behind one border, one authorization table and one way to fail. Must not: know an endpoint.

Built only when routes and table are the same set; so a route that somebody forgot to authorize stops the start, not a caller.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from mooring.errors import MooringError, NotFound
from mooring.server.answering import defect, problem_answer
from mooring.server.asked import Services
from mooring.server.attached_socket import ATTACHABLE, Attachable, serve_attached
from mooring.server.authorization import check_complete
from mooring.server.border import check_request
from mooring.server.callers import peer_in
from mooring.server.dispatch import Dispatcher
from mooring.server.endpoint import Endpoint
from mooring.server.endpoints import ENDPOINTS
from mooring.server.openapi import document

log = logging.getLogger("mooring.api")
_QUIET = ("/health", "/metrics")


def build(services: Services, endpoints: Sequence[Endpoint] = ENDPOINTS) -> ASGIApp:
    """Raises UnauthorizedRoute when the table and the endpoints differ."""
    check_complete(endpoint.route for endpoint in endpoints)
    services = replace(services, document=msgspec.json.encode(document(endpoints, version=services.platform.version)))
    dispatcher = Dispatcher(services)
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    routes: list[BaseRoute] = [Route(path, _Path(dispatcher, mine)) for path, mine in by_path.items()]
    routes += [WebSocketRoute(kind.route[1], _Attached(services, kind)) for kind in ATTACHABLE]
    router = Router(routes=routes, redirect_slashes=False, default=_absent)
    return Border(router, services)


class _Path:
    """All methods of one path."""

    def __init__(self, dispatcher: Dispatcher, endpoints: dict[str, Endpoint]) -> None:
        self._dispatcher = dispatcher
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["route"] = next(iter(self._endpoints.values())).path
        response = await self._dispatcher.respond(self._endpoints, Request(scope, receive))
        await response(scope, receive, send)


class _Attached:
    def __init__(self, services: Services, kind: Attachable) -> None:
        self._services = services
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["route"] = self._kind.route[1]
        await serve_attached(self._services, WebSocket(scope, receive, send), self._kind)


class Border:
    """Outermost: refuses what no program of ours would send, counts and logs, and turns every error into a problem document."""

    def __init__(self, inside: ASGIApp, services: Services) -> None:
        self._inside = inside
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        seen = _Seen(send)
        began = time.monotonic()
        scope.setdefault("state", {})
        try:
            self._check(scope)
            await self._inside(scope, receive, seen)
        except MooringError as error:
            await self._refuse(scope, receive, seen, error)
        except Exception:
            identity = secrets.token_hex(4)
            log.exception("defect", extra={"fields": {"id": identity, "path": scope["path"]}})
            await self._refuse(scope, receive, seen, defect(identity))
        finally:
            self._note(scope, seen.status, time.monotonic() - began)

    def _check(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        check_request(peer_in(scope), headers, scope.get("raw_path") or scope["path"].encode(), hosts=self._services.hosts)

    async def _refuse(self, scope: Scope, receive: Receive, seen: _Seen, error: MooringError) -> None:
        if seen.status:
            return  # an answer was begun: its end is cut off, which the client notices
        response = problem_answer(error, instance=scope["path"])
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, seen).send_denial_response(response)
        else:
            await response(scope, receive, seen)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope["state"].get("route", "none")
        method = scope.get("method", "GET") if route != "none" else "none"
        self._services.metrics.count_request(
            method=method if method.isalpha() and len(method) < 10 else "other", route=route, status=status
        )
        level = logging.DEBUG if route in _QUIET and status < 400 else logging.INFO
        fields = {"method": method, "path": scope["path"], "status": status, "seconds": round(seconds, 4)}
        log.log(level, "request", extra={"fields": {**fields, "who": scope["state"].get("actor", "")}})


class _Seen:
    """Passes messages on and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
        elif message["type"] == "websocket.accept":
            self.status = 101
        await self._send(message)


async def _absent(scope: Scope, receive: Receive, send: Send) -> None:
    error = NotFound("there is nothing at this address", hint="/openapi.json describes what there is")
    response: Response = problem_answer(error, instance=scope["path"])
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
