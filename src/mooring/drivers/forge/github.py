"""GitHub and GitHub Enterprise Server. Sources: docs.github.com, "Webhook events and payloads", "Validating webhook deliveries", and the
REST API's commit statuses, deployments ("Inactive deployments"), deployment environments, commit comments, check runs, issue events
and repository activities. Must not: act on what a message says, only
tell what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from mooring.drivers.forge.api import Api
from mooring.drivers.forge.contract import Forge
from mooring.drivers.forge.letting_in import HeadSet, labelled_commit
from mooring.drivers.forge.pages import listed
from mooring.drivers.forge.payload import LONGEST_DETAIL, Payload, check_repository, push_of
from mooring.drivers.forge.signing import check_signed
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

STATES = {
    ReportState.WAITING: "pending",
    ReportState.RUNNING: "pending",
    ReportState.SUCCEEDED: "success",
    ReportState.FAILED: "failure",
}
FOUND = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,  # a job of Gitea's
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
}
_DEPLOYMENT_STATES = {ReportState.WAITING: "queued", ReportState.RUNNING: "in_progress", ReportState.SUCCEEDED: "success"}
_ACTIONS = {
    "opened": PullAction.OPENED,
    "reopened": PullAction.OPENED,
    "synchronize": PullAction.UPDATED,
    "synchronized": PullAction.UPDATED,  # as Gitea writes it
    "labeled": PullAction.UPDATED,
    "unlabeled": PullAction.UPDATED,
    "label_updated": PullAction.UPDATED,
    "edited": PullAction.UPDATED,
    "closed": PullAction.CLOSED,
}
_REPOSITORY = re.compile(r"[A-Za-z0-9_-]+/(?!\.\.?\Z)[A-Za-z0-9._-]+")
_RUN_ENDINGS = {
    "success": CheckState.PASSED,
    "neutral": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "cancelled": CheckState.CANCELLED,
    "stale": CheckState.STALE,
    "action_required": CheckState.ACTION_REQUIRED,
}


class GitHub:
    def __init__(self, link: ForgeLink, secrets: ForgeSecrets) -> None:
        self._link = link
        self._secrets = secrets
        token = secrets.token.reveal()
        self._api = Api(link.api, {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"})
        self._path = f"/repos/{quote(link.repository)}"

    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        check_signed(body, headers.get("x-hub-signature-256", "").removeprefix("sha256="), self._secrets.hook)
        payload = Payload.of(body)
        repository = payload.below("repository")
        check_repository(repository.text("full_name"), self._link.repository)
        event = _event(headers.get("x-github-event", ""), payload)
        sent_at = pull_moment(payload) if isinstance(event, PullRequest) else repository.moment("pushed_at")
        return Delivery(event=event, sent_at=sent_at)

    async def report(self, report: Report, *, handle: str = "") -> str:
        """The status of the commit, and a deployment of GitHub's, which is what `handle` names. What failed before it began has none."""
        await self._api.send("POST", f"{self._path}/statuses/{report.commit}", status_of(report))
        if not handle and report.state is ReportState.FAILED:
            return ""
        if not handle:
            handle = await self._deployment(report)
        shown = {"environment_url": report.url} if report.url else {}
        body = _deployment_status(_DEPLOYMENT_STATES.get(report.state, "failure"), report.detail)
        await self._api.send("POST", f"{self._path}/deployments/{handle}/statuses", {**body, **shown})
        return handle

    async def retire(self, deployments: Sequence[str]) -> None:
        await self._end(deployments, "a newer one serves")

    async def withdraw(self, shown: Shown) -> None:
        """Its deployments are inactive, which GitHub shows as destroyed; the status loses its address.

        GitHub made a review app's environment with its first deployment: that goes too, where the token may administer the repository.
        """
        await self._end(shown.deployments, f"{shown.id} is gone")
        await withdraw_status(self._api, self._path, shown)
        if shown.is_review:
            environment = f"{self._path}/environments/{quote(shown.environment, safe='')}"
            await self._api.send_where_allowed("DELETE", environment, {})

    async def comment_commit(self, commit: str, text: str, *, mark: str, handle: str = "") -> str:
        place = f"{self._path}/commits/{commit}/comments"
        known = handle or comment_with(mark, await listed(self._api, place, size=100))
        return await written_comment(self._api, place, f"{self._path}/comments", marked(text, mark), known=known)

    async def _end(self, deployments: Sequence[str], why: str) -> None:
        for each in deployments:
            await self._api.send_where_found("POST", f"{self._path}/deployments/{each}/statuses", _deployment_status("inactive", why))

    async def checks(self, commit: str) -> dict[str, CheckState]:
        """Of runs of one name, as two workflows may have, the newest."""
        place = f"{self._path}/commits/{commit}"
        found = states_of(await listed(self._api, f"{place}/status", size=100, field="statuses"))
        runs = await listed(self._api, f"{place}/check-runs?filter=latest", size=100, field="check_runs")
        newest_last = sorted(runs, key=lambda run: run.number("id") or 0)
        return {**found, **{run.text("name"): _run_state(run) for run in newest_last}}

    async def pulls(self) -> tuple[Pull, ...]:
        found = await listed(self._api, f"{self._path}/pulls?state=open", size=100)
        return tuple(pull_of(each) for each in found)

    async def pull(self, number: int) -> Pull:
        return pull_of(Payload.of_answer(await self._api.get(f"{self._path}/pulls/{number}")))

    async def labelled(self, pull: Pull, label: str) -> str:
        """When its branch was pushed is told by the repository that it lies in, which the token has to be able to read."""
        found = await listed(self._api, f"{self._path}/issues/{pull.number}/events", size=100)
        given = [
            each.moment("created_at") for each in found if each.text("event") == "labeled" and each.below("label").text("name") == label
        ]
        if not given:
            return ""
        shown = Payload.of_answer(await self._api.get(f"{self._path}/pulls/{pull.number}"))
        source = shown.below("head", "repo").text("full_name")
        if not _REPOSITORY.fullmatch(source):
            return ""
        asked = f"/repos/{source}/activity?per_page=1&ref={quote(f'refs/heads/{pull.branch}', safe='')}"
        newest = Payload({"all": await self._api.get(asked)}).list("all")[:1]
        last = next((HeadSet(commit=each.text("after"), at=each.moment("timestamp")) for each in newest), None)
        return labelled_commit(last, given)

    async def comment(self, number: int, text: str, *, mark: str, handle: str = "") -> str:
        place = f"{self._path}/issues/{number}/comments"
        known = handle or comment_with(mark, await listed(self._api, place, size=100))
        return await written_comment(self._api, place, f"{self._path}/issues/comments", marked(text, mark), known=known)

    async def examine(self) -> str:
        found = Payload.of_answer(await self._api.get(self._path))
        may_tell = found.below("permissions").flag("push")
        return f"{found.text('full_name')} is there, and the token may {'' if may_tell else 'not '}set its statuses"

    async def _deployment(self, report: Report) -> str:
        body = {
            "ref": report.commit,
            "environment": report.environment.environment,
            "description": f"{report.environment} by Mooring",
            "auto_merge": False,
            "required_contexts": [],
            "transient_environment": report.is_review,
        }
        made = Payload.of_answer(await self._api.send("POST", f"{self._path}/deployments", body))
        return str(made.number("id") or "")


