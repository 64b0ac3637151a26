"""What each forge is told and asked, over HTTP, by a server that answers as the forges document it."""

from __future__ import annotations

import pytest
from forge.server import TOKEN, FakeForge, listed_merge_request, listed_pull, remembered

from mooring.drivers.forge.gitea import Gitea
from mooring.drivers.forge.github import GitHub
from mooring.drivers.forge.gitlab import GitLab
from mooring.drivers.forge.plain import PlainGit
from mooring.errors import InvalidInput, OutcomeUnknown, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.forge import CheckState, ForgeKind, ForgeLink, ForgeSecrets, Pull, Report, ReportState
from mooring.model.names import AppName
from mooring.model.secret import Secret

COMMIT = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
SHOP = EnvironmentId.parse("shop")
RUNNING = Report(environment=SHOP, commit=COMMIT, branch="main", state=ReportState.RUNNING, detail="is being deployed")
SERVES = Report(
    environment=SHOP, commit=COMMIT, branch="main", state=ReportState.SUCCEEDED, detail="serves" * 40, url="https://shop.example.com"
)


def made(kind: ForgeKind, api: str) -> GitHub | GitLab | Gitea:
    link = ForgeLink(app=AppName("shop"), kind=kind, repository="acme/shop", url=f"{api}/acme/shop.git", api=api)
    secrets = ForgeSecrets(token=Secret(TOKEN), hook=Secret(""))
    return {ForgeKind.GITHUB: GitHub, ForgeKind.GITLAB: GitLab, ForgeKind.GITEA: Gitea}[kind](link, secrets)


async def test_github_is_told_of_a_status_and_a_deployment(server: FakeForge) -> None:
    github = made(ForgeKind.GITHUB, f"{server.url}/api/v3")
    handle = await github.report(RUNNING)
    assert await github.report(SERVES, handle=handle) == handle == "4711"
    base = "/api/v3/repos/acme/shop"
    paths = [path for _, path, _ in server.posted]
    assert paths == [
        f"{base}/statuses/{COMMIT}",
        f"{base}/deployments",
        f"{base}/deployments/4711/statuses",
        f"{base}/statuses/{COMMIT}",
        f"{base}/deployments/4711/statuses",
    ]
    bodies = [body for _, _, body in server.posted]
    assert bodies[0] == {"state": "pending", "context": "mooring/production", "description": "is being deployed"}
    assert (bodies[1]["ref"], bodies[1]["environment"], bodies[1]["auto_merge"], bodies[1]["required_contexts"]) == (
        COMMIT,
        "production",
        False,
        [],
    )
    assert bodies[1]["transient_environment"] is False
    assert bodies[2] == {"state": "in_progress", "description": "is being deployed", "auto_inactive": False}
    assert (bodies[3]["state"], bodies[3]["target_url"], len(bodies[3]["description"])) == ("success", "https://shop.example.com", 140)
    assert (bodies[4]["state"], bodies[4]["environment_url"]) == ("success", "https://shop.example.com")
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {TOKEN}"}


async def test_gitlab_is_told_of_a_status_and_a_deployment(server: FakeForge) -> None:
    gitlab = made(ForgeKind.GITLAB, f"{server.url}/api/v4")
    handle = await gitlab.report(RUNNING)
    await gitlab.report(SERVES, handle=handle)
    base = "/api/v4/projects/acme/shop"
    assert [(method, path) for method, path, _ in server.posted] == [
        ("POST", f"{base}/statuses/{COMMIT}"),
        ("POST", f"{base}/deployments"),
        ("POST", f"{base}/statuses/{COMMIT}"),
        ("PUT", f"{base}/deployments/4711"),
        ("PUT", f"{base}/environments/9"),
    ]
    bodies = [body for _, _, body in server.posted]
    assert bodies[0] == {"state": "running", "name": "mooring/production", "description": "is being deployed", "ref": "main"}
    assert bodies[1] == {"environment": "production", "sha": COMMIT, "ref": "main", "tag": False, "status": "running"}
    assert (bodies[2]["state"], bodies[2]["target_url"]) == ("success", "https://shop.example.com")
    assert bodies[3:] == [{"status": "success"}, {"external_url": "https://shop.example.com"}]
    assert {headers["private-token"] for headers in server.headers} == {TOKEN}


async def test_gitea_is_told_of_a_status(server: FakeForge) -> None:
    gitea = made(ForgeKind.GITEA, f"{server.url}/api/v1")
    assert await gitea.report(RUNNING) == ""
    failed = Report(environment=SHOP, commit=COMMIT, branch="main", state=ReportState.FAILED, detail="the build failed")
    await gitea.report(failed)
    assert [(path, body["state"]) for _, path, body in server.posted] == [
        (f"/api/v1/repos/acme/shop/statuses/{COMMIT}", "pending"),
        (f"/api/v1/repos/acme/shop/statuses/{COMMIT}", "failure"),
    ]
    assert {headers["authorization"] for headers in server.headers} == {f"token {TOKEN}"}


