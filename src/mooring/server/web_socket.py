"""A WebSocket's handshake, refused as every other request is. Must not: know what is said over it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.http11 import Response

from mooring.client.problems import CONTENT_TYPE, document_of
from mooring.errors import InvalidInput


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """Refuses what is no handshake with a problem document; the library would in plain text."""

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn.reject = _no_handshake  # type: ignore[method-assign]  # uvicorn leaves no other way in


def _no_handshake(status: int, text: str) -> Response:
    """The library's answer, but for its body; what `text` says of the request is in the sentence."""
    error = InvalidInput(text.strip().partition("\n")[0].rstrip("."), hint="`mooring run` opens this WebSocket; programs do it by RFC 6455")
    document = msgspec.structs.replace(document_of(error, instance=""), status=int(status))
    headers = Headers({"Connection": "close", "Content-Type": CONTENT_TYPE})
    body = msgspec.json.encode(document)
    headers["Content-Length"] = str(len(body))
    return Response(int(status), HTTPStatus(status).phrase, headers, body)
