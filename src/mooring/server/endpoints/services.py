"""Data services of environments, and the servers they come from. Must not: answer with a password or an address."""

from __future__ import annotations

import secrets

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from mooring.errors import InvalidInput
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.service import ServiceKind, ServiceRecord, ServiceServer
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint, Stream
from mooring.server.query import Parameter
from mooring.usecases import answers, services

_SERVER = "/v1/service-servers/{name}"
_SERVICES = "/v1/environments/{app}/{environment}/services"
_ONE = f"{_SERVICES}/{{name}}"


async def servers(asked: Asked) -> tuple[answers.ServerStatus, ...]:
    return await services.servers(asked.platform, asked.actor)


async def server_added(asked: Asked) -> answers.ServerStatus:
    kind, address = _kind(asked.text("type")), asked.json(bytes)
    accept_open, named = asked.flag("accept_open"), asked.text("accessory")
    accessory = EnvironmentId.parse(named) if named else None
    return await services.add_server(
        asked.platform, asked.actor, asked.path["name"], kind, address, accept_open=accept_open, accessory=accessory
    )


async def server_removed(asked: Asked) -> ServiceServer:
    return services.remove_server(asked.platform, asked.actor, asked.path["name"])


async def listed(asked: Asked) -> tuple[answers.ServiceStatus, ...]:
    return await services.services(asked.platform, asked.actor, asked.environment)


async def rotated(asked: Asked) -> Deployment:
    return services.rotate_service(asked.platform, asked.actor, asked.environment, asked.path["name"], answering=asked.answering)


async def dumped(asked: Asked) -> Response:
    """Written beside first, so that half a dump is never sent as a whole one."""
    path = asked.services.uploads / f"{secrets.token_hex(12)}.dump"
    await services.dump_service(asked.platform, asked.actor, asked.environment, asked.path["name"], path)
    gone = BackgroundTask(path.unlink, missing_ok=True)
    return FileResponse(path, media_type="application/octet-stream", headers={"Cache-Control": "no-store"}, background=gone)


async def restored(asked: Asked) -> None:
    assert asked.archive is not None
    try:
        await services.restore_service(asked.platform, asked.actor, asked.environment, asked.path["name"], asked.archive)
    finally:
        asked.archive.unlink(missing_ok=True)  # whatever of the address was wrong


async def removed(asked: Asked) -> ServiceRecord:
    confirm = asked.text("confirm")
    return await services.remove_service(asked.platform, asked.actor, asked.environment, asked.path["name"], confirm=confirm)


def _kind(text: str) -> ServiceKind:
    try:
        return ServiceKind(text)
    except ValueError:
        kinds = ", ".join(kind.value for kind in ServiceKind)
        raise InvalidInput(f"there is no type of service {text[:40]!r}", hint=f"the types are {kinds}") from None


_TYPE = Parameter(
    name="type", kind=str, is_required=True, most=40, about=f"What it serves: {', '.join(kind.value for kind in ServiceKind)}."
)
_ACCEPT_OPEN = Parameter(
    name="accept_open", kind=bool, default=False, about="Also one where the logins of apps reach something that is not theirs."
)
_ACCESSORY = Parameter(
    name="accessory", kind=str, default="", most=200, about="The accessory that it is, like data/production.redis; the body is empty then."
)
_CONFIRM = Parameter(name="confirm", kind=str, is_required=True, most=200, about="The service's full name: app/environment/service.")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/service-servers",
        summary="The servers that services come from, how each is, and what comes from it",
        handler=servers,
        answer=tuple[answers.ServerStatus, ...],
    ),
    Endpoint(
        method="PUT",
        path=_SERVER,
        summary="Look at a server and let services come from it; the body is its administrator's address",
        handler=server_added,
        answer=answers.ServerStatus,
        body=Body.RAW,
        query=(_TYPE, _ACCEPT_OPEN, _ACCESSORY),
    ),
    Endpoint(
        method="DELETE", path=_SERVER, summary="Forget a server that nothing comes from", handler=server_removed, answer=ServiceServer
    ),
    Endpoint(
        method="GET",
        path=_SERVICES,
        summary="The services that an environment owns, also one that was destroyed",
        handler=listed,
        answer=tuple[answers.ServiceStatus, ...],
    ),
    Endpoint(
        method="POST",
        path=f"{_ONE}/rotation",
        summary="A new password, brought to every instance; then the old one is no more",
        handler=rotated,
        answer=Deployment,
        status=202,
        is_idempotent_by_key=True,
    ),
    Endpoint(method="GET", path=f"{_ONE}/dump", summary="All that is in a service, as one file", handler=dumped, stream=Stream.BYTES),
    Endpoint(
        method="PUT",
        path=f"{_ONE}/dump",
        summary="Bring back what a dump holds, all of it or nothing",
        handler=restored,
        body=Body.FILE,
    ),
    Endpoint(
        method="DELETE",
        path=_ONE,
        summary="Remove a service with all that is in it",
        handler=removed,
        answer=ServiceRecord,
        query=(_CONFIRM,),
    ),
)
