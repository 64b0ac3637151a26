"""Deployments: their records, their journal, turning one round. Must not: start one."""

from __future__ import annotations

from mooring.model.deployment import Deployment
from mooring.model.records import JournalEntry
from mooring.server.asked import Asked
from mooring.server.endpoint import Endpoint
from mooring.server.endpoints.parameters import APP, ENVIRONMENT
from mooring.server.query import Parameter
from mooring.usecases import abort, deployments


async def listed(asked: Asked) -> tuple[Deployment, ...]:
    return deployments.deployments(asked.platform, asked.actor, asked.environment_filter, limit=asked.number("limit") or 1)


async def shown(asked: Asked) -> Deployment:
    return deployments.find_deployment(asked.platform, asked.actor, asked.path["id"])


async def aborted(asked: Asked) -> Deployment:
    return abort.abort(asked.platform, asked.actor, asked.path["id"])


async def journal(asked: Asked) -> tuple[JournalEntry, ...]:
    return deployments.journal(asked.platform, asked.actor, asked.path["id"])


_LIMIT = Parameter(name="limit", kind=int, default=50, least=1, most=deployments.MOST, about="At most this many.")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/deployments",
        summary="Deployments, newest first",
        handler=listed,
        answer=tuple[Deployment, ...],
        query=(APP, ENVIRONMENT, _LIMIT),
    ),
    Endpoint(
        method="GET",
        path="/v1/deployments/{id}",
        summary="A deployment, with its receipt when it has ended",
        handler=shown,
        answer=Deployment,
    ),
    Endpoint(
        method="POST",
        path="/v1/deployments/{id}/abort",
        summary="Ask it to turn round; the old release goes on serving",
        handler=aborted,
        answer=Deployment,
        status=202,
    ),
    Endpoint(
        method="GET",
        path="/v1/deployments/{id}/journal",
        summary="Every effect: its intent and its outcome",
        handler=journal,
        answer=tuple[JournalEntry, ...],
    ),
)
