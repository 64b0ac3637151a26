"""A stranger's pull request is let in for the commit that its label was given for, whatever is pushed before, meanwhile and after.

Alike where the forge calls and where it is only looked at: what a message says is not used. Its answers are as the forges document them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forge.origin import Origin
from forge.server import SECRET, TOKEN, FakeForge, remembered
from server.forged import NEVER, Add
from server.serving import Served, serving
from server.test_pulls import KINDS, WANTED, gone, offered, settled, told

from mooring.client.pushed import rules_at
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind
from mooring.model.names import AppName
from mooring.model.review import review_environment
from mooring.server import pulls
from mooring.usecases.requests import ForgeRequest

LABEL = "deploy-preview"


def at(minutes: float) -> str:
    """As a forge writes it."""
    return f"2026-11-21T11:{int(minutes):02}:{int(minutes % 1 * 60):02}Z"


class Pulled:
    """Pull request 2 of a stranger's, as one kind of forge has it."""

    def __init__(self, served: Served, forge: FakeForge, origin: Origin, app: str, kind: ForgeKind) -> None:
        self.served, self.forge, self.origin, self.app, self.kind = served, forge, origin, app, kind
        self.environment = review_environment(AppName(app), "pull-2:main")
        self.pushes: list[tuple[str, str]] = []
        self.labels: list[str] = []

    def push(self, minutes: float, *, commit: str = "") -> str:
        """Their next commit, or one that was there before."""
        if not commit:
            self.origin.git("switch", "-q", "--orphan", f"theirs-{len(self.pushes)}")
            commit = self.origin.commit(f"theirs at {minutes}", VERSION=f"{minutes}\n")
            self.origin.git("switch", "-q", "main")
            self.origin.git("branch", "-qD", f"theirs-{len(self.pushes)}")
        ref = "refs/merge-requests/2/head" if self.kind is ForgeKind.GITLAB else "refs/pull/2/head"
        self.origin.git("update-ref", ref, commit)
        self.pushes.append((commit, at(minutes)))
        return commit

    def label(self, minutes: float) -> None:
        self.labels.append(at(minutes))

    def look(self, *, is_labelled: bool = True, is_heard: bool = False, instead: dict[str, Any] | None = None) -> None:
        """At all that has happened. `instead`: what the forge answers, by the end of the path."""
        head = self.pushes[-1][0]
        made = {} if self.kind is ForgeKind.GITLAB else {"at": self.pushes[0][1]}
        labels = [LABEL, "bug"] if is_labelled else ["bug"]
        offered(self.forge, self.kind, branch="main", head=head, is_strangers=True, labels=labels, **made)
        known = remembered(self.kind.value, pushed=self.pushes, labelled=self.labels)
        self.forge.answers |= {place: (instead or {}).get(f"/{place.rpartition('/')[2]}", answer) for place, answer in known.items()}
        if is_heard:
            assert told(self.served, self.app, self.kind) == 202
        settled(self.served, self.app)

    def runs(self, commit: str) -> bool:
        """Once it does."""
        memory = self.served.world.memory
        return bool(self.forge.wait(lambda: not memory.unfinished_deployments() and self._newest() == commit))

    def still_runs(self, commit: str) -> bool:
        """With nothing on its way that would change it."""
        return not self.served.world.memory.unfinished_deployments() and self._newest() == commit

    def _newest(self) -> str:
        if self.served.world.memory.environment(self.environment) is None:
            return ""
        return next((each.source.commit for each in self.served.client.releases(self.environment)), "")

    def has_nothing(self) -> bool:
        return self.served.world.memory.environment(self.environment) is None


Make = Callable[[str, ForgeKind], Pulled]


@pytest.fixture
def pulled(served: Served, forge: FakeForge, origin: Origin, add: Add) -> Make:
    def made(app: str, kind: ForgeKind) -> Pulled:
        forge.answers["/projects/acme/shop"] = {"path_with_namespace": "acme/shop"}
        origin.commit("review apps for pull requests", mooring_toml=WANTED)
        add(app, kind=kind)
        return Pulled(served, forge, origin, app, kind)

    return made


