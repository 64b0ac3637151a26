"""Gitea and Forgejo. Sources: docs.gitea.com and forgejo.org/docs, "Webhooks"; their API's commit statuses
and timelines. Must not: act on a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from mooring.drivers.forge.api import Api
from mooring.drivers.forge.contract import Forge
from mooring.drivers.forge.github import (
    comment_with,
    marked,
    pull_moment,
    pull_of,
    pull_request,
    states_of,
    status_of,
    withdraw_status,
    written_comment,
)
from mooring.drivers.forge.letting_in import HeadSet, labelled_commit
from mooring.drivers.forge.pages import listed
from mooring.drivers.forge.payload import Payload, check_repository, push_of
from mooring.drivers.forge.signing import check_signed
from mooring.errors import InvalidInput
from mooring.model.forge import (
    Checked,
    CheckState,
    Delivery,
    ForgeEvent,
    ForgeLink,
    ForgeSecrets,
    Pull,
    PullRequest,
    Report,
    Shown,
    Unconcerning,
)

_PAGE = 50  # the most that it gives where nothing else was set up


class Gitea:
    def __init__(self, link: ForgeLink, secrets: ForgeSecrets) -> None:
        self._link = link
        self._secrets = secrets
        self._api = Api(link.api, {"Authorization": f"token {secrets.token.reveal()}"})
        self._path = f"/repos/{quote(link.repository)}"

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        given = headers.get("x-forgejo-signature") or headers.get("x-gitea-signature", "")
        check_signed(body, given, self._secrets.hook)
        payload = Payload.of(body)
        check_repository(payload.below("repository").text("full_name"), self._link.repository)
        event = _event(headers.get("x-forgejo-event") or headers.get("x-gitea-event", ""), payload)
        return Delivery(event=event, sent_at=pull_moment(payload) if isinstance(event, PullRequest) else None)

    async def report(self, report: Report, *, handle: str = "") -> str:
        """The status of the commit; it knows no deployments."""
        await self._api.send("POST", f"{self._path}/statuses/{report.commit}", status_of(report))
        return handle

    async def retire(self, deployments: Sequence[str]) -> None:
        """It knows none."""

    async def withdraw(self, shown: Shown) -> None:
        """The status loses its address; there is nothing else."""
        await withdraw_status(self._api, self._path, shown)

    async def comment_commit(self, commit: str, text: str, *, mark: str, handle: str = "") -> str:
        """It has none on commits."""
        return ""

    async def checks(self, commit: str) -> dict[str, CheckState]:
        place = f"{self._path}/commits/{commit}/status"
        return states_of(await listed(self._api, place, size=_PAGE, size_name="limit", field="statuses"))

    async def pulls(self) -> tuple[Pull, ...]:
        found = await listed(self._api, f"{self._path}/pulls?state=open", size=_PAGE, size_name="limit")
        return tuple(pull_of(each) for each in found)

    async def pull(self, number: int) -> Pull:
        return pull_of(Payload.of_answer(await self._api.get(f"{self._path}/pulls/{number}")))

    async def labelled(self, pull: Pull, label: str) -> str:
        """Each push is an entry of the timeline, but for the first, which came with the pull request."""
        found = await listed(self._api, f"{self._path}/issues/{pull.number}/timeline", size=_PAGE, size_name="limit")
        labels = [each for each in found if each.text("type") == "label" and each.below("label").text("name") == label]
        given = [each.moment("created_at") for each in labels if each.text("body")]  # empty: it was taken away
        pushes = [each for each in found if each.text("type") == "pull_push"]
        last = max(pushes, key=lambda each: each.number("id") or 0, default=None)
        if last is None:
            shown = Payload.of_answer(await self._api.get(f"{self._path}/pulls/{pull.number}"))
            return labelled_commit(HeadSet(commit=pull.head, at=shown.moment("created_at")), given)
        return labelled_commit(HeadSet(commit=_pushed(last), at=last.moment("created_at")), given)

    async def comment(self, number: int, text: str, *, mark: str, handle: str = "") -> str:
        """Its API gives the comments of one in one answer."""
        place = f"{self._path}/issues/{number}/comments"
        known = handle or comment_with(mark, Payload({"all": await self._api.get(place)}).list("all"))
        return await written_comment(self._api, place, f"{self._path}/issues/comments", marked(text, mark), known=known)

    async def examine(self) -> str:
        found = Payload.of_answer(await self._api.get(self._path))
        may_tell = found.below("permissions").flag("push")
        return f"{found.text('full_name')} is there, and the token may {'' if may_tell else 'not '}set its statuses"


def _pushed(entry: Payload) -> str:
    """The last of the commits that an entry of a timeline tells of, in JSON of its own; empty where it tells of none."""
    try:
        commits = Payload.of(entry.text("body").encode()).texts("commit_ids")
    except InvalidInput:
        return ""
    return commits[-1] if commits else ""


def _event(kind: str, payload: Payload) -> ForgeEvent:
    match kind:
        case "push":
            return push_of(payload)
        case "delete" if payload.text("ref_type") == "branch":
            return push_of(Payload({"ref": f"refs/heads/{payload.text('ref')}", "after": "0"}))
        case "pull_request" | "pull_request_sync" | "pull_request_label":
            return pull_request(payload)
        case "status":
            return Checked(commit=payload.text("sha"))
        case "workflow_run" | "workflow_job":
            return Checked(commit=payload.below(kind).text("head_sha"))
        case _:
            return Unconcerning(what=kind[:100])


_: type[Forge] = Gitea
