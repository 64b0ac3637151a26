"""What becomes a deployment: deploy, promote, roll back, scale, restart; and what each would do. Must not: wait for its end."""

from __future__ import annotations

from mooring.engine.orders import Preview
from mooring.model.deployment import Deployment
from mooring.model.names import LABEL_PATTERN, environment_name
from mooring.model.promotion import Promotion
from mooring.model.release import Source
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.server.endpoints.parameters import ORIGIN
from mooring.server.query import Parameter
from mooring.usecases import deploy, plan, promote, requests, restart, rollback, scale

_PATH = "/v1/environments/{app}/{environment}"


async def deployed(asked: Asked) -> Deployment:
    assert asked.archive is not None
    return await deploy.deploy(asked.platform, asked.actor, asked.environment, asked.archive, origin_of(asked), answering=asked.answering)


async def planned(asked: Asked) -> Preview:
    if asked.archive is not None:
        return await plan.plan_deploy(asked.platform, asked.actor, asked.environment, asked.archive, origin_of(asked))
    order = asked.body
    assert isinstance(order, requests.PlanRequest)
    return await plan.plan(asked.platform, asked.actor, asked.environment, order)


async def promoted(asked: Asked) -> Deployment:
    assert asked.archive is not None
    promotion = _promotion(asked)
    return await promote.promote(asked.platform, asked.actor, asked.environment, asked.archive, promotion, answering=asked.answering)


async def promotion_planned(asked: Asked) -> Preview:
    assert asked.archive is not None
    return await promote.plan_promotion(asked.platform, asked.actor, asked.environment, asked.archive, _promotion(asked))


async def rolled_back(asked: Asked) -> Deployment:
    wanted = asked.json(requests.RollbackRequest)
    return await rollback.rollback(asked.platform, asked.actor, asked.environment, release=wanted.release, answering=asked.answering)


async def scaled(asked: Asked) -> Deployment:
    wanted = asked.json(requests.ScaleRequest)
    return await scale.scale(asked.platform, asked.actor, asked.environment, wanted.counts, answering=asked.answering)


async def restarted(asked: Asked) -> Deployment:
    return restart.restart(asked.platform, asked.actor, asked.environment, answering=asked.answering)


def _promotion(asked: Asked) -> Promotion:
    number = asked.number("release")
    assert number is not None  # required
    return Promotion(environment=environment_name(asked.text("from")), number=number, notes=promote.read_notes(asked.text("notes")))


def origin_of(asked: Asked) -> Source:
    """What is said of the uploaded tree."""
    return Source(
        digest=asked.text("digest"),
        commit=asked.text("commit"),
        branch=asked.text("branch"),
        message=asked.text("message"),
        is_dirty=asked.flag("dirty"),
    )


_PROMOTION = (
    Parameter(
        name="from", kind=str, is_required=True, most=40, pattern=LABEL_PATTERN, about="The environment of the same app that ran it before."
    ),
    Parameter(name="release", kind=int, is_required=True, least=1, most=10**9, about="The number of its release."),
)
_NOTES = Parameter(
    name="notes",
    kind=str,
    default="",
    most=promote.LONGEST_NOTES,
    about="What it brings, to be kept with the release: JSON, as a release's promotion shows it.",
)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path=f"{_PATH}/deployments",
        summary="Build and run an uploaded source tree",
        handler=deployed,
        answer=Deployment,
        status=202,
        body=Body.ARCHIVE,
        query=ORIGIN,
        is_idempotent_by_key=True,
        about="The body is a tar of the source tree, gzipped or not. The deployment goes on after the answer; follow its events.",
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/plan",
        summary="What a deploy, or another order, would do and why, touching nothing",
        handler=planned,
        answer=Preview,
        body=Body.ARCHIVE_OR_JSON,
        body_type=requests.PlanRequest,
        query=ORIGIN,
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/promotion",
        summary="Run what another environment runs, as it is built",
        handler=promoted,
        answer=Deployment,
        status=202,
        body=Body.ARCHIVE,
        query=(*_PROMOTION, _NOTES),
        is_idempotent_by_key=True,
        about="The body is a tar of the source tree that the other environment's release was deployed from: its manifest says how it runs "
        "in this one. Nothing is built; refused where its artifact is gone, or this environment's [build] is another.",
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/promotion/plan",
        summary="What a promotion would do and why, touching nothing",
        handler=promotion_planned,
        answer=Preview,
        body=Body.ARCHIVE,
        query=(*_PROMOTION, _NOTES),
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/rollback",
        summary="Serve an earlier release again",
        handler=rolled_back,
        answer=Deployment,
        status=202,
        body=Body.JSON,
        body_type=requests.RollbackRequest,
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/scale",
        summary="How many instances of each process type run",
        handler=scaled,
        answer=Deployment,
        status=202,
        body=Body.JSON,
        body_type=requests.ScaleRequest,
        is_idempotent_by_key=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/restart",
        summary="All instances anew, start-first",
        handler=restarted,
        answer=Deployment,
        status=202,
        body=Body.JSON,
        body_type=requests.RestartRequest,
        is_idempotent_by_key=True,
    ),
)
