"""Forges through the API: added, heard, looked at, told how it ended. Git and HTTP are real; the forge is a server of the tests' own."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forge.origin import Origin
from forge.server import (
    SECRET,
    TOKEN,
    FakeForge,
    encoded,
    gitea_headers,
    gitea_push,
    github_headers,
    github_push,
    gitlab_push,
    listed_pull,
    pull_request,
)
from server.forged import NEVER, Add, asked_for, deployments, ended, heard
from server.serving import TREE, Served, serving, started
from server.test_pulls import settled

from mooring.client.source import Package, pack_pushed
from mooring.errors import InvalidInput, NotFound, Unavailable
from mooring.model.access import Role
from mooring.model.deployment import Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind
from mooring.model.names import AppName
from mooring.model.review import review_environment
from mooring.server import forge_errands
from mooring.usecases.requests import ForgeRequest
from mooring.usecases.traces import last_traces

DAY = 86_400.0


def test_a_push_is_deployed_and_the_forge_is_told_of_its_beginning_and_its_end(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("told")
    commit = origin.commit("second")
    answer = heard(served, "told", github_push(at=time.time()))
    assert (answer.status_code, answer.json()) == (202, {"event": {"event": "pushed", "branch": "main"}})
    last = ended(forge, commit)
    assert (last["state"], last["description"].partition(";")[0]) == ("success", "serves")
    assert last["target_url"].startswith("http")
    assert [each["state"] for each in forge.statuses(commit)] == ["pending", "success"]
    made = deployments(served.client, "told")
    assert [each.requested_by for each in made] == ["forge github"]
    assert served.client.releases(EnvironmentId.parse("told"))[0].source.commit == commit
    assert served.client.releases(EnvironmentId.parse("told"))[0].source.branch == "main"
    audit = [(entry.who, entry.what) for entry in served.world.memory.audit(limit=4)]
    assert ("forge github", "forge hook") in audit and ("forge github", "deploy") in audit


def test_what_was_there_before_the_forge_was_added_is_not_deployed(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("before")
    first = origin.git("rev-parse", "HEAD")
    assert heard(served, "before", github_push(at=time.time())).status_code == 202
    commit = origin.commit("second")
    assert heard(served, "before", github_push(at=time.time() - 1)).status_code == 202
    ended(forge, commit)
    assert len(deployments(served.client, "before")) == 1
    assert forge.statuses(first) == []


def test_messages_that_arrive_late_or_twice_end_at_the_newest_commit(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    """A hundred messages about older commits, after the newest was pushed: one look finds the newest, and deploys it once."""
    add("burst")
    commits = [origin.commit(f"number {number}") for number in range(4)]
    with served.http as http:
        for number in range(100):
            body = github_push(after=commits[number % 3], at=time.time() - number)
            assert http.post("/v1/forges/burst/hook", content=body, headers=github_headers("push", body)).status_code == 202
    ended(forge, commits[-1])
    made = deployments(served.client, "burst")
    assert len(made) == 1
    assert served.client.releases(EnvironmentId.parse("burst"))[0].source.commit == commits[-1]
    assert all(forge.statuses(commit) == [] for commit in commits[:-1])


def test_none_of_a_thousand_forged_and_replayed_messages_is_accepted(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("forged")
    push, pulled = github_push(at=time.time()), encoded(pull_request(at=a_moment(0)))
    for genuine, event in ((push, "push"), (pulled, "pull_request")):
        assert heard(served, "forged", genuine, event=event).status_code == 202
    forge.pulls[2] = listed_pull(2, branch="changes", head=origin.git("rev-parse", "HEAD"), fork="stranger/shop", labels=["deploy-preview"])
    codes: dict[int, int] = {}
    with served.http as http:
        for number in range(1000):
            body, headers = forged_push(push, number) if number % 2 else forged_pull(pulled, number)
            code = http.post("/v1/forges/forged/hook", content=body, headers=headers).status_code
            codes[code] = codes.get(code, 0) + 1
    assert codes == {401: 1000}
    assert forge.posted == []


@pytest.mark.parametrize("kind", [ForgeKind.GITLAB, ForgeKind.GITEA])
def test_nor_of_a_thousand_of_each_other_forge(kind: ForgeKind, served: Served, forge: FakeForge, add: Add) -> None:
    app = f"forged-{kind.value}"
    forge.answers["/projects/acme/shop"] = {"permissions": {"project_access": {"access_level": 40}}}
    forge.answers["/api/v1/repos/acme/shop"] = {"full_name": "acme/shop", "permissions": {"push": True}}
    add(app, kind=kind)
    genuine = gitlab_push() if kind is ForgeKind.GITLAB else gitea_push()
    codes: dict[int, int] = {}
    with served.http as http:
        assert http.post(f"/v1/forges/{app}/hook", content=genuine, headers=believed(kind, genuine)).status_code == 202
        for number in range(1000):
            fresh = genuine.replace(b"heads/", b"heads/b%d-" % number)
            match number % 4:
                case 0:  # sent again
                    body, headers = genuine, believed(kind, genuine)
                case 1:  # of another secret
                    body, headers = fresh, believed(kind, fresh, f"guess number {number}")
                case 2:  # without one, or with one cut short
                    body, headers = fresh, believed(kind, fresh, SECRET[: number % len(SECRET)])
                case _:  # as another forge does it
                    body, headers = fresh, github_headers("push", fresh)
            code = http.post(f"/v1/forges/{app}/hook", content=body, headers=headers).status_code
            codes[code] = codes.get(code, 0) + 1
    assert codes == {401: 1000}


def believed(kind: ForgeKind, body: bytes, secret: str = SECRET) -> dict[str, str]:
    if kind is ForgeKind.GITLAB:
        return {"x-gitlab-event": "Push Hook", "x-gitlab-token": secret}
    return gitea_headers("push", body, secret)


def forged_push(genuine: bytes, number: int) -> tuple[bytes, dict[str, str]]:
    match number // 2 % 5:
        case 0:  # sent again, as another delivery
            return genuine, {**github_headers("push", genuine), "x-github-delivery": f"{number}"}
        case 1:  # sent again, as another event
            return genuine, {**github_headers("push", genuine), "x-github-event": "pull_request"}
        case 2:  # of another secret
            body = github_push(at=time.time() - number)
            return body, github_headers("push", body, f"guess number {number}")
        case 3:  # without a signature
            return genuine, {"x-github-event": "push"}
    body = github_push(at=time.time() - 2 * DAY)  # kept back for days
    return body, github_headers("push", body)


def forged_pull(genuine: bytes, number: int) -> tuple[bytes, dict[str, str]]:
    """One that would have a stranger's code deployed."""
    body = encoded(pull_request(action="labeled", at=a_moment(0), branch=f"b{number}"))
    match number // 2 % 5:
        case 0:  # sent again, as another delivery
            return genuine, {**github_headers("pull_request", genuine), "x-github-delivery": f"{number}"}
        case 1:  # of another secret
            return body, github_headers("pull_request", body, f"guess number {number}")
        case 2:  # signed, and changed on its way
            return body.replace(b"labeled", b"closed_"), github_headers("pull_request", body)
        case 3:  # without a signature
            return body, {"x-github-event": "pull_request"}
    body = encoded(pull_request(at=a_moment(2), branch=f"b{number}"))  # kept back for days
    return body, github_headers("pull_request", body)