@pytest.mark.parametrize("is_heard", [True, False], ids=["called", "looked-at"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_a_later_commit_of_a_strangers_needs_the_label_again(pulled: Make, kind: ForgeKind, is_heard: bool) -> None:
    pull = pulled(f"later{kind.value}{is_heard}".lower(), kind)
    first = pull.push(0)
    pull.label(5)
    pull.look(is_heard=is_heard)
    assert pull.runs(first)

    second = pull.push(10)
    pull.look(is_heard=is_heard)
    comment = pull.forge.wait(lambda: [each for each in pull.forge.ours(2) if f"`{second[:7]}` is not built" in each])[0]
    assert f"take `{LABEL}` off and give it again" in comment and "What was there before serves: http" in comment
    assert pull.still_runs(first)

    pull.label(15)
    pull.look(is_heard=is_heard)
    assert pull.runs(second)
    pull.forge.wait(lambda: pull.forge.ours(2)[0].startswith("The review app of this pull request: http"))
    assert len(pull.forge.ours(2)) == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_what_is_pushed_between_the_label_and_our_look_does_not_get_in(pulled: Make, kind: ForgeKind) -> None:
    """Nor what was pushed right before the label, when nobody can have seen it; and both are said."""
    pull = pulled(f"raced{kind.value}", kind)
    pull.push(0)
    pull.label(5)
    evil = pull.push(5.1)
    pull.look(is_heard=True)
    assert pull.has_nothing()
    pull.forge.wait(lambda: f"`{evil[:7]}` is not built: the label `{LABEL}` was not given for it" in "".join(pull.forge.ours(2)))

    hasty = pull.push(10)
    pull.label(10.3)
    pull.look()
    assert pull.has_nothing()
    pull.label(10.6)
    pull.look()
    assert pull.runs(hasty), "half a minute later it was there to be seen"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_a_commit_that_comes_back_after_the_label_was_given_for_another_does_not_get_in(pulled: Make, kind: ForgeKind) -> None:
    """It was seen without a label before, and is the head again when it is looked at: only the forge's memory tells."""
    pull = pulled(f"back{kind.value}", kind)
    evil = pull.push(0)
    pull.look(is_labelled=False)
    pull.push(2)
    pull.label(5)
    pull.push(6, commit=evil)
    pull.look()
    assert pull.has_nothing()


def test_what_goes_back_to_the_commit_that_was_let_in_is_as_it_was(pulled: Make) -> None:
    pull = pulled("returned", ForgeKind.GITHUB)
    first = pull.push(0)
    pull.label(5)
    pull.look()
    assert pull.runs(first)
    pull.push(10)
    pull.look()
    pull.forge.wait(lambda: "is not built" in pull.forge.ours(2)[0])
    pull.push(12, commit=first)
    pull.look()
    pull.forge.wait(lambda: pull.forge.ours(2)[0].startswith("The review app of this pull request: http"))
    assert pull.still_runs(first) and len(pull.served.client.releases(pull.environment)) == 1


def test_of_a_commit_that_is_not_let_in_no_rules_are_read_however_often_it_is_looked_at(
    pulled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def rules(repository: Path, commit: str, *, environment: EnvironmentId, branch: str) -> dict[str, bytes | None]:
        read.append(branch)
        return rules_at(repository, commit, environment=environment, branch=branch)

    monkeypatch.setattr(pulls, "rules_at", rules)
    pull = pulled("unread", ForgeKind.GITHUB)
    first = pull.push(0)
    for _ in range(3):
        pull.look()
    assert (pull.has_nothing(), read) == (True, [])
    pull.label(5)
    pull.look()
    assert pull.runs(first)
    assert set(read) == {"pull-2:main"}


def test_a_label_taken_away_and_given_again_brings_it_back_under_the_same_comment(pulled: Make) -> None:
    pull = pulled("again", ForgeKind.GITHUB)
    first = pull.push(0)
    pull.label(5)
    pull.look()
    assert pull.runs(first)
    pull.look(is_labelled=False)
    gone(pull.served, pull.forge, pull.environment)
    pull.forge.wait(lambda: "is gone" in pull.forge.ours(2)[0])
    pull.label(20)
    pull.look()
    assert pull.runs(first)
    pull.forge.wait(lambda: pull.forge.ours(2)[0].startswith("The review app of this pull request: http"))
    assert len(pull.forge.ours(2)) == 1


LOST = [(ForgeKind.GITHUB, "/activity"), (ForgeKind.GITLAB, "/versions")]


@pytest.mark.parametrize(("kind", "lost"), LOST, ids=lambda each: str(each).removeprefix("/"))
def test_where_the_forge_does_not_remember_when_it_was_pushed_nothing_gets_in(pulled: Make, kind: ForgeKind, lost: str) -> None:
    pull = pulled(f"blank{kind.value}", kind)
    commit = pull.push(0)
    pull.label(5)
    for rows in ([], [{"id": 1}], [{"id": 1, "after": commit, "head_commit_sha": commit, "timestamp": None, "created_at": "soon"}]):
        pull.look(instead={lost: rows})
        pull.forge.wait(lambda: f"`{commit[:7]}` is not built" in "".join(pull.forge.ours(2)))
        assert pull.has_nothing()
    pull.look()
    assert pull.runs(commit)


def test_a_commit_that_has_just_become_known_waits_until_the_forge_has_remembered_its_push(
    tmp_path: Path, forge: FakeForge, origin: Origin
) -> None:
    """Gitea gives a pull request its new head before the entry of its timeline: until then it looks as if nothing was pushed."""
    state = tmp_path / "state"
    state.mkdir()
    with serving(state, settled=3600.0) as served:
        origin.commit("review apps for pull requests", mooring_toml=WANTED)
        given = {"kind": ForgeKind.GITEA, "token": TOKEN, "hook_secret": SECRET, "every": NEVER}
        served.client.add_forge(ForgeRequest(app="fresh", repository="acme/shop", url=forge.url, clone=origin.url, **given))
        pull = Pulled(served, forge, origin, "fresh", ForgeKind.GITEA)
        pull.push(0)
        pull.label(5)
        pull.look()
        pull.look()
        assert pull.has_nothing() and served.world.memory.forge_pulls(AppName("fresh")) == ()
        assert served.client.forges()[0].error == ""
