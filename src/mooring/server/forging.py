"""Looks at each forge in its time, or when it says that something happened; deploys what its branches hold by now; tells it how that ends.

What a commit asks for stands in its own mooring.toml. A burst of messages is one look; a message is never believed about which commit is
newest. Must not: believe a message, or deploy a commit twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

import msgspec

from mooring.client.pushed import NoEnvironment, Pipeline, pipeline
from mooring.client.source import Package, pack_pushed
from mooring.drivers.forge.contract import Forge, Remote
from mooring.engine.orders import DeployOrder, decode_order
from mooring.errors import DriverError, InvalidInput, ManifestInvalid, MooringError, NotFound
from mooring.model.access import Actor, Role
from mooring.model.deployment import Deployment, Outcome, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.forge import CheckState, ForgeLink, ForgeSecrets, Report, ReportState, Watched
from mooring.model.names import AppName, EnvironmentName
from mooring.model.review import review_environment
from mooring.usecases.answers import ForgeStatus
from mooring.usecases.deploy import deploy
from mooring.usecases.platform import Platform
from mooring.usecases.reviews import bring_up, take_down

log = logging.getLogger("mooring.forges")

MakeForge = Callable[[ForgeLink, ForgeSecrets], Forge]
MakeRemote = Callable[[ForgeLink, ForgeSecrets], Remote]
Begin = Callable[[Package], Awaitable[Deployment]]
CHECKS_EVERY = 15.0  # seconds between two looks at checks that have not ended
PATIENCE = (1.0, 5.0, 25.0)  # seconds before a report is tried again
_NOTHING = "-"  # stands for the commit of a branch of which nothing has begun yet


class ForgeDesk:
    """Fulfils usecases.platform.Forges. `directory` holds a bare repository an app; in `uploads` archives lie until they are taken."""

    def __init__(
        self, directory: Path, uploads: Path, *, forge: MakeForge, remote: MakeRemote, patience: Sequence[float] = PATIENCE
    ) -> None:
        self.forge = forge
        self.remote = remote
        self._directory = directory
        self._uploads = uploads
        self._patience = patience
        self._platform: Platform | None = None
        self._lookers: dict[AppName, asyncio.Task[None]] = {}
        self._reasons: dict[AppName, asyncio.Event] = {}
        self._looked: dict[AppName, tuple[float, str]] = {}
        self._errands: set[asyncio.Task[object]] = set()
        self._beginning: dict[
            tuple[AppName, str], bool
        ] = {}  # branches of which a commit is about to begin: was another look due meanwhile?

    @property
    def platform(self) -> Platform:
        assert self._platform is not None, "started"
        return self._platform

    def start(self, platform: Platform) -> None:
        """Take up what an earlier controller left, then look at each forge."""
        self._platform = platform
        for watched in platform.memory.forge_watches():
            self._errand(self._to_the_end(watched))
        for link in platform.memory.forges():
            self.changed(link.app)

    async def stop(self) -> None:
        """Deployments go on; who asked is told by the next controller."""
        tasks = [*self._lookers.values(), *self._errands]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def changed(self, app: AppName) -> None:
        earlier = self._lookers.pop(app, None)
        if earlier is not None:
            earlier.cancel()
        link = next((each for each in self.platform.memory.forges() if each.app == app), None)
        if link is not None:
            self._reasons[app] = asyncio.Event()
            self._lookers[app] = asyncio.create_task(self._look_after(link), name=f"forge of {app}")

    def look(self, app: AppName) -> None:
        if app in self._reasons:
            self._reasons[app].set()

    def status(self, link: ForgeLink) -> ForgeStatus:
        if link.app not in self._looked:
            return ForgeStatus(link=link)
        at, error = self._looked[link.app]
        return ForgeStatus(link=link, age=max(self.platform.clock.monotonic() - at, 0.0), error=error)

    async def _look_after(self, link: ForgeLink) -> None:
        """Until it is cancelled; what fails is said once and tried again."""
        reason = self._reasons[link.app]
        while True:
            reason.clear()
            pause, error = link.every, ""
            try:
                if await self._look(link):
                    pause = min(link.every, CHECKS_EVERY)
            except MooringError as failure:
                error = str(failure)
                if self._looked.get(link.app, (0.0, ""))[1] != error:
                    self.platform.controller.tell(f"the forge of {link.app}: {error}")
            except Exception:
                error = "something unexpected happened: see the controller's log"
                log.exception("defect while a forge was looked at", extra={"fields": {"app": link.app}})
            self._looked[link.app] = (self.platform.clock.monotonic(), error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await reason.wait()

    async def _look(self, link: ForgeLink) -> bool:
        """Whether a commit waits for its checks, or its turn. Raises what went wrong first, after every branch was looked at."""
        memory = self.platform.memory
        secrets = memory.forge_secrets(link.app)
        remote = self.remote(link, secrets)
        heads, seen = await remote.heads(), memory.forge_heads(link.app)
        waits, failures = False, list[MooringError]()
        for branch in sorted(
            {*seen, *heads}, key=lambda branch: (branch in heads, branch)
        ):  # what is gone makes way for names below its own
            if seen.get(branch) == heads.get(branch) or self._is_beginning(link.app, branch):
                continue
            try:
                if branch in heads:
                    waits |= await self._take(link, self.forge(link, secrets), remote, branch)
                else:
                    await self._gone(link, remote, branch)
            except MooringError as failure:  # no branch waits for another
                failures.append(failure)
        if failures:
            raise failures[0]
        return waits

    def _is_beginning(self, app: AppName, branch: str) -> bool:
        """Whether a commit of it is about to begin; then there is another look as soon as it has."""
        is_beginning = (app, branch) in self._beginning
        if is_beginning:
            self._beginning[app, branch] = True
        return is_beginning

    async def _take(self, link: ForgeLink, forge: Forge, remote: Remote, branch: str) -> bool:
        """Deploy the branch's newest commit, unless it has to wait for its checks or its turn. Gives whether it has to."""
        repository = self._repository(link)
        if branch not in self.platform.memory.forge_heads(link.app):
            self.platform.memory.save_forge_head(link.app, branch, _NOTHING)  # so that its end is seen, whatever dies from here on
        try:
            commit = await remote.fetch(branch, repository)
            wanted = await asyncio.to_thread(pipeline, repository, commit, app=link.app, branch=branch)
        except NotFound:
            return False  # the branch was removed meanwhile
        except NoEnvironment:
            self.platform.memory.save_forge_head(link.app, branch, commit)
            return False
        except DriverError:
            raise
        except MooringError as refusal:
            self.platform.memory.save_forge_head(link.app, branch, commit)
            self._errand(self._refused(link, commit, branch, refusal))
            return False
        if wanted.is_review and self._is_leaving(link.app, branch):
            return True
        if wanted.checks:
            reason = await self._hindrance(forge, commit, wanted)
            if reason is None:
                return True
            if reason:
                self.platform.memory.save_forge_head(link.app, branch, commit)
                self._errand(self._refused(link, commit, branch, InvalidInput(reason)))
                return False
        self._beginning[link.app, branch] = False
        self._errand(self._carry_out(link, commit, branch, wanted))
        return False

    async def _carry_out(self, link: ForgeLink, commit: str, branch: str, wanted: Pipeline) -> None:
        """To its end. The commit counts as seen when it has begun: what dies before is taken up by the next look."""
        try:
            begun = await (
                self._review(link, commit, branch) if wanted.is_review else self._deploy(link, commit, branch, wanted.environments)
            )
            if begun is not None or not (wanted.is_review and self._is_leaving(link.app, branch)):
                self.platform.memory.save_forge_head(link.app, branch, commit)
        finally:
            if self._beginning.pop((link.app, branch)):
                self.look(link.app)
        if begun is not None:
            await self._to_the_end(await self._announced(link, begun))

    def _is_leaving(self, app: AppName, branch: str) -> bool:
        """Whether the branch's review app is being torn down: it can be made anew when it is gone."""
        record = self.platform.memory.environment(review_environment(app, branch))
        return record is not None and record.review is not None and bool(record.review.leaving)

    async def _gone(self, link: ForgeLink, remote: Remote, branch: str) -> None:
        """What the branch had to itself goes with it; an environment that has a name of its own stays."""
        record = self.platform.memory.environment(review_environment(link.app, branch))
        if record is not None and record.review is not None and record.review.branch == branch and not record.review.leaving:
            await take_down(self.platform, _actor(link), link.app, branch)
        await remote.forget(branch, self._repository(link))
        self.platform.memory.save_forge_head(link.app, branch, "")

    def _repository(self, link: ForgeLink) -> Path:
        return self._directory / f"{link.app}.git"

    async def _hindrance(self, forge: Forge, commit: str, wanted: Pipeline) -> str | None:
        """Why it is not deployed; empty when every check has passed, None while one has not ended."""
        found = await forge.checks(commit)
        states = {name: found.get(name, CheckState.PENDING) for name in wanted.checks}
        failed = [name for name, state in states.items() if state is CheckState.FAILED]
        if failed:
            return f"not deployed: the check {failed[0]} failed"
        return None if CheckState.PENDING in states.values() else ""

    async def _refused(self, link: ForgeLink, commit: str, branch: str, refusal: MooringError) -> None:
        environment = EnvironmentId(link.app, EnvironmentName("production"))
        self.platform.controller.tell(f"{link.app}: {commit[:7]} on {branch} is not deployed: {refusal}")
        report = Report(environment=environment, commit=commit, branch=branch, state=ReportState.FAILED, detail=_reason(refusal))
        await self._told(link, report)

    async def _deploy(self, link: ForgeLink, commit: str, branch: str, environments: Sequence[EnvironmentName]) -> Watched | None:
        """The first of them; the others follow when it serves, unless the branch has moved on."""
        environment = EnvironmentId(link.app, environments[0])

        def begin(package: Package) -> Awaitable[Deployment]:
            return deploy(self.platform, _actor(link), environment, package.archive, package.source)

        return await self._begun(link, environment, commit, branch, begin=begin, then=tuple(environments[1:]))

    async def _review(self, link: ForgeLink, commit: str, branch: str) -> Watched | None:
        """In the environment that the branch has to itself."""

        def begin(package: Package) -> Awaitable[Deployment]:
            return bring_up(self.platform, _actor(link), link.app, branch, package.archive, package.source)

        return await self._begun(link, review_environment(link.app, branch), commit, branch, begin=begin)

    async def _begun(
        self, link: ForgeLink, environment: EnvironmentId, commit: str, branch: str, *, begin: Begin, then: tuple[EnvironmentName, ...] = ()
    ) -> Watched | None:
        """On record from here on. None for what is refused, of which the forge is told, and for what is on record already."""
        deployment = self._earlier(link, environment, commit)
        if deployment is not None and any(each.deployment == deployment.id for each in self.platform.memory.forge_watches()):
            return None
        try:
            if deployment is None:
                package = await asyncio.to_thread(pack_pushed, self._repository(link), commit, branch=branch, temporary=self._uploads)
                deployment = await begin(package)
        except MooringError as refusal:
            report = Report(environment=environment, commit=commit, branch=branch, state=ReportState.FAILED, detail=_reason(refusal))
            self._errand(self._told(link, report))
            return None
        watched = Watched(
            deployment=deployment.id, app=link.app, environment=environment.environment, commit=commit, branch=branch, then=then
        )
        self.platform.memory.save_forge_watch(watched)
        return watched

    def _earlier(self, link: ForgeLink, environment: EnvironmentId, commit: str) -> Deployment | None:
        """The environment's newest, where it is this commit's: an earlier controller began it, and died before it was on record here."""
        newest = next(iter(self.platform.memory.deployments(environment, limit=1)), None)
        if newest is None or newest.trigger is not Trigger.DEPLOY or newest.requested_by != _actor(link).name:
            return None
        order = decode_order(newest.order)
        return newest if isinstance(order, DeployOrder) and order.origin.commit == commit else None

    async def _announced(self, link: ForgeLink, watched: Watched) -> Watched:
        """The forge knows that it has begun."""
        environment = EnvironmentId(link.app, watched.environment)
        report = Report(
            environment=environment, commit=watched.commit, branch=watched.branch, state=ReportState.RUNNING, detail="is being deployed"
        )
        watched = msgspec.structs.replace(watched, handle=await self._told(link, report))
        self.platform.memory.save_forge_watch(watched)
        return watched

    async def _to_the_end(self, watched: Watched) -> None:
        """Of a deployment; then the forge is told, and what comes after it begins. It is on record until that is."""
        async for _ in self.platform.controller.follow(deployment=watched.deployment):
            pass
        link = next((each for each in self.platform.memory.forges() if each.app == watched.app), None)
        record = self.platform.memory.deployment(watched.deployment)
        begun = None
        if link is not None and record is not None:
            await self._told(link, self._ending(watched, record), handle=watched.handle)
            is_newest = self.platform.memory.forge_heads(link.app).get(watched.branch) == watched.commit
            if watched.then and is_newest and record.outcome is Outcome.SUCCEEDED:
                begun = await self._deploy(link, watched.commit, watched.branch, watched.then)
        self.platform.memory.forget_forge_watch(watched.deployment)
        if link is not None and begun is not None:
            await self._to_the_end(await self._announced(link, begun))

    def _ending(self, watched: Watched, record: Deployment) -> Report:
        has_succeeded = record.outcome is Outcome.SUCCEEDED
        urls = record.receipt.urls if record.receipt is not None and has_succeeded else ()
        return Report(
            environment=record.environment,
            commit=watched.commit,
            branch=watched.branch,
            state=ReportState.SUCCEEDED if has_succeeded else ReportState.FAILED,
            detail=_said(record),
            url=urls[0] if urls else "",
        )

    async def _told(self, link: ForgeLink, report: Report, *, handle: str = "") -> str:
        """Tried a few times; a forge that cannot be told keeps nothing from being deployed."""
        for pause in (*self._patience, None):
            try:
                return await self.forge(link, self.platform.memory.forge_secrets(link.app)).report(report, handle=handle)
            except MooringError as failure:
                if pause is None or not isinstance(failure, DriverError):
                    self.platform.controller.tell(f"the forge of {link.app} was not told of {report.commit[:7]}: {failure}")
                    break
                await asyncio.sleep(pause)
        return handle

    def _errand(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("defect while a forge's commit was deployed", exc_info=task.exception())


def _actor(link: ForgeLink) -> Actor:
    return Actor(f"forge {link.kind.value}", Role.DEPLOYER)


def _reason(refusal: MooringError) -> str:
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
        return "a newer one came before this began"
    return record.error or "was not deployed; what served before serves"
