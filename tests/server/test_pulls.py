"""Pull requests through the API: an app while one is open, one comment, for strangers nothing but what a label lets them have.

Git and HTTP are real; the forge is a server of the tests' own, whose answers are as the forges document theirs.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import msgspec
import pytest
from forge.origin import Origin
from forge.server import (
    SECRET,
    FakeForge,
    encoded,
    gitea_headers,
    github_headers,
    gitlab_merge_request,
    listed_merge_request,
    listed_pull,
    pull_request,
    remembered,
)
from server.forged import Add, deployments, ended
from server.serving import Served

from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind
from mooring.model.names import AppName, EnvironmentName
from mooring.model.review import review_environment, strangers_branch
from mooring.model.secret import Secret
from mooring.testing.samples import a_pull

WANTED = "[review]\npull_requests = true\n"
KINDS = [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA]


def told(served: Served, app: str, kind: ForgeKind = ForgeKind.GITHUB, *, action: str = "synchronize") -> int:
    """A message about a pull request, which only makes the platform look. Gives the answer's code."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - next(_moments) * 600))
    if kind is ForgeKind.GITLAB:
        body, headers = gitlab_merge_request(at=moment), {"x-gitlab-event": "Merge Request Hook", "x-gitlab-token": SECRET}
    else:
        body = encoded(pull_request(action=action, at=moment))
        headers = (github_headers if kind is ForgeKind.GITHUB else gitea_headers)("pull_request", body)
    with served.http as http:
        return http.post(f"/v1/forges/{app}/hook", content=body, headers=headers).status_code


_moments = itertools.count()


def offered(forge: FakeForge, kind: ForgeKind, *, branch: str, head: str, is_strangers: bool = False, **fields: Any) -> dict[str, Any]:
    """Pull request 2, as that forge lists it."""
    if kind is ForgeKind.GITLAB:
        forge.pulls[2] = listed_merge_request(2, branch=branch, head=head, source=16 if is_strangers else 15, **fields)
    else:
        forge.pulls[2] = listed_pull(2, branch=branch, head=head, fork="stranger/shop" if is_strangers else "", **fields)
    return forge.pulls[2]


def closed(forge: FakeForge, *, how: str = "closed") -> None:
    forge.pulls[2]["state"] = how


