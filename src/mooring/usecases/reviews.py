"""Review apps by hand: bring one up, list them, take one down and see that nothing is left. Must not: touch another environment."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.engine.orders import DeployOrder, ReseedOrder
from mooring.errors import NotFound, Refused
from mooring.model.access import Actor
from mooring.model.config import revealed
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.forge import PullPart
from mooring.model.names import AppName, EnvironmentName, app_name
from mooring.model.records import Answering, EnvironmentRecord
from mooring.model.release import Source
from mooring.model.review import REVIEW_PASSWORD, ReviewMark, ReviewSettings, branch_name, is_strangers, review_environment, used_now
from mooring.planner.review import TearDown, plan, review_apps
from mooring.usecases.answers import ReviewAppStatus, ReviewLogin
from mooring.usecases.borrowing import waiting_words
from mooring.usecases.deploy import checked_origin, kept_unless_refused
from mooring.usecases.discretion import shown_source
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.status import environment_summary

TEMPLATE = EnvironmentName("review")
"""What was set for the environment of this name is what a new review app begins with."""


async def bring_up(
    platform: Platform, actor: Actor, app: str, branch: str, archive: Path, origin: Source, *, answering: Answering | None = None
) -> Deployment:
    """The branch's tree, in the environment that it has to itself; at the limit another makes room.

    The engine owns the archive from here on; it is removed when this is refused.
    Raises Forbidden, LeaseHeld, Refused, InvalidName, InvalidInput, SourceInvalid, ManifestInvalid.
    """
    async with kept_unless_refused(platform, archive):
        environment = _environment(app, branch)
        origin = msgspec.structs.replace(checked_origin(msgspec.structs.replace(origin, branch="")), branch=branch)
        origin = shown_source(platform, environment, origin)
        platform.allow(actor, Permission.CHANGE, "review up", environment, branch=branch, commit=origin.commit)
        order = DeployOrder(archive=str(archive), origin=origin)
        _refuse_strangers(platform, environment, branch)
        await platform.controller.examine(environment, order)
        settings = await platform.controller.review_settings(environment, archive, origin)
        _refuse_strangers(platform, environment, branch)
        _make_room(platform, environment, branch, origin, settings)
        _found(platform, actor, environment, branch, origin, settings)
        return platform.controller.submit(environment, order, by=actor.name, description=f"review {branch}"[:200], answering=answering)


async def listed(platform: Platform, actor: Actor, app: str) -> tuple[ReviewAppStatus, ...]:
    """Of an app, by branch."""
    require(actor, Permission.SEE)
    found = []
    for each in review_apps(platform.memory.environments(), app_name(app)):
        try:
            found.append(await _status(platform, actor, platform.existing(each.environment), each.mark))
        except NotFound:
            continue  # gone while the others were looked at
    return tuple(sorted(found, key=lambda each: each.branch))


async def take_down(platform: Platform, actor: Actor, app: str, branch: str, *, answering: Answering | None = None) -> Deployment:
    """Also one that the memory does not know, as long as something of it is there. Raises NotFound, Refused, LeaseHeld, Forbidden."""
    environment = _environment(app, branch)
    platform.allow(actor, Permission.CHANGE, "review down", environment, branch=branch)
    _refuse_strangers(platform, environment, branch)
    if platform.memory.environment(environment) is None:
        try:
            await platform.controller.adopt(environment)
        except NotFound as error:
            raise _absent(environment, branch) from error
    return platform.controller.reviews.tear_down(environment, f"{actor.name} asked for it", by=actor.name, answering=answering)


def review_mark(platform: Platform, app: AppName, branch: str) -> ReviewMark | None:
    """Of the branch's review app, while there is one."""
    record = platform.memory.environment(review_environment(app, branch))
    mark = record.review if record is not None else None
    return mark if mark is not None and mark.branch == branch else None


def login(platform: Platform, actor: Actor, app: str, branch: str) -> ReviewLogin:
    """Who its edge lets in. Raises NotFound, Forbidden."""
    environment = _environment(app, branch)
    platform.allow(actor, Permission.CHANGE, "review access", environment, branch=branch)
    record, _ = _marked(platform, environment, branch)
    release = platform.memory.release(environment, record.revision.release) if record.revision else None
    if release is None:
        raise NotFound(f"the review app of {branch} runs nothing yet", hint="`mooring review up` brings it up")
    user = release.edge.access.user
    password = platform.memory.config(environment, release.config_version).get(REVIEW_PASSWORD, "") if user else ""
    return ReviewLogin(user=user, password=revealed(password))


async def extend(platform: Platform, actor: Actor, app: str, branch: str) -> ReviewAppStatus:
    """Its time begins anew. Raises NotFound, Refused, Forbidden."""
    environment = _environment(app, branch)
    platform.allow(actor, Permission.CHANGE, "review extend", environment, branch=branch)
    record, mark = _marked(platform, environment, branch)
    if mark.leaving:
        raise Refused(f"the review app of {branch} is being torn down: {mark.leaving}", hint="`mooring review up` makes it anew")
    mark = used_now(mark, platform.clock.wall())
    platform.memory.save_environment(msgspec.structs.replace(record, review=mark))
    platform.controller.reviews.wake(environment)
    record, mark = _marked(platform, environment, branch)
    return await _status(platform, actor, record, mark)


