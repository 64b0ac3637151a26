"""What a forge shows of environments from their beginning to their end: one address while there is one, and none that leads nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from forge.origin import Origin
from forge.server import FakeForge, listed_pull
from server.forged import Add, asked_for, ended
from server.serving import Served, serving, started
from server.test_pulls import settled

from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind
from mooring.model.names import AppName
from mooring.model.review import review_environment

KINDS = [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA]
WANTED = '[review]\nbranches = ["topic"]\n'


def reviewed(served: Served, forge: FakeForge, origin: Origin, app: str, *, of: int = 1, **files: str) -> tuple[EnvironmentId, str]:
    """The branch `topic`, pushed, and its review app served and told of; its commit."""
    origin.git("switch", "-qC", "topic")
    commit = origin.commit(f"number {of}", mooring_toml=WANTED, **files)
    environment = review_environment(AppName(app), "topic")
    served.client.check_forge(app)
    forge.wait(lambda: [each for each in forge.statuses(commit) if each["state"] == "success"])
    forge.wait(lambda: served.world.memory.forge_watches() == ())
    return environment, commit


def removed(served: Served, origin: Origin, app: str) -> None:
    origin.git("switch", "-q", "main")
    origin.git("branch", "-qD", "topic")
    served.client.check_forge(app)


def shows_nothing(forge: FakeForge, kind: ForgeKind, environment: EnvironmentId, commit: str) -> bool:
    """Whether no address of it is there as one that works."""
    places = [each for each in forge.exhibits.environments.values() if each["name"] == environment.environment]
    is_alive = forge.exhibits.alive(environment.environment) if kind is ForgeKind.GITHUB else [p for p in places if p["state"] != "stopped"]
    return not is_alive and "target_url" not in forge.statuses(commit)[-1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_a_branchs_review_app_has_one_address_at_its_forge_and_none_when_it_is_gone(
    served: Served, forge: FakeForge, origin: Origin, add: Add, kind: ForgeKind
) -> None:
    app = f"ends{kind.value}"
    forge.answers["/projects/acme/shop"] = {"path_with_namespace": "acme/shop"}
    add(app, kind=kind)
    environment, first = reviewed(served, forge, origin, app)
    url = served.client.environment(environment).urls[0]
    _, second = reviewed(served, forge, origin, app, of=2)
    if kind is ForgeKind.GITHUB:
        assert forge.exhibits.alive(environment.environment) == [(second, url)]
    if kind is ForgeKind.GITLAB:
        assert [each["external_url"] for each in forge.exhibits.environments.values()] == [url]
    comments = forge.exhibits.on_commit(first)
    assert [url in each and str(environment) in each for each in comments] == ([] if kind is ForgeKind.GITEA else [True])
    assert forge.exhibits.on_commit(second) == [], "one a branch"

    removed(served, origin, app)
    forge.wait(lambda: served.world.memory.forge_shown(AppName(app)) == {})
    assert served.world.memory.environment(environment) is None
    assert shows_nothing(forge, kind, environment, second)
    assert all("is gone" in each and "gone: instance, " in each and url not in each for each in forge.exhibits.on_commit(first))
    assert served.client.forges()[0].error == ""


def test_one_that_goes_by_anything_else_than_its_branch_is_told_of_at_the_next_look(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("byhand")
    environment, commit = reviewed(served, forge, origin, "byhand")
    served.client.review_down(AppName("byhand"), "topic")
    forge.wait(lambda: served.world.memory.environment(environment) is None)
    assert forge.exhibits.alive(environment.environment)
    settled(served, "byhand")
    assert shows_nothing(forge, ForgeKind.GITHUB, environment, commit)


def test_what_the_forge_could_not_be_told_of_an_end_it_is_told_by_the_next_controller(tmp_path: Path, forge: FakeForge) -> None:
    (tmp_path / "state").mkdir()
    origin = Origin(tmp_path / "origin")
    with serving(tmp_path / "state") as here:
        here.client.add_forge(asked_for("later", forge, origin))
        environment, commit = reviewed(here, forge, origin, "later")
        forge.fails = 1_000_000
        removed(here, origin, "later")
        forge.wait(lambda: here.world.memory.environment(environment) is None)
        forge.wait(lambda: "answered with 502" in here.client.forges()[0].error)
        assert forge.exhibits.alive(environment.environment)
        here.stop()
        forge.fails = 0
        later = started(here.world)
        try:
            forge.wait(lambda: here.world.memory.forge_shown(AppName("later")) == {})
            assert shows_nothing(forge, ForgeKind.GITHUB, environment, commit)
        finally:
            later.stop()


def test_of_productions_deployments_the_newest_alone_is_shown_as_one_that_serves(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    """And one that failed ends nothing: what served before serves."""
    add("newest")
    commits = []
    for number in range(2):
        commits.append(origin.commit(f"number {number}"))
        served.client.check_forge("newest")
        assert ended(forge, commits[-1])["state"] == "success"
    forge.wait(lambda: [commit for commit, _ in forge.exhibits.alive("production")] == commits[1:])
    assert next(iter(forge.exhibits.deployments.values()))["state"] == "inactive"
    broken = origin.commit("a slip", mooring_toml="branch = 3\n")
    served.client.check_forge("newest")
    assert ended(forge, broken)["state"] == "failure"
    settled(served, "newest")
    assert [commit for commit, _ in forge.exhibits.alive("production")] == commits[1:]
    assert forge.exhibits.comments == {}, "a comment is a review app's"


def test_a_branch_whose_pull_request_has_the_comment_has_none_on_its_commit(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("pulled")
    origin.git("switch", "-qC", "topic")
    commit = origin.commit("with a pull request", mooring_toml=WANTED)
    forge.pulls[2] = listed_pull(2, branch="topic", head=commit)
    served.client.check_forge("pulled")
    forge.wait(lambda: forge.ours(2))
    settled(served, "pulled")
    assert forge.exhibits.comments == {}


def test_a_token_that_may_not_comment_on_commits_is_told_once_and_keeps_nothing_from_going_on(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("mute")
    forge.exhibits.takes_comments = False
    environment, _ = reviewed(served, forge, origin, "mute")
    settled(served, "mute")
    settled(served, "mute")
    assert len([path for method, path, _ in forge.posted if method == "POST" and path.endswith("/comments")]) == 1
    assert served.client.forges()[0].error == ""
    said = [each for each in served.world.memory.events() if "the forge of mute takes no comment" in str(each)]
    assert len(said) == 1, said
    assert forge.exhibits.alive(environment.environment)


def test_a_comment_whose_answer_was_lost_is_not_posted_twice(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("lostnote")
    forge.forgets_answer = True
    _, commit = reviewed(served, forge, origin, "lostnote")
    settled(served, "lostnote")
    (shown,) = served.world.memory.forge_shown(AppName("lostnote")).values()
    assert len(forge.exhibits.on_commit(commit)) == 1
    assert shown.comment == str(forge.exhibits.comments[commit][0]["id"])
