"""Pull requests of a forge: each that is to have a review app gets one, and loses it when it is closed. Must not: believe a message.

What is open, and at which commit, the forge is asked at each look. A branch of the app's own repository asks by its newest commit's
manifest, like any branch; one of a stranger's is asked for by the branch that it would be merged into, and by a label that only people
of the app can give, for the commit that it was given for. Its review app is given no secret, no data, and that branch's mooring.toml.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mooring.client.pushed import manifest_at, pipeline, rules_at
from mooring.drivers.forge.contract import Forge, Remote
from mooring.errors import InvalidInput, MooringError, NotFound
from mooring.manifest import checks_of, pull_rules_of
from mooring.model.forge import ForgeLink, Hindered, Pull, PullPart, PullRecord
from mooring.model.names import AppName
from mooring.model.review import review_environment
from mooring.server.beginning import Beginnings
from mooring.server.forge_errands import ForgeErrands, actor_of, is_leaving
from mooring.server.pull_comments import PullComments
from mooring.server.rechecks import hindrance
from mooring.usecases.platform import Platform
from mooring.usecases.reviews import review_mark, take_down

_CLOSED_KEPT = 100  # pull requests of an app whose comment is remembered, the newest


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """`waits`: a commit waits for its checks."""

    waits: bool = False
    failures: Sequence[MooringError] = ()


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be had of a pull request's commit. `replaced`: files that are not taken from it."""

    commit: str
    part: PullPart
    checks: tuple[str, ...] = ()
    label: str = ""
    replaced: Mapping[str, bytes | None] = {}
    is_let_in: bool = True


