"""Keys that may push. Must not: hold a private one."""

from __future__ import annotations

from mooring.model.push_key import PushKey
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.usecases import push_keys, requests


async def listed(asked: Asked) -> tuple[PushKey, ...]:
    return push_keys.push_keys(asked.platform, asked.actor)


async def added(asked: Asked) -> PushKey:
    return push_keys.add_push_key(asked.platform, asked.actor, asked.json(requests.PushKeyRequest))


async def removed(asked: Asked) -> PushKey:
    return push_keys.remove_push_key(asked.platform, asked.actor, asked.path["name"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/push-keys",
        summary="The keys that may `git push` to this platform",
        handler=listed,
        answer=tuple[PushKey, ...],
    ),
    Endpoint(
        method="POST",
        path="/v1/push-keys",
        summary="Let a key push; the same again changes its apps",
        handler=added,
        answer=PushKey,
        status=201,
        body=Body.JSON,
        body_type=requests.PushKeyRequest,
    ),
    Endpoint(method="DELETE", path="/v1/push-keys/{name}", summary="Let a key push no more", handler=removed, answer=PushKey),
)
