"""What each forge shows when an environment is gone, and the one comment on a commit; by a server that does as the forges document.

Nothing that leads nowhere is left, nothing of anybody else's is touched, and what is told twice is told once.
"""

from __future__ import annotations

import msgspec
import pytest
from drivers.forge.test_telling import made
from forge.server import FakeForge

from mooring.drivers.forge.plain import PlainGit
from mooring.errors import InvalidInput, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind, Report, ReportState, Shown
from mooring.model.names import AppName
from mooring.model.review import review_environment

COMMIT, NEWER = "6dcb09b5b57875f334f61aebed695e2e4193db5e", "7638417db6d59f3c431d3e1f261cc637155684cd"
TOPIC = review_environment(AppName("shop"), "topic")
URL = "https://topic.review.example.com"
KINDS = [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA]


def report(environment: EnvironmentId = TOPIC, *, commit: str = COMMIT, is_review: bool = True) -> Report:
    state = ReportState.SUCCEEDED
    return Report(environment=environment, commit=commit, branch="topic", state=state, detail="serves", url=URL, is_review=is_review)


def shown(*deployments: str, environment: EnvironmentId = TOPIC, commit: str = COMMIT, branch: str = "topic", url: str = URL) -> Shown:
    return Shown(
        app=environment.app, environment=environment.environment, commit=commit, branch=branch, url=url, deployments=tuple(deployments)
    )


async def test_github_shows_the_deployments_of_a_review_app_that_is_gone_as_destroyed_and_its_environment_no_more(
    server: FakeForge,
) -> None:
    github = made(ForgeKind.GITHUB, server.url)
    first = await github.report(report())
    second = await github.report(report(commit=NEWER))
    anothers = await github.report(report(EnvironmentId.parse("shop/staging")))
    assert server.posted[1][2]["transient_environment"] is True
    assert server.exhibits.alive(TOPIC.environment) == [(COMMIT, URL), (NEWER, URL)]
    await github.retire([first])
    assert server.exhibits.alive(TOPIC.environment) == [(NEWER, URL)]
    for _ in range(2):
        await github.withdraw(shown(first, second, commit=NEWER))
    assert server.exhibits.alive(TOPIC.environment) == []
    assert server.exhibits.deployments[int(second)] == {"environment": TOPIC.environment, "commit": NEWER, "state": "inactive", "url": ""}
    assert server.exhibits.deployments[int(anothers)]["state"] == "success"
    assert [each["name"] for each in server.exhibits.environments.values()] == ["staging"]
    assert server.statuses(NEWER)[-1] == {"state": "success", "context": f"mooring/{TOPIC.environment}", "description": f"{TOPIC} is gone"}


async def test_github_keeps_an_environment_that_a_token_may_not_remove_or_that_has_a_name_of_its_own(server: FakeForge) -> None:
    github = made(ForgeKind.GITHUB, server.url)
    server.exhibits.may_delete = False
    handle = await github.report(report())
    await github.withdraw(shown(handle))
    server.exhibits.may_delete = True
    staging = EnvironmentId.parse("shop/staging")
    handle = await github.report(report(staging, is_review=False))
    await github.withdraw(shown(handle, environment=staging, branch="main"))
    assert [each["name"] for each in server.exhibits.environments.values()] == [TOPIC.environment, "staging"]
    assert {each["state"] for each in server.exhibits.deployments.values()} == {"inactive"}


async def test_gitlab_stops_the_environment_once_and_no_other(server: FakeForge) -> None:
    gitlab = made(ForgeKind.GITLAB, server.url)
    for environment in (EnvironmentId.parse("shop/staging"), TOPIC):
        await gitlab.report(report(environment))
    assert [each["external_url"] for each in server.exhibits.environments.values()] == [URL, URL]
    for _ in range(2):
        await gitlab.retire(["4711"])
        await gitlab.withdraw(shown("4711"))
    assert {each["name"]: each["state"] for each in server.exhibits.environments.values()} == {
        "staging": "available",
        TOPIC.environment: "stopped",
    }
    assert [path for _, path, _ in server.posted if path.endswith("/stop")] == ["/projects/acme/shop/environments/10/stop"]
    assert server.statuses(COMMIT)[-1]["description"] == f"{TOPIC} is gone" and "target_url" not in server.statuses(COMMIT)[-1]


async def test_gitea_shows_no_address_of_what_is_gone_and_a_plain_repository_is_told_nothing(server: FakeForge) -> None:
    gitea = made(ForgeKind.GITEA, server.url)
    await gitea.report(report())
    await gitea.retire(["1"])
    await gitea.withdraw(shown())
    assert [(each["description"], each.get("target_url")) for each in server.statuses(COMMIT)] == [
        ("serves", URL),
        (f"{TOPIC} is gone", None),
    ]
    told = len(server.posted)
    await gitea.withdraw(shown(url=""))  # it never served: its status says why
    await PlainGit().withdraw(shown())
    await PlainGit().retire(["1"])
    assert len(server.posted) == told


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forge_that_does_not_answer_is_told_again_later(server: FakeForge, kind: ForgeKind) -> None:
    forge = made(kind, server.url)
    handle = await forge.report(report())
    server.fails = 1
    with pytest.raises(Unavailable, match="answered with 502"):
        await forge.withdraw(shown(handle))
    await forge.withdraw(shown(handle))
    assert server.statuses(COMMIT)[-1]["description"] == f"{TOPIC} is gone"


async def test_what_the_forge_has_no_longer_keeps_nothing_from_being_withdrawn(server: FakeForge) -> None:
    github = made(ForgeKind.GITHUB, server.url)
    handle = await github.report(report())
    await github.withdraw(shown("1", handle))
    assert server.exhibits.alive(TOPIC.environment) == []


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITLAB])
async def test_a_comment_on_a_commit_is_written_anew_and_found_by_its_mark(server: FakeForge, kind: ForgeKind) -> None:
    forge = made(kind, server.url)
    handle = await forge.comment_commit(COMMIT, "here", mark="mooring 1f2e")
    assert await forge.comment_commit(COMMIT, "there", mark="mooring 1f2e", handle=handle) == handle
    assert await forge.comment_commit(COMMIT, "everywhere", mark="mooring 1f2e") == handle
    assert server.exhibits.on_commit(COMMIT) == ["everywhere\n\n<!-- mooring 1f2e -->"]
    assert await forge.comment_commit(NEWER, "another's", mark="mooring 1f2e") != handle
    server.exhibits.takes_comments = False
    with pytest.raises(InvalidInput, match="answered with 403"):
        await forge.comment_commit(NEWER, "no", mark="mooring 33")


async def test_gitea_and_a_plain_repository_have_no_comments_on_commits(server: FakeForge) -> None:
    assert await made(ForgeKind.GITEA, server.url).comment_commit(COMMIT, "x", mark="y") == ""
    assert await PlainGit().comment_commit(COMMIT, "x", mark="y") == ""
    assert server.posted == []


def test_what_is_a_review_apps_is_known_by_its_branch() -> None:
    assert shown().is_review and not msgspec.structs.replace(shown(), branch="main").is_review
