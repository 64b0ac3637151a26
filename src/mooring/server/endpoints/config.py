"""Variables and secrets of an environment. Must not: answer with a secret's value."""

from __future__ import annotations

from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.server.query import Parameter
from mooring.usecases import answers, config, requests, secrets

_PATH = "/v1/environments/{app}/{environment}"


async def shown(asked: Asked) -> tuple[answers.Variable, ...]:
    return config.variables(asked.platform, asked.actor, asked.environment, origin=asked.flag("origin"))


async def changed(asked: Asked) -> answers.ConfigChange:
    wanted = asked.json(requests.ConfigRequest)
    return config.change_config(
        asked.platform, asked.actor, asked.environment, changes=wanted.set, unset=wanted.unset, answering=asked.answering
    )


async def secret_set(asked: Asked) -> answers.ConfigChange:
    name, value = asked.path["name"], asked.json(bytes)
    return secrets.set_secret(asked.platform, asked.actor, asked.environment, name, value, answering=asked.answering)


async def secret_unset(asked: Asked) -> answers.ConfigChange:
    return secrets.unset_secret(asked.platform, asked.actor, asked.environment, asked.path["name"], answering=asked.answering)


_ORIGIN = Parameter(name="origin", kind=bool, default=False, about="Also what the builder sets.")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path=f"{_PATH}/config",
        summary="Its variables and where they come from; secrets by name only",
        handler=shown,
        answer=tuple[answers.Variable, ...],
        query=(_ORIGIN,),
    ),
    Endpoint(
        method="PATCH",
        path=f"{_PATH}/config",
        summary="Set and unset variables; what runs gets a new release and a rolling restart",
        handler=changed,
        answer=answers.ConfigChange,
        body=Body.JSON,
        body_type=requests.ConfigRequest,
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="PUT",
        path=f"{_PATH}/secrets/{{name}}",
        summary="Set a secret: the body is its value, byte for byte",
        handler=secret_set,
        answer=answers.ConfigChange,
        body=Body.RAW,
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_PATH}/secrets/{{name}}",
        summary="Remove a secret",
        handler=secret_unset,
        answer=answers.ConfigChange,
        is_idempotent_by_key=True,
    ),
)
