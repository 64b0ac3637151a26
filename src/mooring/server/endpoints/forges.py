"""Forges of apps, and the messages they send. Must not: show a secret."""

from __future__ import annotations

from mooring.model.forge import ForgeLink
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.usecases import answers, forges, requests

_ONE = "/v1/forges/{app}"


async def listed(asked: Asked) -> tuple[answers.ForgeStatus, ...]:
    return forges.forges(asked.platform, asked.actor)


async def added(asked: Asked) -> answers.ForgeChecked:
    return await forges.add_forge(asked.platform, asked.actor, asked.json(requests.ForgeRequest))


async def checked(asked: Asked) -> answers.ForgeChecked:
    return await forges.check_forge(asked.platform, asked.actor, asked.path["app"])


async def removed(asked: Asked) -> ForgeLink:
    return forges.remove_forge(asked.platform, asked.actor, asked.path["app"])


async def heard(asked: Asked) -> answers.ForgeHeard:
    assert isinstance(asked.body, bytes)
    return forges.hear(asked.platform, asked.path["app"], asked.headers, asked.body)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/forges",
        summary="The forges whose pushes deploy apps, and how the last look at each went",
        handler=listed,
        answer=tuple[answers.ForgeStatus, ...],
    ),
    Endpoint(
        method="POST",
        path="/v1/forges",
        summary="Deploy an app when its forge is pushed to; in the place of an earlier one of this app",
        handler=added,
        answer=answers.ForgeChecked,
        status=201,
        body=Body.JSON,
        body_type=requests.ForgeRequest,
    ),
    Endpoint(
        method="POST", path=f"{_ONE}/check", summary="Ask a forge what the token reaches, and look at it now", handler=checked,
        answer=answers.ForgeChecked,
    ),
    Endpoint(method="DELETE", path=_ONE, summary="Forget a forge; what runs goes on", handler=removed, answer=ForgeLink),
    Endpoint(
        method="POST",
        path=f"{_ONE}/hook",
        summary="A forge's message: a push, a branch that is gone, a pull request, a check",
        handler=heard,
        answer=answers.ForgeHeard,
        status=202,
        body=Body.RAW,
        about="Signed as the forge signs it. It only makes the platform look at the forge: which commit is newest, the forge is asked.",
    ),
)  # fmt: skip