async def test_checks_are_read_from_statuses_and_runs_without_our_own(server: FakeForge) -> None:
    ours = {"context": "mooring/production", "state": "failure"}
    server.answers["/status"] = {"state": "pending", "statuses": [{"context": "ci/lint", "state": "success"}, ours]}
    server.answers["/check-runs"] = {
        "total_count": 3,
        "check_runs": [
            {"name": "test", "status": "completed", "conclusion": "failure"},
            {"name": "docs", "status": "completed", "conclusion": "skipped"},
            {"name": "build", "status": "in_progress", "conclusion": None},
        ],
    }
    assert await made(ForgeKind.GITHUB, server.url).checks(COMMIT) == {
        "ci/lint": CheckState.PASSED,
        "test": CheckState.FAILED,
        "docs": CheckState.PASSED,
        "build": CheckState.PENDING,
    }
    server.answers = {"/status": {"statuses": [{"context": "ci", "status": "error"}, {"context": "lint", "status": "pending"}, ours]}}
    assert await made(ForgeKind.GITEA, server.url).checks(COMMIT) == {"ci": CheckState.FAILED, "lint": CheckState.PENDING}
    server.answers = {"/statuses": [{"name": "test", "status": "success"}, {"name": "slow", "status": "running"}, {"name": "mooring/dev"}]}
    assert await made(ForgeKind.GITLAB, server.url).checks(COMMIT) == {"test": CheckState.PASSED, "slow": CheckState.PENDING}
    with pytest.raises(InvalidInput, match="has no checks"):
        await PlainGit().checks(COMMIT)


async def test_a_check_that_ended_without_a_verdict_is_neither_passed_nor_failed(server: FakeForge) -> None:
    endings = {
        "cancelled": CheckState.CANCELLED,
        "stale": CheckState.STALE,
        "action_required": CheckState.ACTION_REQUIRED,
        "timed_out": CheckState.FAILED,
        "startup_failure": CheckState.FAILED,
        "neutral": CheckState.PASSED,
    }
    server.answers["/status"] = {"statuses": []}
    runs = [{"id": 1, "name": name, "status": "completed", "conclusion": name} for name in endings]
    older = {"id": 0, "name": "cancelled", "status": "completed", "conclusion": "success"}
    server.answers["/check-runs"] = {"check_runs": [*runs, older]}
    assert await made(ForgeKind.GITHUB, server.url).checks(COMMIT) == endings
    jobs = [("test", "canceled"), ("deploy", "manual"), ("late", "scheduled")]
    server.answers = {"/statuses": [{"name": name, "status": status} for name, status in jobs]}
    found = await made(ForgeKind.GITLAB, server.url).checks(COMMIT)
    assert found == {"test": CheckState.CANCELLED, "deploy": CheckState.ACTION_REQUIRED, "late": CheckState.PENDING}


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA])
async def test_checks_are_read_to_the_last_page(server: FakeForge, kind: ForgeKind) -> None:
    names = [f"check {number}" for number in range(230)]
    runs = [{"name": f"run {number}", "status": "completed", "conclusion": "success"} for number in range(230)]
    server.answers["/status"] = {"state": "success", "statuses": [{"context": name, "state": "success"} for name in names]}
    server.answers["/statuses"] = [{"name": name, "status": "success"} for name in names]
    server.answers["/check-runs"] = {"total_count": len(runs), "check_runs": runs}
    found = await made(kind, server.url).checks(COMMIT)
    assert set(names) <= set(found) and len(found) == (460 if kind is ForgeKind.GITHUB else 230)
    assert set(found.values()) == {CheckState.PASSED}


async def test_what_failed_before_it_began_is_no_deployment(server: FakeForge) -> None:
    failed = Report(environment=SHOP, commit=COMMIT, branch="main", state=ReportState.FAILED, detail="the check test failed")
    for kind in (ForgeKind.GITHUB, ForgeKind.GITLAB):
        assert await made(kind, server.url).report(failed) == ""
    assert [path.rpartition("/")[0].rpartition("/")[2] for _, path, _ in server.posted] == ["statuses", "statuses"]


async def test_what_the_token_reaches_is_said(server: FakeForge) -> None:
    server.answers["/repos/acme/shop"] = {"full_name": "acme/shop", "permissions": {"push": True, "pull": True}}
    for kind in (ForgeKind.GITHUB, ForgeKind.GITEA):
        assert await made(kind, server.url).examine() == "acme/shop is there, and the token may set its statuses"
    server.answers["/projects/acme/shop"] = {"path_with_namespace": "acme/shop", "permissions": {"project_access": {"access_level": 20}}}
    assert "may not set" in await made(ForgeKind.GITLAB, server.url).examine()


