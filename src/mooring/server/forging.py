"""Looks at each forge in its time, or when it says that something happened; deploys what its branches hold by now; tells it how that ends.

What a commit asks for stands in its own mooring.toml. A burst of messages is one look; a message is never believed about which commit is
newest. Must not: believe a message, or deploy a commit twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from mooring.client.pushed import NoEnvironment, Pipeline, pipeline
from mooring.drivers.forge.contract import Forge, Remote
from mooring.errors import DriverError, InvalidInput, MooringError, NotFound
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeLink, ForgeSecrets, Hindered
from mooring.model.names import AppName
from mooring.model.review import review_environment
from mooring.server.beginning import Beginnings
from mooring.server.forge_errands import ForgeErrands, actor_of, is_leaving
from mooring.server.pull_comments import PullComments
from mooring.server.pulls import PullRequests
from mooring.server.rechecks import UNSEEN, hindrance
from mooring.usecases.answers import ForgeStatus
from mooring.usecases.platform import Platform
from mooring.usecases.reviews import review_mark, take_down

log = logging.getLogger("mooring.forges")

MakeForge = Callable[[ForgeLink, ForgeSecrets], Forge]
MakeRemote = Callable[[ForgeLink, ForgeSecrets], Remote]
CHECKS_EVERY = 15.0  # seconds between two looks at checks that have not ended
SETTLED = 10.0  # seconds after which a forge's memory of a push is complete
PATIENCE = (1.0, 5.0, 25.0)  # seconds before a report is tried again
TIDY_EVERY = 86_400.0  # seconds
_TIDIED = "tidied"  # a file in a repository, as old as its last tidying


class ForgeDesk:
    """Fulfils usecases.platform.Forges. `directory` holds a bare repository an app; in `uploads` archives lie until they are taken."""

    def __init__(
        self,
        directory: Path,
        uploads: Path,
        *,
        forge: MakeForge,
        remote: MakeRemote,
        patience: Sequence[float] = PATIENCE,
        settled: float = SETTLED,
    ) -> None:
        self.forge = forge
        self.remote = remote
        self._directory = directory
        self._uploads = uploads
        self._patience = patience
        self._settled = settled
        self._platform: Platform | None = None
        self._lookers: dict[AppName, asyncio.Task[None]] = {}
        self._reasons: dict[AppName, asyncio.Event] = {}
        self._looked: dict[AppName, tuple[float, str]] = {}
        self._parts: tuple[ForgeErrands, PullRequests] | None = None
        self._beginnings = Beginnings[tuple[AppName, str]]()  # branches

    @property
    def platform(self) -> Platform:
        assert self._platform is not None, "started"
        return self._platform

    @property
    def _errands(self) -> ForgeErrands:
        assert self._parts is not None, "started"
        return self._parts[0]

    @property
    def _pulls(self) -> PullRequests:
        assert self._parts is not None, "started"
        return self._parts[1]

    def start(self, platform: Platform) -> None:
        """Take up what an earlier controller left, then look at each forge."""
        self._platform = platform
        comments = PullComments(platform)
        errands = ForgeErrands(platform, comments, repositories=self._directory, uploads=self._uploads, patience=self._patience)
        self._parts = errands, PullRequests(platform, errands, comments, settled=self._settled)
        for watched in platform.memory.forge_watches():
            errands.begin(errands.to_the_end(watched))
        for link in platform.memory.forges():
            self.changed(link.app)

    async def stop(self) -> None:
        """Deployments go on; who asked is told by the next controller."""
        for task in self._lookers.values():
            task.cancel()
        await asyncio.gather(*self._lookers.values(), return_exceptions=True)
        if self._parts is not None:
            await self._errands.stop()

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

    def checked(self, app: AppName, commit: str) -> None:
        if app in self._reasons:
            self._errands.rechecks.urge(app, commit)
            self.look(app)

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
                await self._tidy(link)
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

    async def _tidy(self, link: ForgeLink) -> None:
        """Once a day, between two looks; what has just come, and may be about to be deployed, stays. Raises Unavailable."""
        repository = self._errands.repository(link)
        if self.platform.clock.wall() < _tidied_at(repository) + TIDY_EVERY:
            return
        memory = self.platform.memory
        pulls = {each.number for each in memory.forge_pulls(link.app) if not each.is_closed}
        await self.remote(link, memory.forge_secrets(link.app)).tidy(repository, pulls=pulls, older=TIDY_EVERY)
        (repository / _TIDIED).touch(mode=0o600)

    async def _look(self, link: ForgeLink) -> bool:
        """Whether a commit waits for its checks, or its turn. Raises what went wrong first, after every branch and pull request."""
        memory = self.platform.memory
        secrets = memory.forge_secrets(link.app)
        forge, remote = self.forge(link, secrets), self.remote(link, secrets)
        heads = await remote.heads()
        waits, failures = await self._errands.rechecks.look(link, forge, heads)
        seen = memory.forge_heads(link.app)
        gone_first = sorted({*seen, *heads}, key=lambda branch: (branch in heads, branch))  # they make way for names below their own
        for branch in gone_first:
            if seen.get(branch) == heads.get(branch) or self._beginnings.hold([(link.app, branch)]):
                continue
            try:
                if branch in heads:
                    waits |= await self._take(link, forge, remote, branch)
                else:
                    await self._gone(link, remote, branch)
            except MooringError as failure:  # no branch waits for another
                failures.append(failure)
        found = await self._pulls.look(link, forge, remote, heads)
        failures += [*found.failures, *await self._errands.shown.look(link)]
        if failures:
            raise failures[0]
        return waits or found.waits

    async def _take(self, link: ForgeLink, forge: Forge, remote: Remote, branch: str) -> bool:
        """Deploy the branch's newest commit, unless it has to wait for its checks or its turn. Gives whether it has to."""
        repository = self._errands.repository(link)
        if branch not in self.platform.memory.forge_heads(link.app):
            self.platform.memory.save_forge_head(link.app, branch, UNSEEN)  # so that its end is seen, whatever dies from here on
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
            self._errands.begin(self._errands.refused(link, commit, branch, refusal))
            return False
        if wanted.is_review and is_leaving(self.platform, link.app, branch):
            return True
        found = await hindrance(forge, commit, wanted.checks)
        if found is not None and found.is_pending:
            return True
        if found is not None:
            environment = review_environment(link.app, branch) if wanted.is_review else EnvironmentId(link.app, wanted.environments[0])
            hindered = Hindered(app=link.app, branch=branch, commit=commit, checks=tuple(wanted.checks), reason=found.reason)
            self.platform.memory.save_forge_hindered(hindered)
            self.platform.memory.save_forge_head(link.app, branch, commit)
            self._errands.begin(self._errands.refused(link, commit, branch, InvalidInput(found.reason), environment=environment))
            return False
        self._beginnings.begin((link.app, branch))
        self._errands.begin(self._carry_out(link, commit, branch, wanted))
        return False

    async def _carry_out(self, link: ForgeLink, commit: str, branch: str, wanted: Pipeline) -> None:
        """To its end. The commit counts as seen when it has begun: what dies before is taken up by the next look."""
        try:
            if wanted.is_review:
                begun = await self._errands.review(link, commit, branch)
            else:
                begun = await self._errands.deploy(link, commit, branch, wanted.environments)
            if begun is not None or not (wanted.is_review and is_leaving(self.platform, link.app, branch)):
                self.platform.memory.save_forge_head(link.app, branch, commit)
        finally:
            if self._beginnings.end((link.app, branch)):
                self.look(link.app)
        if begun is not None:
            await self._errands.to_the_end(await self._errands.announced(link, begun))

    async def _gone(self, link: ForgeLink, remote: Remote, branch: str) -> None:
        """What the branch had to itself goes with it; an environment that has a name of its own stays."""
        mark = review_mark(self.platform, link.app, branch)
        if mark is not None and not mark.leaving:
            going = await take_down(self.platform, actor_of(link), link.app, branch)
            self._errands.begin(self._errands.look_after(link, going.id))
        await remote.forget(branch, self._errands.repository(link))
        self.platform.memory.save_forge_head(link.app, branch, "")


def _tidied_at(repository: Path) -> float:
    """When it was tidied last, else made, in wall seconds; never where there is none."""
    for name in (_TIDIED, "HEAD"):
        with contextlib.suppress(FileNotFoundError):
            return (repository / name).stat().st_mtime
    return float("inf")