def status_of(report: Report) -> dict[str, object]:
    """The body of a commit's status."""
    shown = {"target_url": report.url} if report.url else {}
    return {"state": STATES[report.state], "context": report.name, "description": report.detail[:LONGEST_DETAIL], **shown}


async def withdraw_status(api: Api, path: str, shown: Shown) -> None:
    """Where the last one leads to an address that is no more: alike at GitHub and Gitea. A commit that is gone has none."""
    if shown.url:
        await api.send_where_found("POST", f"{path}/statuses/{shown.commit}", status_of(shown.gone))


def _deployment_status(state: str, detail: str) -> dict[str, object]:
    """`auto_inactive` is off: by it GitHub ends all others of that environment, also those that somebody else made."""
    return {"state": state, "description": detail[:LONGEST_DETAIL], "auto_inactive": False}


def states_of(statuses: Sequence[Payload]) -> dict[str, CheckState]:
    """Of a combined status; newest of each name, without our own."""
    named = {each.text("context"): each.text("state") or each.text("status") for each in reversed(statuses)}
    return {name: FOUND.get(state, CheckState.PENDING) for name, state in named.items() if not name.startswith(OWN)}


def pull_of(payload: Payload) -> Pull:
    """One of the API's pull requests, as GitHub and Gitea write them. Raises Unavailable for what is none."""
    number, head = payload.number("number") or 0, payload.below("head")
    if number < 1 or not head.text("sha"):
        raise Unavailable("the forge's answer about a pull request makes no sense", hint="is that the address of its API?")
    return Pull(
        number=number,
        branch=head.text("ref"),
        base=payload.below("base").text("ref"),
        head=head.text("sha"),
        ref=f"refs/pull/{number}/head",
        is_from_fork=_is_from_fork(payload),
        is_open=payload.text("state") == "open",
        labels=_labels(payload),
    )


