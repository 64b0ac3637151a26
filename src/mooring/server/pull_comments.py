"""The one comment of ours on a pull request: where its review app is, or why it is not. Must not: post a second one.

What it should say follows from what is on record, so that what could not be told is told at the next look.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import shlex
from collections.abc import Sequence

import msgspec

from mooring.errors import MooringError
from mooring.model.deployment import Deployment, Outcome, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeLink, PullPart, PullRecord
from mooring.model.names import AppName
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark, is_strangers, review_environment
from mooring.model.trace import Trace, listing
from mooring.usecases.platform import Platform
from mooring.usecases.traces import last_traces

_LOOKED_BACK = 20  # deployments


class PullComments:
    """Of one desk: of an app, no two are written at the same time."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._writing: dict[AppName, asyncio.Lock] = {}

    async def follow(self, link: ForgeLink, branch: str) -> None:
        """A deployment of this branch's review app has ended. What cannot be told now is an event, and told later."""
        try:
            for pull in self._platform.memory.forge_pulls(link.app):
                if pull.branch == branch:
                    await self.show(link, pull.number)
        except MooringError as failure:
            self._platform.controller.tell(f"the forge of {link.app} was not told of a pull request: {failure}")

    async def refused(self, link: ForgeLink, branch: str, commit: str, refusal: str) -> None:
        """What the commit asks for cannot be."""
        for pull in self._platform.memory.forge_pulls(link.app):
            if pull.branch == branch and pull.head == commit:
                self._platform.memory.save_forge_pull(msgspec.structs.replace(pull, refusal=refusal))
        await self.follow(link, branch)

    async def show(self, link: ForgeLink, number: int) -> None:
        """As things stand, where that is not what it says already. Raises Unavailable, OutcomeUnknown, InvalidInput."""
        async with self._turn(link):
            pull = self._platform.memory.forge_pull(link.app, number)
            if pull is not None and pull.part is not PullPart.NOTHING:
                environment = review_environment(link.app, pull.branch)
                record = self._platform.memory.environment(environment)
                recent = self._platform.memory.deployments(environment, limit=_LOOKED_BACK)
                left = () if record is not None else last_traces(self._platform, environment)
                await self._write(link, pull, comment_text(pull, environment, record, recent, left=left))

    async def close(self, link: ForgeLink, number: int) -> None:
        """Nothing is left of its review app. Raises as `show`."""
        async with self._turn(link):
            pull = self._platform.memory.forge_pull(link.app, number)
            if pull is not None and pull.told:
                await self._write(
                    link, pull, gone_text("pull request", last_traces(self._platform, review_environment(link.app, pull.branch)))
                )

    def _turn(self, link: ForgeLink) -> asyncio.Lock:
        return self._writing.setdefault(link.app, asyncio.Lock())

    async def _write(self, link: ForgeLink, pull: PullRecord, text: str) -> None:
        if not text or text == pull.told:
            return
        forge = self._platform.forges.forge(link, self._platform.memory.forge_secrets(link.app))
        handle = await forge.comment(pull.number, text, mark=pull.mark, handle=pull.comment)
        known = self._platform.memory.forge_pull(link.app, pull.number)
        if known is not None:  # what else is known of it may have changed meanwhile
            self._platform.memory.save_forge_pull(msgspec.structs.replace(known, comment=handle, told=text))


def gone_text(whose: str, left: Sequence[Trace]) -> str:
    """That it is gone, and what was looked for at its end. Whoever reads a pull request is not told the names of hosts and servers."""
    gone = f"The review app of this {whose} is gone."
    return f"{gone}\n\nLooked for at its end: {listing(left, is_public=True)}." if left else gone


def comment_text(
    pull: PullRecord,
    environment: EnvironmentId,
    record: EnvironmentRecord | None,
    recent: Sequence[Deployment],
    *,
    left: Sequence[Trace] = (),
) -> str:
    """What the comment says; empty while there is nothing new to say. `recent`: its review app's deployments, newest first.

    `left`: of one that is gone, what was left at its end."""
    barred = _barred(pull)
    if record is None and not pull.refusal:
        return barred or (f"{gone_text('pull request', left)}\n\n{_way_back(pull)}" if pull.told else "")
    mark = record.review if record is not None else None
    present = tuple(itertools.takewhile(lambda each: each.trigger is not Trigger.DESTROY, recent)) if mark is not None else ()
    ended = [each for each in present if each.outcome not in (None, Outcome.SUPERSEDED)]
    is_under_way = mark is None or mark.head != pull.head or not ended or ended[0] is not present[0]
    if is_under_way and not pull.refusal:
        return ""
    url = next((each.receipt.urls[0] for each in ended if each.outcome is Outcome.SUCCEEDED and each.receipt and each.receipt.urls), "")
    trouble = pull.refusal or ("" if ended[0].outcome is Outcome.SUCCEEDED else ended[0].error or "it did not get ready")
    what = "What was there before serves" if trouble or barred else "The review app of this pull request"
    rows = [barred] if barred else []
    rows += [f"`{pull.head[:7]}` does not serve: `{_quoted(trouble)}`"] if trouble else []
    ends = [_end(pull, mark)] if mark is not None and mark.is_warned else []
    return "\n\n".join([*rows, f"{what}: {url}", *ends, _below(pull, environment)] if url else rows)


def _end(pull: PullRecord, mark: ReviewMark) -> str:
    """When it goes, and what keeps it."""
    at = datetime.datetime.fromtimestamp(mark.expires_at, datetime.UTC)
    return f"It goes on {at:%Y-%m-%d at %H:%M} UTC: `mooring review extend {_typed(pull.branch)}` keeps it, and so does a new commit."


def _way_back(pull: PullRecord) -> str:
    """Of one that is gone while its pull request is open."""
    if is_strangers(pull.branch):
        return f"The label `{_quoted(pull.label)}` brings it back, taken off and given again."
    return f"`mooring review up {_typed(pull.branch)}` brings it back, and so does a new commit."


def _typed(branch: str) -> str:
    """As a word of a command line, in a quotation."""
    return _quoted(shlex.quote(branch))


def _barred(pull: PullRecord) -> str:
    """That a stranger's commit is not let in, and what lets it in; empty where none has to be."""
    if not pull.barred:
        return ""
    label = f"`{_quoted(pull.label)}`"
    return f"`{pull.barred[:7]}` is not built: the label {label} was not given for it. Look at it, then take {label} off and give it again."


def _below(pull: PullRecord, environment: EnvironmentId) -> str:
    left_out = " It has none of the app's secrets and data, since it is a stranger's code." if is_strangers(pull.branch) else ""
    return f"Its environment is `{environment}`; `mooring review access` says its password, where it has one.{left_out}"


def _quoted(text: str) -> str:
    """In one line, with nothing in it that ends a quotation."""
    return text.partition("\n")[0].replace("`", "'")[:300]