def a_moment(days_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days_ago * DAY))


def test_a_message_for_an_app_without_a_hook_is_refused_like_a_forged_one(served: Served, add: Add) -> None:
    add("silent", hook_secret="")
    body = github_push(at=time.time())
    refused = [heard(served, app, body) for app in ("silent", "nobody")]
    assert [each.status_code for each in refused] == [401, 401]
    assert refused[0].json()["detail"] == refused[1].json()["detail"]
    assert heard(served, "silent", body, secret="").status_code == 401


def test_a_message_that_is_too_large_is_refused_before_it_is_read(served: Served, add: Add) -> None:
    add("large")
    body = encoded({"repository": {"full_name": "acme/shop"}, "padding": "x" * 1_100_000})
    assert heard(served, "large", body).status_code == 413


def test_without_a_hook_the_repository_is_looked_at_in_its_time(served: Served, forge: FakeForge, origin: Origin) -> None:
    served.client.add_forge(ForgeRequest(app="polled", kind=ForgeKind.GIT, repository=origin.url, every=5.0))
    try:
        commit = origin.commit("second")
        served.client.check_forge("polled")  # and looks now
        deadline = time.monotonic() + 60
        while not (made := deployments(served.client, "polled")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert served.ended(made[0].id).outcome is not None
        assert served.client.releases(EnvironmentId.parse("polled"))[0].source.commit == commit
        status = next(each for each in served.client.forges() if each.link.app == "polled")
        assert (status.error, status.link.has_hook) == ("", False)
    finally:
        served.client.remove_forge("polled")
    with pytest.raises(NotFound):
        served.client.check_forge("polled")


def test_branches_deploy_what_their_manifest_says_production_last(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("lanes")
    commit = origin.commit("staging first", mooring_toml='[environments.staging]\nbranch = "main"\n')
    assert heard(served, "lanes", github_push(at=time.time())).status_code == 202
    ended(forge, commit)
    order = [each["context"] for each in forge.statuses(commit) if each["state"] == "success"]
    assert order == ["mooring/staging", "mooring/production"]
    origin.git("switch", "-qc", "idea")
    idea = origin.commit("an idea")
    assert heard(served, "lanes", github_push(branch="idea", at=time.time())).status_code == 202
    origin.git("switch", "-q", "main")
    newest = origin.commit("third")
    assert heard(served, "lanes", github_push(at=time.time())).status_code == 202
    ended(forge, newest)
    assert forge.statuses(idea) == []


def test_a_commit_waits_for_its_checks_and_is_not_deployed_when_one_fails(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("checked")
    forge.answers["/status"] = {"statuses": []}
    forge.answers["/check-runs"] = {"check_runs": [{"name": "test", "status": "in_progress"}]}
    commit = origin.commit("needs tests", mooring_toml='requires_checks = ["test"]\n')
    assert heard(served, "checked", github_push(at=time.time())).status_code == 202
    served.client.check_forge("checked")
    assert deployments(served.client, "checked") == []
    forge.answers["/check-runs"] = {"check_runs": [{"name": "test", "status": "completed", "conclusion": "success"}]}
    told = encoded({"action": "completed", "repository": {"full_name": "acme/shop"}})
    assert heard(served, "checked", told, event="check_run").status_code == 202
    assert ended(forge, commit)["state"] == "success"
    forge.answers["/check-runs"] = {"check_runs": [{"name": "test", "status": "completed", "conclusion": "failure"}]}
    failed = origin.commit("breaks the tests")
    assert heard(served, "checked", github_push(at=time.time())).status_code == 202
    last = ended(forge, failed)
    assert (last["state"], last["description"]) == ("failure", "not deployed: the check test failed")
    assert len(deployments(served.client, "checked")) == 1


def test_a_branch_that_cannot_be_deployed_keeps_no_other_from_it(served: Served, origin: Origin) -> None:
    served.client.add_forge(ForgeRequest(app="apart", kind=ForgeKind.GIT, repository=origin.url, every=NEVER))
    try:
        origin.git("switch", "-qc", "a-first")
        origin.commit("waits for what there is not", mooring_toml='requires_checks = ["test"]\n[environments.dev]\nbranch = "a-first"\n')
        origin.git("switch", "-q", "main")
        commit = origin.commit("second")
        served.client.check_forge("apart")  # and looks now
        deadline = time.monotonic() + 60
        while not (made := deployments(served.client, "apart")) or not served.client.forges()[0].error:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        served.ended(made[0].id)
        assert served.client.releases(EnvironmentId.parse("apart"))[0].source.commit == commit
        assert "a plain repository has no checks" in served.client.forges()[0].error
    finally:
        served.client.remove_forge("apart")


def test_a_manifest_that_makes_no_sense_is_told_to_the_forge(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("muddled")
    commit = origin.commit("a slip", mooring_toml="branch = 3\n")
    assert heard(served, "muddled", github_push(at=time.time())).status_code == 202
    assert "mooring.toml" in ended(forge, commit)["description"]
    assert deployments(served.client, "muddled") == []


def test_a_forge_that_does_not_answer_keeps_nothing_from_being_deployed(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("deaf")
    forge.fails = 2
    commit = origin.commit("second")
    assert heard(served, "deaf", github_push(at=time.time())).status_code == 202
    assert ended(forge, commit)["state"] == "success"


def test_what_is_wrong_is_said_before_anything_is_kept(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    with pytest.raises(InvalidInput, match="fewer than 16 characters"):
        add("wrong", hook_secret="short")
    with pytest.raises(InvalidInput, match="needs a token"):
        add("wrong", token="")
    with pytest.raises(InvalidInput, match="answered with 404"):
        forge.answers.clear()
        add("wrong")
    with pytest.raises(Unavailable, match="git could not read"):
        served.client.add_forge(ForgeRequest(app="wrong", kind=ForgeKind.GIT, repository="file:///nowhere/at/all.git"))
    for url in ("ext::sh -c id", "/etc", "https://user:pw@example.com/x.git"):
        with pytest.raises(InvalidInput):
            served.client.add_forge(ForgeRequest(app="wrong", kind=ForgeKind.GIT, repository=url))
    assert served.client.forges() == ()


def test_secrets_are_sealed_and_shown_nowhere(served: Served, add: Add) -> None:
    add("sealed")
    with served.http as http:
        assert TOKEN not in http.get("/v1/forges").text
    memory = served.world.memory
    assert memory.forge_secrets(memory.forges()[0].app).hook.reveal() == SECRET
    kept = [path.read_bytes() for path in served.world.state.glob("mooring.db*")]
    assert not any(TOKEN.encode() in content or SECRET.encode() in content for content in kept)
    assert memory.rotate_key() >= 1
    memory.check_keys()
    assert memory.forge_secrets(memory.forges()[0].app).token.reveal() == TOKEN


def test_only_an_admin_points_the_platform_at_an_address(served: Served, forge: FakeForge) -> None:
    with served.tcp(served.token(Role.DEPLOYER)) as http:
        answer = http.post("/v1/forges", json={"app": "x", "kind": "github", "repository": "a/b", "url": forge.url, "token": "t"})
    assert answer.status_code == 403
    assert forge.headers == []


def test_a_branch_that_asks_for_it_has_a_review_app_until_it_is_gone(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("seen")
    origin.commit("with review apps", mooring_toml='[review]\nbranches = ["deploy-*"]\n')
    origin.git("switch", "-qc", "deploy-checkout")
    commit = origin.commit("a new checkout")
    environment = review_environment(AppName("seen"), "deploy-checkout")
    assert heard(served, "seen", github_push(branch="deploy-checkout", at=time.time())).status_code == 202
    told = ended(forge, commit, name=f"mooring/{environment.environment}")
    assert told["state"] == "success", told
    assert [each.branch for each in served.client.reviews(AppName("seen"))] == ["deploy-checkout"]
    newer = origin.commit("and newer")
    assert heard(served, "seen", github_push(branch="deploy-checkout", after=newer, at=time.time())).status_code == 202
    assert ended(forge, newer, name=f"mooring/{environment.environment}")["state"] == "success"
    origin.git("switch", "-q", "main")
    origin.git("branch", "-qD", "deploy-checkout")
    assert heard(served, "seen", github_push(branch="deploy-checkout", after="0" * 40, at=time.time())).status_code == 202
    forge.wait(lambda: served.world.memory.environment(environment) is None)
    assert served.client.reviews(AppName("seen")) == ()
    listing = last_traces(served.services.platform, environment)
    assert {trace.kind for trace in listing} >= {"instance", "route", "volume", "log"} and all(trace.is_in_order for trace in listing)
    assert served.world.memory.environment(EnvironmentId.parse("seen/production")) is not None


def reviewed(served: Served, forge: FakeForge, origin: Origin, app: str, branch: str, **files: str) -> tuple[EnvironmentId, str]:
    """A branch that is pushed, with a review app of its own that serves; and its commit."""
    commit = pushed_branch(origin, branch, **files)
    environment = review_environment(AppName(app), branch)
    assert heard(served, app, github_push(branch=branch, after=commit, at=time.time())).status_code == 202
    assert ended(forge, commit, name=f"mooring/{environment.environment}")["state"] == "success"
    return environment, commit


def pushed_branch(origin: Origin, branch: str, **files: str) -> str:
    """Made of main; its commit."""
    origin.git("switch", "-q", "main")
    origin.git("switch", "-qC", branch)
    return origin.commit(f"on {branch}", mooring_toml='[review]\nbranches = ["*"]\n', **files)


def remove_branch(served: Served, origin: Origin, app: str, branch: str) -> None:
    origin.git("switch", "-q", "main")
    origin.git("branch", "-qD", branch)
    assert heard(served, app, github_push(branch=branch, after="0" * 40, at=time.time())).status_code == 202


def test_a_commit_that_was_lost_before_it_began_is_taken_up_by_the_next_look(
    served: Served, forge: FakeForge, origin: Origin, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a controller that dies over it."""
    add("lost")
    died = threading.Event()

    def dies(*_: object, **__: object) -> Package:
        died.set()
        raise RuntimeError("the controller died")

    monkeypatch.setattr(forge_errands, "pack_pushed", dies)
    commit = pushed_branch(origin, "topic")
    assert heard(served, "lost", github_push(branch="topic", after=commit, at=time.time())).status_code == 202
    assert died.wait(30)
    monkeypatch.undo()
    environment = review_environment(AppName("lost"), "topic")
    assert heard(served, "lost", github_push(branch="topic", after=commit, at=time.time() + 1)).status_code == 202
    assert ended(forge, commit, name=f"mooring/{environment.environment}")["state"] == "success"


def test_a_commit_whose_deployment_is_on_record_already_is_not_deployed_again(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    """A controller died when it had begun, and before it was seen to have."""
    add("twice")
    commit = origin.commit("second")
    heard(served, "twice", github_push(after=commit, at=time.time()))
    assert ended(forge, commit)["state"] == "success"
    served.world.memory.save_forge_head(AppName("twice"), "main", "-")
    before = len(forge.statuses(commit))
    heard(served, "twice", github_push(after=commit, at=time.time() + 1))
    forge.wait(lambda: [each["state"] for each in forge.statuses(commit)[before:]] == ["pending", "success"])
    assert len(deployments(served.client, "twice")) == 1


def test_a_branch_removed_while_its_commit_is_about_to_begin_leaves_no_review_app(
    served: Served, forge: FakeForge, origin: Origin, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("fleeting")
    reached, gate = threading.Event(), threading.Event()

    def waits(*words: Any, **options: Any) -> Package:
        reached.set()
        assert gate.wait(30)
        return pack_pushed(*words, **options)

    monkeypatch.setattr(forge_errands, "pack_pushed", waits)
    commit = pushed_branch(origin, "topic")
    heard(served, "fleeting", github_push(branch="topic", after=commit, at=time.time()))
    assert reached.wait(30)
    remove_branch(served, origin, "fleeting", "topic")
    gate.set()
    memory = served.world.memory
    environment = review_environment(AppName("fleeting"), "topic")
    forge.wait(lambda: {each.trigger for each in memory.deployments(environment)} >= {Trigger.DEPLOY, Trigger.DESTROY})
    forge.wait(lambda: memory.environment(environment) is None)
    forge.wait(lambda: "topic" not in memory.forge_heads(AppName("fleeting")))


def test_a_branch_removed_while_it_waits_for_its_checks_leaves_nothing_in_the_repository_it_was_fetched_into(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("patient")
    origin.git("switch", "-qc", "topic")
    forge.answers["/check-runs"] = {"check_runs": []}
    commit = origin.commit("on topic", mooring_toml='requires_checks = ["test"]\n[review]\nbranches = ["*"]\n')
    kept = served.world.state / "forges" / "patient.git" / "refs" / "forge" / "topic"
    heard(served, "patient", github_push(branch="topic", after=commit, at=time.time()))
    forge.wait(kept.exists)
    remove_branch(served, origin, "patient", "topic")
    forge.wait(lambda: not kept.exists())


def test_a_branch_made_anew_while_its_review_app_is_torn_down_has_one_again(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("anew")
    environment, _ = reviewed(served, forge, origin, "anew", "topic")
    served.client.lock(environment)  # what is locked cannot be torn down
    remove_branch(served, origin, "anew", "topic")
    forge.wait(lambda: served.client.reviews(AppName("anew"))[0].leaving)
    commit = pushed_branch(origin, "topic", VERSION="2\n")
    heard(served, "anew", github_push(branch="topic", after=commit, at=time.time()))
    served.client.unlock(environment)
    forge.wait(lambda: served.world.memory.environment(environment) is None)
    heard(served, "anew", github_push(branch="topic", after=commit, at=time.time() + 1))
    assert ended(forge, commit, name=f"mooring/{environment.environment}")["state"] == "success"
    assert [(each.head, each.leaving) for each in served.client.reviews(AppName("anew"))] == [(commit, "")]


def test_once_a_day_what_no_branch_has_any_more_is_given_back(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("tidy")
    origin.git("switch", "-qc", "idea")
    gone = origin.commit("an idea")
    assert heard(served, "tidy", github_push(branch="idea", after=gone, at=time.time())).status_code == 202
    repository = served.world.state / "forges" / "tidy.git"
    forge.wait(lambda: "idea" in served.world.memory.forge_heads(AppName("tidy")) and holds(repository, gone))
    origin.git("switch", "-q", "main")
    origin.git("branch", "-qD", "idea")
    settled(served, "tidy")
    assert holds(repository, gone), "it came just now"
    for each in (repository / "HEAD", *(repository / "objects").rglob("*")):
        os.utime(each, (time.time() - 2 * DAY,) * 2)
    settled(served, "tidy")
    forge.wait(lambda: not holds(repository, gone))
    assert served.client.forges()[0].error == "" and (repository / "tidied").is_file()


def holds(repository: Path, commit: str) -> bool:
    return subprocess.run(["git", f"--git-dir={repository}", "cat-file", "-e", commit], capture_output=True).returncode == 0


def test_a_branch_may_be_named_below_one_that_is_gone_and_above_too(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("nested")
    previous = ""
    for branch in ("team", "team/one", "team"):
        if previous:
            remove_branch(served, origin, "nested", previous)
        _, commit = reviewed(served, forge, origin, "nested", branch, VERSION=f"{branch} after {previous}\n")
        assert [(each.branch, each.head) for each in served.client.reviews(AppName("nested")) if not each.leaving] == [(branch, commit)]
        previous = branch


def test_a_controller_that_starts_again_tells_the_end_of_what_an_earlier_one_began(tmp_path: Path, forge: FakeForge) -> None:
    (tmp_path / "state").mkdir()
    origin = Origin(tmp_path / "origin")
    with serving(tmp_path / "state") as here:
        here.client.add_forge(asked_for("again", forge, origin))
        here.world.workshop.tree = msgspec.structs.replace(TREE, build_seconds=3600.0)
        commit = origin.commit("second")
        assert heard(here, "again", github_push(at=time.time())).status_code == 202
        forge.wait(lambda: here.world.memory.forge_watches() and here.world.memory.forge_watches()[0].handle)
        here.stop()
        here.world.workshop.tree = TREE
        later = started(here.world)
        try:
            assert ended(forge, commit)["state"] == "success"
        finally:
            later.stop()
