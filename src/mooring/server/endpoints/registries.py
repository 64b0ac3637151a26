"""Registries of images that want to know who asks. Must not: answer with a password."""

from __future__ import annotations

from mooring.model.registry import Registry
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.usecases import registries, requests


async def listed(asked: Asked) -> tuple[Registry, ...]:
    return registries.registries(asked.platform, asked.actor)


async def added(asked: Asked) -> Registry:
    return registries.add_registry(asked.platform, asked.actor, asked.json(requests.RegistryRequest))


async def removed(asked: Asked) -> Registry:
    return registries.remove_registry(asked.platform, asked.actor, asked.path["name"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/registries",
        summary="All registries that were added, without their passwords",
        handler=listed,
        answer=tuple[Registry, ...],
    ),
    Endpoint(
        method="POST",
        path="/v1/registries",
        summary="Fetch images of a registry as somebody from now on; one that is there already is changed",
        handler=added,
        answer=Registry,
        status=201,
        body=Body.JSON,
        body_type=requests.RegistryRequest,
    ),
    Endpoint(method="DELETE", path="/v1/registries/{name}", summary="Forget a registry and its password", handler=removed, answer=Registry),
)
