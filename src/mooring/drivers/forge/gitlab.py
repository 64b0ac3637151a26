"""GitLab. Sources: docs.gitlab.com, "Webhook events", and the API's commit statuses, deployments, environments ("Stop an environment"),
discussions of commits, merge request versions and label events. Must not: act on a message.

GitLab sends the hook's secret itself with each message instead of a signature, so its hook has to be called over HTTPS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from mooring.drivers.forge.api import Api
from mooring.drivers.forge.contract import Forge
from mooring.drivers.forge.github import comment_with, marked
from mooring.drivers.forge.letting_in import HeadSet, labelled_commit
from mooring.drivers.forge.pages import listed
from mooring.drivers.forge.payload import LONGEST_DETAIL, Payload, check_repository, push_of
from mooring.drivers.forge.signing import check_token
from mooring.errors import Unavailable
from mooring.model.forge import (
    OWN,
    Checked,
    CheckState,
    Delivery,
    ForgeEvent,
    ForgeLink,
    ForgeSecrets,
    Pull,
    PullAction,
    PullRequest,
    Report,
    ReportState,
    Shown,
    Unconcerning,
)

_STATES = {
    ReportState.WAITING: "pending",
    ReportState.RUNNING: "running",
    ReportState.SUCCEEDED: "success",
    ReportState.FAILED: "failed",
}
_DEPLOYMENT_STATES = {**_STATES, ReportState.WAITING: "created"}
_FOUND = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "canceled": CheckState.CANCELLED,
    "manual": CheckState.ACTION_REQUIRED,
}
_ACTIONS = {
    "open": PullAction.OPENED,
    "reopen": PullAction.OPENED,
    "update": PullAction.UPDATED,
    "close": PullAction.CLOSED,
    "merge": PullAction.CLOSED,
}
_DEVELOPER = 30  # access level


class GitLab:
    def __init__(self, link: ForgeLink, secrets: ForgeSecrets) -> None:
        self._link = link
        self._secrets = secrets
        self._api = Api(link.api, {"PRIVATE-TOKEN": secrets.token.reveal()})
        self._path = f"/projects/{quote(link.repository, safe='')}"

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        check_token(headers.get("x-gitlab-token", ""), self._secrets.hook)
        payload = Payload.of(body)
        check_repository(payload.below("project").text("path_with_namespace"), self._link.repository)
        return Delivery(event=_event(payload), sent_at=payload.below("object_attributes").moment("updated_at"))

    async def report(self, report: Report, *, handle: str = "") -> str:
        """The status of the commit, and a deployment of GitLab's, which is what `handle` names; the address is its environment's.

        What failed before it began has no deployment.
        """
        await self._api.send("POST", f"{self._path}/statuses/{report.commit}", _status_of(report))
        if not handle and report.state is ReportState.FAILED:
            return ""
        state = {"status": _DEPLOYMENT_STATES[report.state]}
        if handle:
            answer = await self._api.send("PUT", f"{self._path}/deployments/{handle}", state)
        else:
            about = {"environment": report.environment.environment, "sha": report.commit, "ref": report.branch, "tag": False}
            answer = await self._api.send("POST", f"{self._path}/deployments", {**about, **state})
        made = Payload.of_answer(answer)
        environment = made.below("environment")
        number = environment.number("id")
        if report.url and number is not None and environment.text("external_url") != report.url:
            await self._api.send("PUT", f"{self._path}/environments/{number}", {"external_url": report.url})
        return handle or str(made.number("id") or "")

    async def retire(self, deployments: Sequence[str]) -> None:
        """GitLab shows an environment's newest as the one that serves."""

    async def withdraw(self, shown: Shown) -> None:
        """Its environment is stopped, which GitLab shows no address of; the status loses its own."""
        name = quote(shown.environment, safe="")
        for each in await listed(self._api, f"{self._path}/environments?name={name}", size=100):
            if each.text("name") == shown.environment and each.text("state") != "stopped":
                await self._api.send_where_found("POST", f"{self._path}/environments/{each.number('id')}/stop", {})
        if shown.url:
            await self._api.send_where_found("POST", f"{self._path}/statuses/{shown.commit}", _status_of(shown.gone))

    async def comment_commit(self, commit: str, text: str, *, mark: str, handle: str = "") -> str:
        """A thread of one note: a plain comment on a commit has no number by which it could be written anew."""
        place, body = f"{self._path}/repository/commits/{commit}/discussions", {"body": marked(text, mark)}
        known = handle or _thread_with(mark, await listed(self._api, place, size=100))
        if known:
            thread, _, note = known.partition("/")
            await self._api.send("PUT", f"{place}/{thread}/notes/{note}", body)
            return known
        return _thread_with(mark, [Payload.of_answer(await self._api.send("POST", place, body))])

    async def checks(self, commit: str) -> dict[str, CheckState]:
        found = await listed(self._api, f"{self._path}/repository/commits/{commit}/statuses", size=100)
        named = {each.text("name"): each.text("status") for each in found}
        return {name: _FOUND.get(state, CheckState.PENDING) for name, state in named.items() if not name.startswith(OWN)}

    async def pulls(self) -> tuple[Pull, ...]:
        found = await listed(self._api, f"{self._path}/merge_requests?state=opened", size=100)
        return tuple(_pull_of(each) for each in found if each.text("sha"))  # one without commits has none

    async def pull(self, number: int) -> Pull:
        return _pull_of(Payload.of_answer(await self._api.get(f"{self._path}/merge_requests/{number}")))

    async def labelled(self, pull: Pull, label: str) -> str:
        """Each push is a version of the merge request."""
        place = f"{self._path}/merge_requests/{pull.number}"
        events = await listed(self._api, f"{place}/resource_label_events", size=100)
        given = [each.moment("created_at") for each in events if each.text("action") == "add" and each.below("label").text("name") == label]
        versions = await listed(self._api, f"{place}/versions", size=100)
        last = max(versions, key=lambda each: each.number("id") or 0, default=None)
        newest = None if last is None else HeadSet(commit=last.text("head_commit_sha"), at=last.moment("created_at"))
        return labelled_commit(newest, given)

    async def comment(self, number: int, text: str, *, mark: str, handle: str = "") -> str:
        """A note on the merge request."""
        place, body = f"{self._path}/merge_requests/{number}/notes", {"body": marked(text, mark)}
        known = handle or comment_with(mark, await listed(self._api, f"{place}?sort=asc&order_by=created_at", size=100))
        if known:
            await self._api.send("PUT", f"{place}/{known}", body)
            return known
        return str(Payload.of_answer(await self._api.send("POST", place, body)).number("id") or "")

    async def examine(self) -> str:
        found = Payload.of_answer(await self._api.get(self._path))
        levels = [found.below("permissions", each).number("access_level") or 0 for each in ("project_access", "group_access")]
        may_tell = max(levels) >= _DEVELOPER
        return f"{found.text('path_with_namespace')} is there, and the token may {'' if may_tell else 'not '}set its statuses"


