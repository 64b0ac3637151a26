"""An app's review apps: bring up, list, extend, seed anew, take down, and look what is left. Must not: wait for a deployment's end."""

from __future__ import annotations

from mooring.model.deployment import Deployment
from mooring.model.trace import Trace
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.server.endpoints.orders import origin_of
from mooring.server.endpoints.parameters import ORIGIN
from mooring.server.query import Parameter
from mooring.usecases import answers, reviews, traces

_PATH = "/v1/apps/{app}/reviews"


async def listed(asked: Asked) -> tuple[answers.ReviewAppStatus, ...]:
    return await reviews.listed(asked.platform, asked.actor, asked.path["app"])


async def brought_up(asked: Asked) -> Deployment:
    assert asked.archive is not None
    app, branch = asked.path["app"], asked.text("branch")
    return await reviews.bring_up(asked.platform, asked.actor, app, branch, asked.archive, origin_of(asked), answering=asked.answering)


async def taken_down(asked: Asked) -> Deployment:
    return await reviews.take_down(asked.platform, asked.actor, asked.path["app"], asked.text("branch"), answering=asked.answering)


async def extended(asked: Asked) -> answers.ReviewAppStatus:
    return await reviews.extend(asked.platform, asked.actor, asked.path["app"], asked.text("branch"))


async def reseeded(asked: Asked) -> Deployment:
    return await reviews.reseed(asked.platform, asked.actor, asked.path["app"], asked.text("branch"), answering=asked.answering)


async def login(asked: Asked) -> answers.ReviewLogin:
    return reviews.login(asked.platform, asked.actor, asked.path["app"], asked.text("branch"))


async def looked_for(asked: Asked) -> tuple[Trace, ...]:
    return await traces.traces(asked.platform, asked.actor, asked.path["app"], asked.text("branch"), deployment=asked.text("deployment"))


_BRANCH = Parameter(name="branch", kind=str, is_required=True, most=255, about="The branch, as git has it.")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path=_PATH,
        summary="The app's review apps, by branch",
        handler=listed,
        answer=tuple[answers.ReviewAppStatus, ...],
    ),
    Endpoint(
        method="POST",
        path=_PATH,
        summary="Build and run a branch in an environment of its own",
        handler=brought_up,
        answer=Deployment,
        status=202,
        body=Body.ARCHIVE,
        query=(_BRANCH, *(each for each in ORIGIN if each.name != "branch")),
        is_idempotent_by_key=True,
        about="The body is a tar of the branch's tree, gzipped or not. At the limit the longest idle review app makes room.",
    ),
    Endpoint(
        method="DELETE",
        path=_PATH,
        summary="Take a branch's review app down, with all that it owns",
        handler=taken_down,
        answer=Deployment,
        status=202,
        query=(_BRANCH,),
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_PATH}/login",
        summary="The user and password that a review app's edge asks for",
        handler=login,
        answer=answers.ReviewLogin,
        query=(_BRANCH,),
    ),
    Endpoint(
        method="PUT",
        path=f"{_PATH}/expiry",
        summary="Let a review app's time begin anew",
        handler=extended,
        answer=answers.ReviewAppStatus,
        query=(_BRANCH,),
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/seeding",
        summary="Lay in a review app's data once more",
        handler=reseeded,
        answer=Deployment,
        status=202,
        query=(_BRANCH,),
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_PATH}/traces",
        summary="What was left of a review app when it was taken down",
        handler=looked_for,
        answer=tuple[Trace, ...],
        query=(
            _BRANCH,
            Parameter(
                name="deployment", kind=str, is_required=True, most=64, about="The one that takes it down; before its end it is empty."
            ),
        ),
    ),
)
