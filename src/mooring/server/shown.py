"""What a forge shows of environments, kept true: one that is gone has no address there, and of its deployments the newest alone serves.

What is to be told follows from what is on record, so that what could not be told is told at the next look. Must not: end what somebody
else made there.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import msgspec

from mooring.drivers.forge.contract import Forge
from mooring.errors import InvalidInput, MooringError
from mooring.model.forge import ForgeLink, PullPart, Report, ReportState, Shown, Watched
from mooring.model.names import AppName, EnvironmentName
from mooring.model.review import is_strangers
from mooring.server.pull_comments import gone_text
from mooring.usecases.platform import Platform
from mooring.usecases.traces import last_traces


class ShownEnvironments:
    """Of one desk: of an app, no two are told of at the same time."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._telling: dict[AppName, asyncio.Lock] = {}

    def note(self, watched: Watched, report: Report, *, handle: str) -> None:
        """How a deployment ended, by `report`; `handle` is what the forge calls it. One that failed changes nothing of what serves."""
        known = self._platform.memory.forge_shown(watched.app).get(watched.environment)
        shown = known or Shown(
            app=watched.app, environment=watched.environment, commit=watched.commit, branch=watched.branch, ref=watched.ref
        )
        if report.state is ReportState.SUCCEEDED:
            alive = tuple(dict.fromkeys((*shown.deployments, handle))) if handle else shown.deployments
            shown = msgspec.structs.replace(
                shown, commit=watched.commit, branch=watched.branch, ref=watched.ref, url=report.url, deployments=alive
            )
        self._platform.memory.save_forge_shown(shown)

    async def look(self, link: ForgeLink) -> list[MooringError]:
        """At all of an app; what could not be told. None waits for another."""
        failures = []
        for environment in self._platform.memory.forge_shown(link.app):
            try:
                await self.mend(link, environment)
            except MooringError as failure:
                failures.append(failure)
        return failures

    async def mend(self, link: ForgeLink, environment: EnvironmentName) -> None:
        """Tell the forge what it does not show yet. Raises Unavailable, OutcomeUnknown, InvalidInput."""
        async with self._telling.setdefault(link.app, asyncio.Lock()):
            shown = self._known(link, environment)
            if shown is None:
                return
            forge = self._platform.forges.forge(link, self._platform.memory.forge_secrets(link.app))
            if self._platform.memory.environment(shown.id) is None:
                await self._withdraw(link, forge, shown)
                return
            await self._retire(link, forge, shown)
            if self._is_comment_due(shown):
                await self._comment(link, forge, shown)

    async def _withdraw(self, link: ForgeLink, forge: Forge, shown: Shown) -> None:
        if shown.commented:
            with contextlib.suppress(InvalidInput):  # somebody removed the comment, or the commit is no more
                text = gone_text("branch", last_traces(self._platform, shown.id))
                await forge.comment_commit(shown.commented, text, mark=shown.mark, handle=shown.comment)
        await forge.withdraw(shown)
        if self._known(link, shown.environment) == shown:  # else the end of another deployment was noted meanwhile
            self._platform.memory.forget_forge_shown(link.app, shown.environment)

    async def _retire(self, link: ForgeLink, forge: Forge, shown: Shown) -> None:
        """All but the newest."""
        replaced = shown.deployments[:-1]
        if replaced:
            await forge.retire(replaced)
            known = self._known(link, shown.environment) or shown
            self._save(link, shown, deployments=tuple(each for each in known.deployments if each not in replaced))

    def _is_comment_due(self, shown: Shown) -> bool:
        return bool(shown.is_review and shown.url and shown.may_comment and not shown.comment)

    async def _comment(self, link: ForgeLink, forge: Forge, shown: Shown) -> None:
        """Once in a review app's life, on the commit that served first; where a pull request has the comment, not here too."""
        pulls = self._platform.memory.forge_pulls(link.app)
        if is_strangers(shown.branch) or any(each.branch == shown.branch and each.part is not PullPart.NOTHING for each in pulls):
            self._save(link, shown, may_comment=False)
            return
        mark, commit = shown.mark or f"mooring {secrets.token_hex(16)}", shown.commented or shown.commit
        self._save(link, shown, mark=mark, commented=commit)
        try:
            handle = await forge.comment_commit(commit, _text(shown), mark=mark)
        except InvalidInput as refusal:
            self._platform.controller.tell(f"the forge of {link.app} takes no comment on {commit[:7]}: {refusal}")
            handle = ""
        self._save(link, shown, comment=handle, commented=commit if handle else "", may_comment=bool(handle))

    def _known(self, link: ForgeLink, environment: EnvironmentName) -> Shown | None:
        return self._platform.memory.forge_shown(link.app).get(environment)

    def _save(self, link: ForgeLink, shown: Shown, **changes: object) -> None:
        """What else is known of it may have changed meanwhile."""
        known = self._known(link, shown.environment)
        if known is not None:
            self._platform.memory.save_forge_shown(msgspec.structs.replace(known, **changes))


def _text(shown: Shown) -> str:
    """What the comment says."""
    rows = f"Its environment is `{shown.id}`; `mooring review access` says its password, where it has one."
    return f"The review app of this branch: {shown.url}\n\n{rows}"