class PullRequests:
    """Of one desk. `settled`: seconds after which a forge's memory of a push is complete."""

    def __init__(self, platform: Platform, errands: ForgeErrands, comments: PullComments, *, settled: float) -> None:
        self._platform = platform
        self._settled = settled
        self._errands = errands
        self._comments = comments
        self._beginnings = Beginnings[tuple[AppName, int]]()  # pull requests
        self._heads: dict[tuple[AppName, int], tuple[str, float]] = {}  # of strangers', by pull request; since when, in monotonic time
        self._wanted: dict[str, bool] = {}  # by commit
        self._manifests: dict[tuple[AppName, str], tuple[str, dict[str, bytes]]] = {}  # by branch: the commit, and its mooring.toml

    async def look(self, link: ForgeLink, forge: Forge, remote: Remote, heads: Mapping[str, str]) -> Looked:
        """`heads`: the commits that the branches have now. No pull request waits for another."""
        records = {each.number: each for each in self._platform.memory.forge_pulls(link.app)}
        known = [number for number, record in records.items() if not record.is_closed]
        try:
            found = {each.number: each for each in await forge.pulls()}
        except InvalidInput as refusal:
            return Looked(failures=(refusal,) if known or await self._are_wanted(link, heads) else ())
        except MooringError as failure:
            return Looked(failures=(failure,))
        self._heads = {key: head for key, head in self._heads.items() if key[0] != link.app or key[1] in found}
        waits, failures = False, list[MooringError]()
        for number in sorted({*found, *known}):
            try:
                pull = found.get(number) or await forge.pull(number)  # what a list leaves out is not closed for that
                waits |= await self._look_at(link, forge, remote, heads, pull, records.get(number))
            except MooringError as failure:
                failures.append(failure)
        return Looked(waits=waits, failures=failures)

    async def _look_at(
        self, link: ForgeLink, forge: Forge, remote: Remote, heads: Mapping[str, str], pull: Pull, record: PullRecord | None
    ) -> bool:
        """Whether its commit waits for its checks, or its turn."""
        if self._is_beginning(link, pull):
            return False
        if record is not None and (not pull.is_open or record.branch != pull.name or (record.label and record.label not in pull.labels)):
            await self._end(link, record, pull)
            return False
        head = self._noted(link, pull) if pull.is_from_fork else heads.get(pull.branch, "")
        if not pull.is_open or not head:
            return False
        waits = False
        if record is None or record.head != head:
            waits = await self._take(link, forge, remote, heads, pull, record)
        elif record.barred:
            self._platform.memory.save_forge_pull(msgspec.structs.replace(record, barred=""))  # it went back to what was let in
        await self._comments.show(link, pull.number)
        return waits

    def _noted(self, link: ForgeLink, pull: Pull) -> str:
        """Its head, and since when it is known."""
        known = self._heads.get((link.app, pull.number))
        if known is None or known[0] != pull.head:
            self._heads[link.app, pull.number] = pull.head, self._platform.clock.monotonic()
        return pull.head

    def _is_beginning(self, link: ForgeLink, pull: Pull) -> bool:
        """Whether a commit of its branch is about to begin; then there is another look as soon as it has."""
        same = {each.number for each in self._platform.memory.forge_pulls(link.app) if each.branch == pull.name} | {pull.number}
        return self._beginnings.hold((link.app, number) for number in same)

    async def _take(
        self, link: ForgeLink, forge: Forge, remote: Remote, heads: Mapping[str, str], pull: Pull, record: PullRecord | None
    ) -> bool:
        """Its newest commit gets what it is to have. Gives whether that waits for its checks, or its turn."""
        repository = self._errands.repository(link)
        try:
            if pull.is_from_fork:
                wish = await self._strangers(link, forge, remote, heads, pull)
            else:
                wish = await self._own(link, remote, pull, repository)
        except NotFound:
            return False  # it was removed meanwhile
        if record is not None and (wish is None or (record.part is PullPart.OWN and wish.part is PullPart.NOTHING)):
            await self._end(link, record, pull)
            return False
        if wish is not None and not wish.is_let_in:
            return self._bar(link, pull, wish, record)
        if wish is None or (record is not None and record.head == wish.commit):
            return False
        entry = _recorded(link, pull, wish, record)
        if wish.part is not PullPart.OWN or self._is_there(link, pull, wish.commit):
            self._platform.memory.save_forge_pull(entry)
            return False
        if is_leaving(self._platform, link.app, pull.name):
            return True
        found = await hindrance(forge, wish.commit, wish.checks)
        if found is not None and found.is_pending:
            return True
        if found is not None:
            hindered = Hindered(
                app=link.app, branch=pull.branch, commit=wish.commit, checks=wish.checks, reason=found.reason, number=pull.number
            )
            self._platform.memory.save_forge_hindered(hindered)
            self._platform.memory.save_forge_pull(msgspec.structs.replace(entry, refusal=found.reason))
            environment, ref = review_environment(link.app, pull.name), pull.ref if pull.is_from_fork else ""
            refused = self._errands.refused(link, wish.commit, pull.name, InvalidInput(found.reason), environment=environment, ref=ref)
            self._errands.begin(refused)
            return False
        self._beginnings.begin((link.app, pull.number))
        self._platform.memory.save_forge_pull(msgspec.structs.replace(entry, head=record.head if record is not None else ""))
        self._errands.begin(self._carry_out(link, pull, wish))
        return False

    async def _carry_out(self, link: ForgeLink, pull: Pull, wish: Wish) -> None:
        """To its end. The commit counts as acted upon when it has begun: what dies before is taken up by the next look."""
        ref = pull.ref if pull.is_from_fork else ""
        try:
            begun = await self._errands.review(link, wish.commit, pull.name, ref=ref, replaced=wish.replaced)
            if begun is not None or not is_leaving(self._platform, link.app, pull.name):
                known = self._platform.memory.forge_pull(link.app, pull.number)
                if known is not None:
                    self._platform.memory.save_forge_pull(msgspec.structs.replace(known, head=wish.commit))
        finally:
            if self._beginnings.end((link.app, pull.number)):
                self._platform.forges.look(link.app)
        if begun is not None:
            await self._errands.to_the_end(await self._errands.announced(link, begun))

    async def _own(self, link: ForgeLink, remote: Remote, pull: Pull, repository: Path) -> Wish:
        """Of a branch of the app's own repository: by its own manifest."""
        commit = await remote.fetch(pull.branch, repository)
        try:
            wanted = await asyncio.to_thread(pipeline, repository, commit, app=link.app, branch=pull.branch, is_pulled=True)
        except MooringError:  # the look at the branch has told what is wrong with it
            return Wish(commit=commit, part=PullPart.NOTHING)
        if not wanted.is_review:
            return Wish(commit=commit, part=PullPart.NOTHING)
        return Wish(commit=commit, part=PullPart.OWN if wanted.is_for_pull else PullPart.BRANCHS, checks=wanted.checks)

    async def _strangers(self, link: ForgeLink, forge: Forge, remote: Remote, heads: Mapping[str, str], pull: Pull) -> Wish | None:
        """Of a branch in another repository: by the manifest of the branch that it would be merged into. None without its label.

        What is fetched is let in only where it is the commit that the label was given for: which one the branch has by now does not count.
        """
        repository = self._errands.repository(link)
        if not pull.labels or pull.base not in heads:
            return None
        files = await self._manifest(link, remote, pull.base, heads[pull.base], repository)
        rules = pull_rules_of(files)
        if not rules.is_wanted or not rules.fork_label or rules.fork_label not in pull.labels:
            return None
        commit = await remote.fetch_pull(pull, repository)
        if not self._has_settled(link, pull) or await forge.labelled(pull, rules.fork_label) != commit:
            return Wish(commit=commit, part=PullPart.OWN, label=rules.fork_label, is_let_in=False)
        environment = review_environment(link.app, pull.name)
        replaced = await asyncio.to_thread(
            rules_at, repository, self._manifests[link.app, pull.base][0], environment=environment, branch=pull.name
        )
        checks = checks_of(files, environment.environment)
        return Wish(commit=commit, part=PullPart.OWN, checks=checks, label=rules.fork_label, replaced=replaced)

    def _has_settled(self, link: ForgeLink, pull: Pull) -> bool:
        return self._platform.clock.monotonic() - self._heads[link.app, pull.number][1] >= self._settled

    def _bar(self, link: ForgeLink, pull: Pull, wish: Wish, record: PullRecord | None) -> bool:
        """What was let in before stays; the comment says why this is not. Gives whether the forge may yet tell otherwise."""
        if not self._has_settled(link, pull):
            return True
        known = record or _recorded(link, pull, msgspec.structs.replace(wish, commit=""), None)
        barred = msgspec.structs.replace(known, part=PullPart.OWN, label=wish.label, barred=wish.commit)
        if barred != record:
            self._platform.memory.save_forge_pull(barred)
        return False

    async def _end(self, link: ForgeLink, record: PullRecord, pull: Pull) -> None:
        """Its review app goes; when nothing of that is left, the comment says so, and it is forgotten but for that comment.

        With the next label of a stranger's, or when it is opened again, the comment is written anew."""
        is_open = pull.is_open and pull.is_from_fork and record.branch == pull.name
        memory = self._platform.memory
        others = [each for each in memory.forge_pulls(link.app) if each.branch == record.branch and each.number != record.number]
        others = [each for each in others if not each.is_closed]
        mark = review_mark(self._platform, link.app, record.branch)
        if mark is not None and (record.part is PullPart.OWN or pull.is_from_fork) and not others:
            if not mark.leaving:
                going = await take_down(self._platform, actor_of(link), link.app, record.branch)
                self._errands.begin(self._errands.look_after(link, going.id))
            if not is_open:
                return
        if mark is None:
            await self._comments.close(link, record.number)
        known = memory.forge_pull(link.app, record.number) or record
        if not is_open and (pull.is_open or not known.comment):
            memory.forget_forge_pull(link.app, record.number)
            return
        bare = msgspec.structs.replace(known, part=PullPart.NOTHING, head="", label="", barred="", refusal="", is_closed=not pull.is_open)
        if known != bare:
            memory.save_forge_pull(bare)
        closed = [each.number for each in memory.forge_pulls(link.app) if each.is_closed]
        for number in closed[:-_CLOSED_KEPT]:
            memory.forget_forge_pull(link.app, number)

    def _is_there(self, link: ForgeLink, pull: Pull, commit: str) -> bool:
        """Whether another pull request of the same branch has brought it up."""
        others = (each for each in self._platform.memory.forge_pulls(link.app) if each.number != pull.number)
        return any(each.branch == pull.name and each.head == commit and each.part is PullPart.OWN for each in others)

    async def _are_wanted(self, link: ForgeLink, heads: Mapping[str, str]) -> bool:
        """Whether a branch asks for them, of those whose newest commit was fetched."""
        known = {commit: wanted for commit, wanted in self._wanted.items() if commit in heads.values()}
        new = [commit for commit in heads.values() if commit not in known]
        self._wanted = known | await asyncio.to_thread(_wanted, self._errands.repository(link), new)
        return any(self._wanted.get(commit) for commit in heads.values())

    async def _manifest(self, link: ForgeLink, remote: Remote, branch: str, head: str, repository: Path) -> dict[str, bytes]:
        """The mooring.toml of a branch's newest commit. Raises Unavailable, NotFound."""
        commit, files = self._manifests.get((link.app, branch), ("", {}))
        if commit != head:
            commit = await remote.fetch(branch, repository)
            files = await asyncio.to_thread(manifest_at, repository, commit)
            self._manifests[link.app, branch] = commit, files
        return files


def _wanted(repository: Path, commits: Sequence[str]) -> dict[str, bool]:
    """Whether each asks for review apps of pull requests; not where it is not here, or says nothing that can be read."""
    found = {}
    for commit in commits:
        try:
            found[commit] = pull_rules_of(manifest_at(repository, commit)).is_wanted
        except (MooringError, OSError):
            found[commit] = False
    return found


def _recorded(link: ForgeLink, pull: Pull, wish: Wish, earlier: PullRecord | None) -> PullRecord:
    return PullRecord(
        app=link.app,
        number=pull.number,
        branch=pull.name,
        part=wish.part,
        head=wish.commit,
        mark=earlier.mark if earlier is not None else f"mooring {secrets.token_hex(16)}",
        label=wish.label,
        comment=earlier.comment if earlier is not None else "",
        told=earlier.told if earlier is not None else "",
    )
