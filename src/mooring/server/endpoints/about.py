"""The platform itself: health, metrics, the API's description, status, keys, backup. Must not: touch an environment."""

from __future__ import annotations

import secrets

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from mooring.errors import InvalidInput
from mooring.model.secret import Secret
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint, Stream
from mooring.server.metrics import CONTENT_TYPE
from mooring.usecases import answers, state, status


async def health(asked: Asked) -> answers.Health:
    return answers.Health(status="ok", version=asked.platform.version)


async def metrics(asked: Asked) -> Response:
    text = await asked.services.metrics.text(asked.platform, streams=asked.services.streams.count)
    return Response(text, media_type=CONTENT_TYPE)


async def document(asked: Asked) -> Response:
    return Response(asked.services.document, media_type="application/json")


async def platform_status(asked: Asked) -> answers.PlatformStatus:
    return await status.platform_status(asked.platform, asked.actor)


async def rotate_keys(asked: Asked) -> answers.KeyRotation:
    return await state.rotate_keys(asked.platform, asked.actor)


async def backup(asked: Asked) -> Response:
    """Written beside first, so that half a backup is never sent as a whole one."""
    path = asked.services.uploads / f"{secrets.token_hex(12)}.backup"
    try:
        made = await state.back_up(asked.platform, asked.actor, path, passphrase=_passphrase(asked.json(bytes)))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    # What must be kept apart is named in a header: the body is the file alone.
    headers = {"Cache-Control": "no-store", "Mooring-Kept-Apart": ", ".join(str(left) for left in made.left_out)}
    gone = BackgroundTask(path.unlink, missing_ok=True)
    return FileResponse(path, media_type="application/octet-stream", headers=headers, background=gone)


def _passphrase(body: bytes) -> Secret | None:
    """An empty body: none is wished."""
    try:
        return Secret(body.decode()) if body else None
    except UnicodeDecodeError:
        raise InvalidInput("the passphrase is not UTF-8", hint="use text") from None


ENDPOINTS = (
    Endpoint(method="GET", path="/health", summary="Whether the controller answers", handler=health, answer=answers.Health),
    Endpoint(method="GET", path="/openapi.json", summary="This description, for programs", handler=document, answer=dict[str, object]),
    Endpoint(method="GET", path="/metrics", summary="Numbers for Prometheus", handler=metrics, stream=Stream.TEXT),
    Endpoint(
        method="GET",
        path="/v1/status",
        summary="The platform's parts and all environments, with the age of what is known",
        handler=platform_status,
        answer=answers.PlatformStatus,
    ),
    Endpoint(
        method="POST",
        path="/v1/keys/rotate",
        summary="Seal every secret anew under a fresh key",
        handler=rotate_keys,
        answer=answers.KeyRotation,
    ),
    Endpoint(
        method="POST",
        path="/v1/state/backup",
        summary="All that the platform remembers, as one file",
        handler=backup,
        body=Body.RAW,
        stream=Stream.BYTES,
        about="The body is a passphrase under which the keys are sealed into the file, or empty: then `Mooring-Kept-Apart` names them.",
    ),
)
