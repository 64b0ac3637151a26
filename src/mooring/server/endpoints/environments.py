"""One environment: how it is, its releases, its lock, its maintenance page, its end. Must not: deploy."""

from __future__ import annotations

from mooring.model.deployment import Deployment
from mooring.model.lease import Lock
from mooring.model.release import Release
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.server.query import Parameter
from mooring.usecases import answers, destroy, lock, maintenance, releases, requests, status

_PATH = "/v1/environments/{app}/{environment}"


async def listed(asked: Asked) -> tuple[answers.EnvironmentSummary, ...]:
    return await status.environment_summaries(asked.platform, asked.actor)


async def shown(asked: Asked) -> answers.EnvironmentDetail:
    return await status.environment_detail(asked.platform, asked.actor, asked.environment)


async def destroyed(asked: Asked) -> Deployment:
    confirm = asked.text("confirm")
    return await destroy.destroy(
        asked.platform, asked.actor, asked.environment, confirm=confirm, services=asked.flag("services"), answering=asked.answering
    )


async def its_releases(asked: Asked) -> tuple[Release, ...]:
    return releases.releases(asked.platform, asked.actor, asked.environment)


async def set_maintenance(asked: Asked) -> answers.EnvironmentDetail:
    wanted = asked.json(requests.MaintenanceRequest)
    return await maintenance.set_maintenance(asked.platform, asked.actor, asked.environment, on=wanted.on)


async def locked(asked: Asked) -> Lock:
    wanted = asked.json(requests.LockRequest)
    return lock.lock(asked.platform, asked.actor, asked.environment, reason=wanted.reason)


async def unlocked(asked: Asked) -> None:
    lock.unlock(asked.platform, asked.actor, asked.environment)


_SERVICES = Parameter(name="services", kind=bool, default=False, about="Its services too, with all that is in them; else they stay.")
_CONFIRM = Parameter(name="confirm", kind=str, is_required=True, most=100, about="`app/environment`, typed by who wants it gone.")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/environments",
        summary="All environments",
        handler=listed,
        answer=tuple[answers.EnvironmentSummary, ...],
    ),
    Endpoint(
        method="GET",
        path=_PATH,
        summary="An environment: release, instances, routes, lock, and how old that knowledge is",
        handler=shown,
        answer=answers.EnvironmentDetail,
    ),
    Endpoint(
        method="DELETE",
        path=_PATH,
        summary="Stop an environment and remove all that it owns",
        handler=destroyed,
        answer=Deployment,
        status=202,
        query=(_CONFIRM, _SERVICES),
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="GET", path=f"{_PATH}/releases", summary="Its releases, newest first", handler=its_releases, answer=tuple[Release, ...]
    ),
    Endpoint(
        method="PUT",
        path=f"{_PATH}/maintenance",
        summary="Show visitors a maintenance page, or the app again; answered when the edge shows it",
        handler=set_maintenance,
        answer=answers.EnvironmentDetail,
        body=Body.JSON,
        body_type=requests.MaintenanceRequest,
    ),
    Endpoint(
        method="PUT",
        path=f"{_PATH}/lock",
        summary="Refuse deployments until it is unlocked",
        handler=locked,
        answer=Lock,
        body=Body.JSON,
        body_type=requests.LockRequest,
    ),
    Endpoint(method="DELETE", path=f"{_PATH}/lock", summary="Allow deployments again", handler=unlocked),
)
