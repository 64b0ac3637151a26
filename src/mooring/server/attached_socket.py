"""The WebSockets of `mooring run`, `exec` and `cp`: one command, somebody attached, until it ends, they hang up or their token does.

Must not: show a secret where the output is not a terminal or a copy (there bytes go as they are: redacting would break the screen, or
the file).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from mooring.client.problems import document_of
from mooring.drivers.runtime.contract import Terminal
from mooring.errors import InvalidInput, MooringError, Unauthorized
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.server.answering import problem_answer
from mooring.server.asked import Services
from mooring.server.authorization import Route
from mooring.server.callers import Caller, peer_in
from mooring.server.dispatch import admit
from mooring.server.reading import read_json
from mooring.server.sse import VALIDITY
from mooring.store.redaction import RedactingStream
from mooring.usecases.copy import copy
from mooring.usecases.enter import enter
from mooring.usecases.platform import Platform, environment_id
from mooring.usecases.requests import Control, CopyRequest, EndOfInput, ExecRequest, Resize, RunEnded, RunRequest
from mooring.usecases.run import run

STREAMS = {"stdout": b"\x01", "stderr": b"\x02"}
_FIRST_MESSAGE = 10.0  # seconds


def _is_terminal(request: RunRequest | ExecRequest) -> bool:
    return request.terminal


class Attachable(NamedTuple):
    """A route, its first message, and what begins then: it takes the platform, who asks, the environment and that message.

    `is_raw`: its output goes as it is.
    """

    route: Route
    asks: type[msgspec.Struct]
    begin: Callable[[Platform, Actor, EnvironmentId, Any], Awaitable[Terminal]]
    is_raw: Callable[[Any], bool]


ATTACHABLE = (
    Attachable(("GET", "/v1/environments/{app}/{environment}/run"), RunRequest, run, _is_terminal),
    Attachable(("GET", "/v1/environments/{app}/{environment}/exec"), ExecRequest, enter, _is_terminal),
    Attachable(("GET", "/v1/environments/{app}/{environment}/copy"), CopyRequest, copy, lambda _: True),
)


async def serve_attached(services: Services, socket: WebSocket, kind: Attachable) -> None:
    """Refused before it is opened, or one session."""
    try:
        caller = admit(services, kind.route, socket.headers, peer_in(socket.scope))
        assert caller is not None
        services.streams.check_room()
    except MooringError as error:
        await socket.send_denial_response(problem_answer(error, instance=socket.url.path))
        return
    await socket.accept()
    services.streams.count += 1
    try:
        await _session(services, socket, caller, kind)
    except MooringError as error:
        await _say(socket, document_of(error, instance=socket.url.path))
    except WebSocketDisconnect:
        pass
    finally:
        services.streams.count -= 1
        with suppress(Exception):
            await socket.close()


async def _session(services: Services, socket: WebSocket, caller: Caller, kind: Attachable) -> None:
    platform = services.platform
    environment = environment_id(socket.path_params["app"], socket.path_params["environment"])
    request = await _first_message(socket, kind.asks)
    terminal = await kind.begin(platform, caller.actor, environment, request)
    redactor = platform.secrets.redactor(environment)
    filters = {} if kind.is_raw(request) else {name: redactor.stream() for name in STREAMS}
    try:
        jobs = [_input(socket, terminal), _validity(services, caller)]
        code = await _first_to_end(_output(socket, terminal, filters), jobs)
    finally:
        await terminal.close()
    await _say(socket, RunEnded(exit_code=code))


async def _first_to_end(main: Coroutine[Any, Any, int], others: Sequence[Coroutine[Any, Any, None]]) -> int:
    """The exit code; what the others raise ends it."""
    asked = asyncio.create_task(main)
    beside = [asyncio.create_task(other) for other in others]
    try:
        await asyncio.wait({asked, *beside}, return_when=asyncio.FIRST_COMPLETED)
        for job in beside:
            if job.done():
                job.result()
        return await asked
    finally:
        asked.cancel()
        for job in beside:
            job.cancel()
        await asyncio.gather(asked, *beside, return_exceptions=True)


async def _first_message(socket: WebSocket, kind: type[msgspec.Struct]) -> Any:
    try:
        async with asyncio.timeout(_FIRST_MESSAGE):
            text = await socket.receive_text()
    except (TimeoutError, KeyError):
        raise InvalidInput("the first message is to be the request as JSON text", hint=f"see {kind.__name__} in /openapi.json") from None
    return read_json(text.encode(), kind)


async def _input(socket: WebSocket, terminal: Terminal) -> None:
    """Until the caller hangs up, which raises WebSocketDisconnect."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        if chunk := message.get("bytes"):
            await terminal.write(chunk)
        elif text := message.get("text"):
            await _control(read_json(text.encode(), Control), terminal)


async def _control(control: object, terminal: Terminal) -> None:
    match control:
        case Resize(rows=rows, columns=columns) if 1 <= rows <= 1000 and 1 <= columns <= 1000:
            await terminal.resize(rows=rows, columns=columns)
        case EndOfInput():
            await terminal.close_input()


async def _output(socket: WebSocket, terminal: Terminal, filters: dict[str, RedactingStream]) -> int:
    async for name, chunk in terminal.output():
        await _send(socket, name, filters[name].feed(chunk) if name in filters else chunk)
    for name, held in filters.items():
        await _send(socket, name, held.close())
    return await terminal.wait()


async def _validity(services: Services, caller: Caller) -> None:
    while not services.streams.is_closing:
        await asyncio.sleep(VALIDITY)
        if not caller.is_valid():
            raise Unauthorized("the token has ended", hint="ask with another one")
    raise WebSocketDisconnect(1012, "the controller is restarting")


async def _send(socket: WebSocket, name: str, chunk: bytes) -> None:
    if chunk:
        await socket.send_bytes(STREAMS.get(name, b"\x01") + chunk)


async def _say(socket: WebSocket, value: msgspec.Struct) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_text(msgspec.json.encode(value).decode())
