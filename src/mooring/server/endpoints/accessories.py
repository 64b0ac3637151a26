"""Accessories of an environment: long-lived programs beside the app. Must not: touch the app itself."""

from __future__ import annotations

from starlette.responses import Response

from mooring.engine.orders import Preview
from mooring.model.deployment import Deployment
from mooring.model.instance import LogLine
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint, Stream
from mooring.server.endpoints.parameters import FOLLOW, LINES
from mooring.server.query import Parameter
from mooring.server.sse import log_messages
from mooring.usecases import accessories, answers, requests

_PATH = "/v1/environments/{app}/{environment}/accessories"
_ONE = f"{_PATH}/{{name}}"


async def listed(asked: Asked) -> tuple[answers.AccessoryStatus, ...]:
    return await accessories.accessories(asked.platform, asked.actor, asked.environment)


async def changed(asked: Asked) -> answers.AccessoryChange:
    verb = asked.json(requests.AccessoryRequest).order
    return await accessories.change(asked.platform, asked.actor, asked.environment, asked.path["name"], verb, answering=asked.answering)


async def planned(asked: Asked) -> Preview:
    wanted = asked.json(requests.PlanAccessory)
    return await accessories.plan(
        asked.platform, asked.actor, asked.environment, asked.path["name"], wanted.order, is_volume_removed=wanted.volume
    )


async def removed(asked: Asked) -> Deployment:
    return await accessories.remove(
        asked.platform,
        asked.actor,
        asked.environment,
        asked.path["name"],
        is_volume_removed=asked.flag("volume"),
        answering=asked.answering,
    )


async def said(asked: Asked) -> Response:
    lines, follow = asked.number("lines") or 0, asked.flag("follow")
    told = accessories.its_logs(asked.platform, asked.actor, asked.environment, asked.path["name"], lines=lines, follow=follow)
    return asked.services.streams.respond(log_messages(told), asked.known_caller)


_VOLUME = Parameter(name="volume", kind=bool, default=False, about="Remove its volume and its secrets too.")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path=_PATH,
        summary="Its accessories: how what is declared and what runs stand to each other",
        handler=listed,
        answer=tuple[answers.AccessoryStatus, ...],
    ),
    Endpoint(
        method="POST",
        path=_ONE,
        summary="Start, stop or restart an accessory, or apply its declaration",
        handler=changed,
        answer=answers.AccessoryChange,
        status=202,
        body=Body.JSON,
        body_type=requests.AccessoryRequest,
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_ONE}/plan",
        summary="What an order about an accessory would do and why, touching nothing",
        handler=planned,
        answer=Preview,
        body=Body.JSON,
        body_type=requests.PlanAccessory,
    ),
    Endpoint(
        method="DELETE",
        path=_ONE,
        summary="Stop an accessory and remove it; its volume stays",
        handler=removed,
        answer=Deployment,
        status=202,
        query=(_VOLUME,),
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_ONE}/logs",
        summary="What an accessory prints, without secrets",
        handler=said,
        answer=LogLine,
        stream=Stream.EVENTS,
        query=(LINES, FOLLOW),
    ),
)