def marked(text: str, mark: str) -> str:
    """A comment's body, with what ours is found by and nobody sees."""
    return f"{text}\n\n<!-- {mark} -->"


def comment_with(mark: str, comments: Sequence[Payload]) -> str:
    """The oldest that holds it: who copies ours comes later. Empty where none does."""
    return next((str(each.number("id")) for each in comments if mark in each.text("body")), "")


async def written_comment(api: Api, place: str, all_of_them: str, body: str, *, known: str) -> str:
    """The known one anew, or a new one at `place`: alike at GitHub and Gitea."""
    if known:
        await api.send("PATCH", f"{all_of_them}/{known}", {"body": body})
        return known
    made = Payload.of_answer(await api.send("POST", place, {"body": body}))
    return str(made.number("id") or "")


def pull_request(payload: Payload) -> ForgeEvent:
    """The same in GitHub's and Gitea's messages."""
    pull = payload.below("pull_request")
    action = _ACTIONS.get(payload.text("action"))
    number = payload.number("number")
    if action is None or number is None:
        return Unconcerning(what=f"pull request {payload.text('action')[:100]}")
    return PullRequest(
        number=number, action=action, branch=pull.below("head").text("ref"), is_from_fork=_is_from_fork(pull), labels=_labels(pull)
    )


def _is_from_fork(pull: Payload) -> bool:
    """Also where its repository is gone, or is not told."""
    head, base = pull.below("head", "repo").text("full_name"), pull.below("base", "repo").text("full_name")
    return not head or head != base


def _labels(pull: Payload) -> tuple[str, ...]:
    return tuple(label.text("name") for label in pull.list("labels"))


def pull_moment(payload: Payload) -> float | None:
    return payload.below("pull_request").moment("updated_at")


def _event(kind: str, payload: Payload) -> ForgeEvent:
    match kind:
        case "push":
            return push_of(payload)
        case "pull_request":
            return pull_request(payload)
        case "status":
            return Checked(commit=payload.text("sha"))
        case "check_run" | "check_suite" | "workflow_run":
            return Checked(commit=payload.below(kind).text("head_sha"))
        case _:
            return Unconcerning(what=kind[:100])


def _run_state(run: Payload) -> CheckState:
    if run.text("status") != "completed":
        return CheckState.PENDING
    return _RUN_ENDINGS.get(run.text("conclusion"), CheckState.FAILED)


_: type[Forge] = GitHub