def _status_of(report: Report) -> dict[str, object]:
    """The body of a commit's status."""
    shown = {"target_url": report.url} if report.url else {}
    status = {"state": _STATES[report.state], "name": report.name, "description": report.detail[:LONGEST_DETAIL], "ref": report.branch}
    return {**status, **shown}


def _thread_with(mark: str, threads: Sequence[Payload]) -> str:
    """The oldest whose first note holds it, as thread and note; empty where none does."""
    firsts = ((thread, note) for thread in threads for note in thread.list("notes")[:1])
    return next((f"{thread.text('id')}/{note.number('id')}" for thread, note in firsts if mark in note.text("body")), "")


def _event(payload: Payload) -> ForgeEvent:
    match payload.text("object_kind"):
        case "push":
            return push_of(payload)
        case "merge_request":
            return _merge_request(payload)
        case "pipeline":
            return Checked(commit=payload.below("object_attributes").text("sha"))
        case "build":
            return Checked(commit=payload.text("sha"))
        case kind:
            return Unconcerning(what=kind[:100])


def _pull_of(payload: Payload) -> Pull:
    """One of the API's merge requests. Raises Unavailable for what is none."""
    number, head = payload.number("iid") or 0, payload.text("sha")
    if number < 1 or not head:
        raise Unavailable("the forge's answer about a merge request makes no sense", hint="is that the address of its API?")
    return Pull(
        number=number,
        branch=payload.text("source_branch"),
        base=payload.text("target_branch"),
        head=head,
        ref=f"refs/merge-requests/{number}/head",
        is_from_fork=_is_from_fork(payload),
        is_open=payload.text("state") == "opened",
        labels=payload.texts("labels"),
    )


def _is_from_fork(payload: Payload) -> bool:
    source = payload.number("source_project_id")
    return source is None or source != payload.number("target_project_id")


def _merge_request(payload: Payload) -> ForgeEvent:
    attributes = payload.below("object_attributes")
    action, number = _ACTIONS.get(attributes.text("action")), attributes.number("iid")
    if action is None or number is None:
        return Unconcerning(what=f"merge request {attributes.text('action')[:100]}")
    return PullRequest(
        number=number,
        action=action,
        branch=attributes.text("source_branch"),
        is_from_fork=_is_from_fork(attributes),
        labels=tuple(label.text("title") for label in payload.list("labels")),
    )


_: type[Forge] = GitLab