async def reseed(platform: Platform, actor: Actor, app: str, branch: str, *, answering: Answering | None = None) -> Deployment:
    """Its data are laid in once more, by a new release of what it runs. Raises NotFound, Refused, LeaseHeld, Forbidden."""
    environment = _environment(app, branch)
    platform.allow(actor, Permission.CHANGE, "review reseed", environment, branch=branch)
    record, mark = _marked(platform, environment, branch)
    release = platform.memory.release(environment, record.revision.release) if record.revision else None
    if release is None:
        raise NotFound(f"the review app of {branch} runs nothing yet", hint="`mooring review up` brings it up")
    if not release.seed_command:
        raise Refused("the app has no seed command", hint='write it below [review] in mooring.toml, like seed = "./seed", and bring it up')
    order = ReseedOrder()
    await platform.controller.examine(environment, order)
    platform.memory.save_environment(msgspec.structs.replace(record, review=msgspec.structs.replace(mark, is_seeded=False)))
    return platform.controller.submit(environment, order, by=actor.name, answering=answering)


def _environment(app: str, branch: str) -> EnvironmentId:
    """Raises InvalidName."""
    return review_environment(app_name(app), branch_name(branch))


def _refuse_strangers(platform: Platform, environment: EnvironmentId, branch: str) -> None:
    """What has that name and not the mark is somebody's own. Raises Refused."""
    record = platform.memory.environment(environment)
    if record is not None and (record.review is None or record.review.branch != branch):
        raise Refused(
            f"{environment} is there already, and is no review app of {branch}", hint=f"`mooring destroy -e {environment.environment}`"
        )


def _absent(environment: EnvironmentId, branch: str) -> NotFound:
    return NotFound(f"{environment.app} has no review app of {branch}", hint="`mooring review ls` lists them")


def _marked(platform: Platform, environment: EnvironmentId, branch: str) -> tuple[EnvironmentRecord, ReviewMark]:
    record = platform.memory.environment(environment)
    if record is None or record.review is None or record.review.branch != branch:
        raise _absent(environment, branch)
    return record, record.review


def _make_room(platform: Platform, environment: EnvironmentId, branch: str, origin: Source, settings: ReviewSettings) -> None:
    """Raises Refused, LeaseHeld where what would have to go may not."""
    apps = review_apps(platform.memory.environments(), environment.app)
    heads = {branch: origin.commit}
    for act in plan(environment.app, settings, apps, heads, is_complete=False, now=platform.clock.wall()):
        if isinstance(act, TearDown):
            if act.environment == environment:
                raise Refused(f"the review app of {branch} is being torn down: {act.reason}", hint="ask again when it is gone")
            if not platform.controller.reviews.is_going(act.environment):
                platform.controller.reviews.tear_down(act.environment, act.reason, by=f"review up {branch}"[:64])


def _found(platform: Platform, actor: Actor, environment: EnvironmentId, branch: str, origin: Source, settings: ReviewSettings) -> None:
    """The mark is on disk before anything of it is made; with what is set for the app's review apps, where it is new and no stranger's."""
    now = platform.clock.wall()
    record = platform.memory.environment(environment)
    if record is None:
        record = EnvironmentRecord(environment=environment, created_at=now)
    mark = record.review or ReviewMark(branch=branch, used_at=now, expires_at=now)
    mark = used_now(msgspec.structs.replace(mark, head=origin.commit, settings=settings), now)
    platform.memory.save_environment(msgspec.structs.replace(record, review=mark))
    if is_strangers(branch):
        return
    template = EnvironmentId(app=environment.app, environment=TEMPLATE)
    versions = platform.memory.config_versions(template)
    if versions and not platform.memory.config_versions(environment):
        values = platform.memory.config(template, versions[-1].version)
        platform.memory.put_config(environment, changes=values, by=actor.name, at=now)
        platform.secrets.changed(environment)


async def _status(platform: Platform, actor: Actor, record: EnvironmentRecord, mark: ReviewMark) -> ReviewAppStatus:
    last = platform.memory.deployments(record.environment, limit=1)
    pulls = platform.memory.forge_pulls(record.environment.app)
    failed = last and last[0].outcome not in (None, Outcome.SUCCEEDED, Outcome.SUPERSEDED)
    return ReviewAppStatus(
        branch=mark.branch,
        head=mark.head,
        created_at=record.created_at,
        used_at=mark.used_at,
        expires_at=mark.expires_at,
        leaving=mark.leaving,
        waiting=waiting_words(platform, mark),
        is_warned=mark.is_warned,
        error=last[0].error if failed else "",
        summary=await environment_summary(platform, actor, record.environment),
        pulls=tuple(pull.number for pull in pulls if pull.branch == mark.branch and pull.part is not PullPart.NOTHING),
    )
