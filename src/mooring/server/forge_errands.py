"""What follows a look at a forge: a commit is deployed, the forge is told how that goes, and at its end what comes after it begins.

Each is an errand of its own; none keeps the next look waiting. Must not: decide which commit is newest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path

import msgspec

from mooring.client.source import Package, pack_pushed
from mooring.engine.orders import DeployOrder, decode_order
from mooring.errors import DriverError, ManifestInvalid, MooringError
from mooring.model.access import Actor, Role
from mooring.model.deployment import Deployment, Outcome, Trigger
from mooring.model.environment import PRODUCTION, EnvironmentId
from mooring.model.forge import ForgeLink, Report, ReportState, Watched
from mooring.model.names import AppName, DeploymentId, EnvironmentName
from mooring.model.review import review_environment
from mooring.server.pull_comments import PullComments
from mooring.server.rechecks import Rechecks
from mooring.server.shown import ShownEnvironments
from mooring.usecases.deploy import deploy
from mooring.usecases.platform import Platform
from mooring.usecases.reviews import bring_up, review_mark

log = logging.getLogger("mooring.forges")

Begin = Callable[[Package], Awaitable[Deployment]]


class ForgeErrands:
    """Of one desk. `patience`: seconds before a report is tried again, each time."""

    def __init__(self, platform: Platform, comments: PullComments, *, repositories: Path, uploads: Path, patience: Sequence[float]) -> None:
        self.shown = ShownEnvironments(platform)
        self.rechecks = Rechecks(platform.memory, platform.clock)
        self._platform = platform
        self._comments = comments
        self._repositories = repositories
        self._uploads = uploads
        self._patience = patience
        self._errands: set[asyncio.Task[object]] = set()

    def repository(self, link: ForgeLink) -> Path:
        """Where the commits of an app lie."""
        return self._repositories / f"{link.app}.git"

    def begin(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Deployments go on; who asked is told by the next controller."""
        tasks = tuple(self._errands)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refused(
        self, link: ForgeLink, commit: str, branch: str, refusal: MooringError, *, environment: EnvironmentId | None = None, ref: str = ""
    ) -> None:
        """What a commit asks for cannot be: the forge is told beside it."""
        environment = environment or EnvironmentId(link.app, PRODUCTION)
        self._platform.controller.tell(f"{link.app}: {commit[:7]} on {branch} is not deployed: {refusal}")
        report = Report(environment=environment, commit=commit, branch=ref or branch, state=ReportState.FAILED, detail=reason_of(refusal))
        await self._told(link, report)

    async def deploy(self, link: ForgeLink, commit: str, branch: str, environments: Sequence[EnvironmentName]) -> Watched | None:
        """The first of them; the others follow when it serves, unless the branch has moved on."""
        environment = EnvironmentId(link.app, environments[0])

        def begin(package: Package) -> Awaitable[Deployment]:
            return deploy(self._platform, actor_of(link), environment, package.archive, package.source)

        return await self._begun(link, environment, commit, branch, begin=begin, then=tuple(environments[1:]))

    async def review(
        self, link: ForgeLink, commit: str, branch: str, *, ref: str = "", replaced: Mapping[str, bytes | None] | None = None
    ) -> Watched | None:
        """In the environment that the branch has to itself. `ref`: where the forge has it, when that is no branch of this name."""

        def begin(package: Package) -> Awaitable[Deployment]:
            return bring_up(self._platform, actor_of(link), link.app, branch, package.archive, package.source)

        environment = review_environment(link.app, branch)
        return await self._begun(link, environment, commit, branch, begin=begin, ref=ref, replaced=replaced)

    async def _begun(
        self,
        link: ForgeLink,
        environment: EnvironmentId,
        commit: str,
        branch: str,
        *,
        begin: Begin,
        then: tuple[EnvironmentName, ...] = (),
        ref: str = "",
        replaced: Mapping[str, bytes | None] | None = None,
    ) -> Watched | None:
        """On record from here on. None for what is refused, of which the forge is told, and for what is on record already."""
        deployment = self._earlier(link, environment, commit)
        if deployment is not None and any(each.deployment == deployment.id for each in self._platform.memory.forge_watches()):
            return None
        try:
            if deployment is None:
                package = await asyncio.to_thread(
                    pack_pushed, self.repository(link), commit, branch=branch, temporary=self._uploads, replaced=replaced
                )
                deployment = await begin(package)
        except MooringError as refusal:
            report = Report(
                environment=environment, commit=commit, branch=ref or branch, state=ReportState.FAILED, detail=reason_of(refusal)
            )
            self.begin(self._told(link, report))
            self.begin(self._comments.refused(link, branch, commit, report.detail))
            return None
        watched = Watched(
            deployment=deployment.id, app=link.app, environment=environment.environment, commit=commit, branch=branch, ref=ref, then=then
        )
        self._platform.memory.save_forge_watch(watched)
        return watched

    def _earlier(self, link: ForgeLink, environment: EnvironmentId, commit: str) -> Deployment | None:
        """The environment's newest, where it is this commit's: an earlier controller began it, and died before it was on record here."""
        newest = next(iter(self._platform.memory.deployments(environment, limit=1)), None)
        if newest is None or newest.trigger is not Trigger.DEPLOY or newest.requested_by != actor_of(link).name:
            return None
        order = decode_order(newest.order)
        return newest if isinstance(order, DeployOrder) and order.origin.commit == commit else None

    async def announced(self, link: ForgeLink, watched: Watched) -> Watched:
        """The forge knows that it has begun."""
        environment = EnvironmentId(link.app, watched.environment)
        report = Report(
            environment=environment,
            commit=watched.commit,
            branch=watched.ref or watched.branch,
            state=ReportState.RUNNING,
            detail="is being deployed",
            is_review=watched.is_review,
        )
        watched = msgspec.structs.replace(watched, handle=await self._told(link, report))
        self._platform.memory.save_forge_watch(watched)
        return watched

    async def to_the_end(self, watched: Watched) -> None:
        """Of a deployment; then the forge is told, and what comes after it begins. It is on record until that is."""
        async for _ in self._platform.controller.follow(deployment=watched.deployment):
            pass
        link = next((each for each in self._platform.memory.forges() if each.app == watched.app), None)
        record = self._platform.memory.deployment(watched.deployment)
        begun = None
        if link is not None and record is not None:
            ending = self._ending(watched, record)
            handle = await self._told(link, ending, handle=watched.handle)
            self.shown.note(watched, ending, handle=handle)
            await self._comments.follow(link, watched.branch)
            await self._mended(link, watched.environment)
            is_newest = self._platform.memory.forge_heads(link.app).get(watched.branch) == watched.commit
            if watched.then and is_newest and record.outcome is Outcome.SUCCEEDED:
                begun = await self.deploy(link, watched.commit, watched.branch, watched.then)
        self._platform.memory.forget_forge_watch(watched.deployment)
        if link is not None and begun is not None:
            await self.to_the_end(await self.announced(link, begun))

    def _ending(self, watched: Watched, record: Deployment) -> Report:
        has_succeeded = record.outcome is Outcome.SUCCEEDED
        urls = record.receipt.urls if record.receipt is not None and has_succeeded else ()
        return Report(
            environment=record.environment,
            commit=watched.commit,
            branch=watched.ref or watched.branch,
            state=ReportState.SUCCEEDED if has_succeeded else ReportState.FAILED,
            detail=_said(record),
            url=urls[0] if urls else "",
            is_review=watched.is_review,
        )

    async def _told(self, link: ForgeLink, report: Report, *, handle: str = "") -> str:
        """Tried a few times; a forge that cannot be told keeps nothing from being deployed."""
        for pause in (*self._patience, None):
            try:
                return await self._platform.forges.forge(link, self._platform.memory.forge_secrets(link.app)).report(report, handle=handle)
            except MooringError as failure:
                if pause is None or not isinstance(failure, DriverError):
                    self._platform.controller.tell(f"the forge of {link.app} was not told of {report.commit[:7]}: {failure}")
                    break
                await asyncio.sleep(pause)
        return handle

    async def _mended(self, link: ForgeLink, environment: EnvironmentName) -> None:
        """What cannot be told now is an event, and told at the next look."""
        try:
            await self.shown.mend(link, environment)
        except MooringError as failure:
            self._platform.controller.tell(f"the forge of {link.app} was not told of {environment}: {failure}")

    async def look_after(self, link: ForgeLink, deployment: DeploymentId) -> None:
        """Look again when a review app is gone."""
        async for _ in self._platform.controller.follow(deployment=deployment):
            pass
        self._platform.forges.look(link.app)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("defect while a forge's commit was deployed", exc_info=task.exception())


def is_leaving(platform: Platform, app: AppName, branch: str) -> bool:
    """Whether the branch's review app is being torn down: it can be made anew when it is gone."""
    mark = review_mark(platform, app, branch)
    return mark is not None and bool(mark.leaving)


def actor_of(link: ForgeLink) -> Actor:
    return Actor(f"forge {link.kind.value}", Role.DEPLOYER)


def reason_of(refusal: MooringError) -> str:
    """In one line; of many problems the first."""
    first = refusal.problems[0] if isinstance(refusal, ManifestInvalid) and refusal.problems else refusal.message
    return str(first).partition("\n")[0]


def _said(record: Deployment) -> str:
    """In one line how a deployment ended."""
    if record.outcome is Outcome.SUCCEEDED:
        counted = record.receipt
        return (
            "serves"
            if counted is None
            else f"serves; {counted.traffic.requests - counted.traffic.failed} requests served, {counted.failed} failed"
        )
    if record.outcome is Outcome.SUPERSEDED:
        return "a newer one came in its place"
    return record.error or "was not deployed; what served before serves"