async def test_a_forge_that_fails_or_is_not_there_is_an_error_of_ours_without_the_token(server: FakeForge) -> None:
    server.fails = 1
    with pytest.raises(Unavailable, match="answered with 502") as failed:
        await made(ForgeKind.GITEA, server.url).report(RUNNING)
    with pytest.raises(InvalidInput, match="answered with 404") as unknown:
        await made(ForgeKind.GITHUB, server.url).examine()
    gone = made(ForgeKind.GITLAB, "http://127.0.0.1:9")
    with pytest.raises((Unavailable, OutcomeUnknown)) as absent:
        await gone.examine()
    assert all(TOKEN not in str(each.value) for each in (failed, unknown, absent))


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA])
async def test_pull_requests_are_listed_to_the_last_page(server: FakeForge, kind: ForgeKind) -> None:
    """And one that is named is asked for by its number, open or not."""
    listed = listed_merge_request if kind is ForgeKind.GITLAB else listed_pull
    strangers = {"source": 16} if kind is ForgeKind.GITLAB else {"fork": "stranger/shop"}
    for number in range(1, 232):
        given = strangers if number % 2 else {}
        server.pulls[number] = listed(number, branch=f"b{number}", head=COMMIT, labels=["preview"], **given)  # type: ignore[arg-type]
    server.pulls[7]["state"] = "closed"
    found = {each.number: each for each in await made(kind, server.url).pulls()}
    assert len(found) == 230 and 7 not in found
    ref = "refs/merge-requests/9/head" if kind is ForgeKind.GITLAB else "refs/pull/9/head"
    assert found[9] == Pull(number=9, branch="b9", base="main", head=COMMIT, ref=ref, is_from_fork=True, is_open=True, labels=("preview",))
    assert (found[8].is_from_fork, found[8].name, found[9].name) == (False, "b8", "pull-9:b9")
    assert not (await made(kind, server.url).pull(7)).is_open
    with pytest.raises(InvalidInput, match="answered with 404"):
        await made(kind, server.url).pull(1000)


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA])
async def test_a_comment_is_written_anew_and_found_by_its_mark(server: FakeForge, kind: ForgeKind) -> None:
    forge = made(kind, server.url)
    server.comments[5] = [{"id": number, "body": "what others say"} for number in range(150)]
    handle = await forge.comment(5, "here", mark="mooring 1f2e")
    assert await forge.comment(5, "there", mark="mooring 1f2e", handle=handle) == handle
    assert await forge.comment(5, "everywhere", mark="mooring 1f2e") == handle
    assert server.ours(5)[150:] == ["everywhere\n\n<!-- mooring 1f2e -->"]
    assert await forge.comment(6, "another's", mark="mooring 1f2e") != handle
    ways = {ForgeKind.GITLAB: ["POST", "PUT", "PUT", "POST"]}.get(kind, ["POST", "PATCH", "PATCH", "POST"])
    assert [method for method, _, _ in server.posted] == ways


async def test_a_plain_repository_has_no_pull_requests() -> None:
    assert await PlainGit().pulls() == ()
    lent = Pull(number=1, branch="b", base="main", head=COMMIT, ref="refs/pull/1/head", is_from_fork=True, is_open=True)
    assert await PlainGit().labelled(lent, "deploy-preview") == ""
    for asked in (PlainGit().pull(1), PlainGit().comment(1, "x", mark="y")):
        with pytest.raises(InvalidInput, match="no pull request 1"):
            await asked


async def test_when_a_branch_was_pushed_is_asked_of_the_repository_that_it_lies_in_and_of_no_other_address(server: FakeForge) -> None:
    server.pulls[2] = listed_pull(2, branch="a b", head=COMMIT, fork="stranger/shop")
    known = remembered("github", pushed=[(COMMIT, "2026-11-21T11:00:00Z")], labelled=["2026-11-21T11:05:00Z"])
    server.answers = {f"/repos/stranger/shop{place}" if place == "/activity" else place: rows for place, rows in known.items()}
    github = made(ForgeKind.GITHUB, server.url)
    pull = await github.pull(2)
    assert (await github.labelled(pull, "deploy-preview"), await github.labelled(pull, "bug")) == (COMMIT, "")
    for named in ("", "../../user", "stranger/..", "stranger/shop/../x", "stranger/shop?x=1"):
        server.pulls[2]["head"]["repo"]["full_name"] = named
        assert await github.labelled(pull, "deploy-preview") == "", named