def gone(served: Served, forge: FakeForge, environment: EnvironmentId) -> None:
    forge.wait(lambda: served.world.memory.environment(environment) is None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_a_pull_request_has_a_review_app_and_one_comment_from_its_opening_to_its_end(
    served: Served, forge: FakeForge, origin: Origin, add: Add, kind: ForgeKind
) -> None:
    app = f"opened{kind.value}"
    forge.answers["/projects/acme/shop"] = {"path_with_namespace": "acme/shop"}
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add(app, kind=kind)
    origin.git("switch", "-qc", "new-checkout")
    first = origin.commit("a new checkout")
    offered(forge, kind, branch="new-checkout", head=first)
    environment = review_environment(AppName(app), "new-checkout")
    assert told(served, app, kind, action="opened") == 202
    forge.wait(lambda: forge.ours(2))
    url = served.client.environment(environment).urls[0]
    assert url in forge.ours(2)[0] and str(environment) in forge.ours(2)[0]
    name = {"GITLAB": "name"}.get(kind.name, "context")
    statuses = [each["state"] for each in forge.statuses(first) if each[name] == f"mooring/{environment.environment}"]
    assert statuses == (["running", "success"] if kind is ForgeKind.GITLAB else ["pending", "success"])
    made = [body for _, path, body in forge.posted if path.endswith("/deployments")]
    assert [body["environment"] for body in made] == ([] if kind is ForgeKind.GITEA else [environment.environment])

    second = origin.commit("and better")
    offered(forge, kind, branch="new-checkout", head=second)
    assert told(served, app, kind) == 202
    forge.wait(lambda: [each for each in forge.statuses(second) if each["state"] == "success"])
    (review,) = served.client.reviews(AppName(app))
    assert (review.branch, review.head) == ("new-checkout", second)
    assert len(forge.ours(2)) == 1

    closed(forge, how="merged" if kind is ForgeKind.GITLAB else "closed")
    assert told(served, app, kind, action="closed") == 202
    gone(served, forge, environment)
    forge.wait(lambda: "is gone" in forge.ours(2)[0])
    forge.wait(lambda: [each.is_closed for each in served.world.memory.forge_pulls(AppName(app))] == [True])

    forge.pulls[2]["state"] = "opened" if kind is ForgeKind.GITLAB else "open"
    assert told(served, app, kind, action="reopened") == 202
    forge.wait(lambda: url in forge.ours(2)[0])
    closed(forge)
    assert told(served, app, kind, action="closed") == 202
    gone(served, forge, environment)
    forge.wait(lambda: "is gone" in forge.ours(2)[0])
    assert "Looked for at its end: gone: instance, route, certificate, service, accessory, volume, " in forge.ours(2)[0]
    assert len(forge.ours(2)) == 1
    assert len([path for method, path, _ in forge.posted if method == "POST" and path.endswith(("/comments", "/notes"))]) == 1


def strangers(origin: Origin, *, toml: str = "") -> str:
    """A commit in somebody else's repository, which the app's own holds as the head of pull request 2, and on no branch."""
    origin.git("switch", "-qc", "theirs")
    commit = origin.commit("from a stranger", **({"mooring_toml": toml} if toml else {}))
    origin.git("update-ref", "refs/pull/2/head", commit)
    origin.git("switch", "-q", "main")
    origin.git("branch", "-qD", "theirs")
    return commit


def test_a_strangers_pull_request_has_nothing_before_its_label_and_then_an_app_without_a_secret(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    """Even its manifest is the one of the branch that it would be merged into."""
    app, name = AppName("fork"), strangers_branch(2, "main")
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add(app)
    for holder in ("production", "review"):
        served.client.set_secret(EnvironmentId(app, EnvironmentName(holder)), "PAYMENT_KEY", Secret("s3cr3t-of-the-team"))
    commit = strangers(origin, toml='[review]\npull_requests = true\nfork_label = "mine"\n')
    environment = review_environment(app, name)
    for labels in ([], ["mine", "bug"]):
        offered(forge, ForgeKind.GITHUB, branch="main", head=commit, is_strangers=True, labels=labels)
        assert told(served, app) == 202
        served.client.check_forge(app)
        settled(served, app)
        assert served.world.memory.environment(environment) is None
        assert served.world.memory.forge_pulls(app) == ()

    offered(forge, ForgeKind.GITHUB, branch="main", head=commit, is_strangers=True, labels=["deploy-preview"])
    forge.answers |= remembered("github", pushed=[(commit, "2026-11-21T11:00:00Z")], labelled=["2026-11-21T11:05:00Z"])
    assert told(served, app, action="labeled") == 202
    assert ended(forge, commit, name=f"mooring/{environment.environment}")["state"] == "success"
    forge.wait(lambda: forge.ours(2))
    assert "a stranger's code" in forge.ours(2)[0]
    assert [each.branch for each in served.client.reviews(app)] == ["pull-2:main"]
    assert [each.changed for each in served.world.memory.config_versions(environment)] == [("REVIEW_PASSWORD",)]
    release = served.client.releases(environment)[0]
    assert (release.source.commit, release.source.branch) == (commit, "pull-2:main")
    given = [life.variables for life in served.world.runtime.lives() if life.spec.key.environment == environment]
    assert given and not any("PAYMENT_KEY" in variables or "s3cr3t" in str(variables) for variables in given)
    assert deployments(served.client, app) == []  # a stranger's `main` is not ours

    offered(forge, ForgeKind.GITHUB, branch="main", head=commit, is_strangers=True, labels=["bug"])
    assert told(served, app, action="unlabeled") == 202
    gone(served, forge, environment)
    forge.wait(lambda: "is gone" in forge.ours(2)[0])


def test_without_pull_requests_in_the_manifest_or_without_a_label_in_it_nobody_gets_one(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("quiet")
    origin.git("switch", "-qc", "idea")
    own = origin.commit("an idea")
    offered(forge, ForgeKind.GITHUB, branch="idea", head=own)
    assert told(served, "quiet") == 202
    settled(served, "quiet")
    origin.git("switch", "-q", "main")
    origin.commit("never for strangers", mooring_toml=f'{WANTED}fork_label = ""\n[environments.production]\nbranch = "live"\n')
    commit = strangers(origin)
    offered(forge, ForgeKind.GITHUB, branch="main", head=commit, is_strangers=True, labels=["deploy-preview", ""])
    assert told(served, "quiet") == 202
    settled(served, "quiet")
    assert served.client.reviews(AppName("quiet")) == () and forge.comments == {}
    assert forge.statuses(own) == forge.statuses(commit) == []


def test_what_the_list_leaves_out_is_asked_for_before_anything_goes(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add("leftout")
    origin.git("switch", "-qc", "one")
    head = origin.commit("one")
    offered(forge, ForgeKind.GITHUB, branch="one", head=head)
    assert told(served, "leftout") == 202
    forge.wait(lambda: forge.ours(2))
    forge.unlisted.add(2)
    settled(served, "leftout")
    forge.shows_pulls = False
    settled(served, "leftout")
    assert "answered with 404" in served.client.forges()[0].error
    forge.shows_pulls = True
    settled(served, "leftout")
    (review,) = served.client.reviews(AppName("leftout"))
    assert review.leaving == "" and served.client.forges()[0].error == ""


def test_a_token_that_may_not_see_pull_requests_is_told_only_where_somebody_wants_them(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    forge.shows_pulls = False
    add("blind")
    first = origin.commit("second")
    assert told(served, "blind") == 202
    ended(forge, first)
    assert served.client.forges()[0].error == ""
    commit = origin.commit("now we want them", mooring_toml=WANTED)
    assert told(served, "blind") == 202
    ended(forge, commit)
    settled(served, "blind")
    assert "/pulls?state=open" in served.client.forges()[0].error


def test_a_comment_whose_answer_was_lost_is_not_posted_twice(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add("lost")
    origin.git("switch", "-qc", "one")
    offered(forge, ForgeKind.GITHUB, branch="one", head=origin.commit("one"))
    forge.forgets_answer = True
    assert told(served, "lost") == 202
    forge.wait(lambda: forge.ours(2))
    mark = served.world.memory.forge_pulls(AppName("lost"))[0].mark
    forge.comments[2].append({"id": 1, "body": f"a copy of it <!-- {mark} -->"})
    settled(served, "lost")
    kept = forge.wait(lambda: [each for each in served.world.memory.forge_pulls(AppName("lost")) if each.comment])[0]
    assert int(kept.comment) == forge.comments[2][0]["id"]
    assert [body.startswith("a copy") for body in forge.ours(2)] == [False, True]


def test_of_closed_pull_requests_the_newest_hundred_are_remembered_and_none_is_asked_about(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add("many")
    for number in range(200, 320):
        served.world.memory.save_forge_pull(msgspec.structs.replace(a_pull(number), app=AppName("many"), is_closed=True, comment="900"))
    origin.git("switch", "-qc", "one")
    offered(forge, ForgeKind.GITHUB, branch="one", head=origin.commit("one"))
    assert told(served, "many") == 202
    forge.wait(lambda: forge.ours(2))
    closed(forge)
    assert told(served, "many", action="closed") == 202
    forge.wait(lambda: [each.number for each in served.world.memory.forge_pulls(AppName("many"))] == list(range(220, 320)))
    settled(served, "many")
    assert served.client.forges()[0].error == "", "200 and those after it are not there, so to ask about them would be an error"


def test_two_pull_requests_of_a_branch_share_its_app_until_both_are_closed(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add("shared")
    origin.git("switch", "-qc", "one")
    head = origin.commit("one")
    for number in (2, 3):
        forge.pulls[number] = listed_pull(number, branch="one", head=head)
    environment = review_environment(AppName("shared"), "one")
    assert told(served, "shared") == 202
    forge.wait(lambda: forge.ours(2) and forge.ours(3))
    assert len(deployments(served.client, "shared", environment=environment.environment)) == 1
    closed(forge)
    settled(served, "shared")
    assert [each.leaving for each in served.client.reviews(AppName("shared"))] == [""]
    forge.pulls[3]["state"] = "closed"
    assert told(served, "shared") == 202
    gone(served, forge, environment)
    forge.wait(lambda: "is gone" in forge.ours(3)[0])


def test_a_commit_whose_check_failed_is_told_in_the_comment_and_not_deployed(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    origin.commit("review apps for pull requests", mooring_toml=f'requires_checks = ["test"]\n{WANTED}')
    add("failing")
    forge.answers["/status"] = {"statuses": [{"context": "test", "state": "failure"}]}
    forge.answers["/check-runs"] = {"check_runs": []}
    origin.git("switch", "-qc", "one")
    head = origin.commit("one")
    offered(forge, ForgeKind.GITHUB, branch="one", head=head)
    assert told(served, "failing") == 202
    forge.wait(lambda: forge.ours(2))
    assert forge.ours(2)[0].startswith(f"`{head[:7]}` does not serve: `not deployed: the check test failed`")
    assert served.client.reviews(AppName("failing")) == ()


def settled(served: Served, app: str) -> None:
    """Looked at from here on, to the end: the first look to end may have begun before."""
    platform = served.services.platform
    (link,) = (each for each in platform.memory.forges() if each.app == app)
    deadline = time.monotonic() + 60
    for _ in range(2):
        since = platform.clock.monotonic()
        served.client.check_forge(app)
        while (age := platform.forges.status(link).age) is None or platform.clock.monotonic() - age <= since:
            assert time.monotonic() < deadline
            time.sleep(0.02)
