"""A commit whose check did not end well is deployed once a re-run of it does, while it is the newest; how that is heard or found out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from forge.origin import Origin
from forge.server import FakeForge, encoded, forge_running, github_push, listed_pull
from server.forged import Add, deployments, ended, heard
from server.serving import Served
from server.test_pulls import settled

from mooring.drivers.forge.github import GitHub
from mooring.model.forge import ForgeLink, ForgeSecrets
from mooring.model.names import AppName
from mooring.model.review import review_environment
from mooring.model.secret import Secret
from mooring.server.rechecks import SELDOM, SOON, UNSEEN, Rechecks
from mooring.store.memory import SqliteMemory
from mooring.testing.clock import VirtualClock
from mooring.testing.samples import a_forge, a_hindered, a_pull

NEEDS = 'requires_checks = ["test"]\n'
SHOP = AppName("shop")


def ran(forge: FakeForge, conclusion: str) -> None:
    """The check `test` has ended so, of every commit; empty: it has not ended."""
    status = {"status": "completed", "conclusion": conclusion} if conclusion else {"status": "in_progress", "conclusion": None}
    forge.answers["/status"] = {"statuses": []}
    forge.answers["/check-runs"] = {"check_runs": [{"id": 1, "name": "test", **status}]}


def refused(forge: FakeForge, commit: str, *, environment: str = "production") -> str:
    """Why it is not deployed."""
    last = ended(forge, commit, name=f"mooring/{environment}")
    assert last["state"] == "failure" and forge.exhibits.deployments == {}, "what never began is no deployment of the forge's"
    return last["description"]


def check_ended(served: Served, app: str, commit: str) -> None:
    """The forge says so."""
    body = encoded(
        {"action": "completed", "check_run": {"id": 1, "head_sha": commit}, "repository": {"full_name": "acme/shop", "at": time.time_ns()}}
    )
    assert heard(served, app, body, event="check_run").status_code == 202


def test_a_re_run_that_turns_green_is_deployed_when_the_forge_says_so(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("rerun")
    ran(forge, "failure")
    commit = origin.commit("flaky", mooring_toml=NEEDS)
    assert heard(served, "rerun", github_push(at=time.time())).status_code == 202
    assert refused(forge, commit) == "not deployed: the check test failed"
    check_ended(served, "rerun", commit)  # once more, and as badly: that is told already
    ran(forge, "")
    check_ended(served, "rerun", commit)
    assert deployments(served.client, "rerun") == [] and len(forge.statuses(commit)) == 1
    ran(forge, "success")
    check_ended(served, "rerun", commit)
    forge.wait(lambda: [each["state"] for each in forge.statuses(commit)] == ["failure", "pending", "success"])
    assert len(deployments(served.client, "rerun")) == 1
    assert served.world.memory.forge_hindered(AppName("rerun")) == ()


def test_a_re_run_is_found_by_whoever_has_the_forge_looked_at(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("asked")
    ran(forge, "cancelled")
    commit = origin.commit("cancelled", mooring_toml=NEEDS)
    served.client.check_forge("asked")
    assert refused(forge, commit) == "not deployed: the check test was cancelled"
    settled(served, "asked")
    assert len(forge.statuses(commit)) == 1
    ran(forge, "action_required")
    settled(served, "asked")
    forge.wait(lambda: forge.statuses(commit)[-1]["description"] == "not deployed: the check test waits for somebody to act")
    ran(forge, "success")
    served.client.check_forge("asked")
    forge.wait(lambda: forge.statuses(commit)[-1]["state"] == "success")


def test_a_re_run_of_a_commit_that_is_no_longer_the_newest_deploys_nothing(
    served: Served, forge: FakeForge, origin: Origin, add: Add
) -> None:
    add("older")
    ran(forge, "failure")
    old = origin.commit("breaks", mooring_toml=NEEDS)
    served.client.check_forge("older")
    refused(forge, old)
    new = origin.commit("breaks too")
    served.client.check_forge("older")
    refused(forge, new)
    check_ended(served, "older", old)
    settled(served, "older")
    assert [(each.commit, each.branch) for each in served.world.memory.forge_hindered(AppName("older"))] == [(new, "main")]
    ran(forge, "success")
    check_ended(served, "older", new)
    forge.wait(lambda: forge.statuses(new)[-1]["state"] == "success")
    assert [each["state"] for each in forge.statuses(old)] == ["failure"]


def test_of_a_review_app_it_is_told_under_its_own_name(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    add("named")
    ran(forge, "failure")
    origin.git("switch", "-qc", "topic")
    commit = origin.commit("breaks", mooring_toml=f'{NEEDS}[review]\nbranches = ["topic"]\n')
    served.client.check_forge("named")
    environment = review_environment(AppName("named"), "topic")
    refused(forge, commit, environment=environment.environment)
    assert len(forge.statuses(commit)) == 1
    origin.git("switch", "-q", "main")
    origin.git("branch", "-qD", "topic")
    settled(served, "named")
    assert served.world.memory.forge_hindered(AppName("named")) == ()


def test_a_pull_requests_commit_is_deployed_when_its_check_turns_green(served: Served, forge: FakeForge, origin: Origin, add: Add) -> None:
    origin.commit("review apps for pull requests", mooring_toml=f"{NEEDS}[review]\npull_requests = true\n")
    add("pulledin")
    ran(forge, "failure")
    origin.git("switch", "-qc", "one")
    head = origin.commit("one")
    forge.pulls[2] = listed_pull(2, branch="one", head=head)
    served.client.check_forge("pulledin")
    forge.wait(lambda: forge.ours(2) and "the check test failed" in forge.ours(2)[0])
    ran(forge, "success")
    check_ended(served, "pulledin", head)
    environment = review_environment(AppName("pulledin"), "one")
    assert forge.wait(lambda: [each for each in forge.statuses(head) if each["state"] == "success"])
    url = served.client.environment(environment).urls[0]
    forge.wait(lambda: url in forge.ours(2)[0])
    assert "failed" not in forge.ours(2)[0] and len(forge.ours(2)) == 1


def a_forge_at(url: str) -> ForgeLink:
    return msgspec.structs.replace(a_forge(), api=url)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_forge(a_forge(), ForgeSecrets(token=Secret("t"), hook=Secret("")))
    yield memory
    memory.close()


async def test_checks_that_stay_as_they_are_are_asked_about_less_and_less_often_but_at_once_when_something_is_said(
    memory: SqliteMemory,
) -> None:
    hindered = msgspec.structs.replace(a_hindered(), reason="not deployed: the check test failed")
    memory.save_forge_hindered(hindered)
    clock = VirtualClock()
    rechecks, heads = Rechecks(memory, clock), {"main": "c1"}
    with forge_running() as forge:
        ran(forge, "failure")
        github = GitHub(a_forge_at(forge.url), ForgeSecrets(token=Secret("t"), hook=Secret("")))
        asked = []
        for _ in range(600):
            clock.advance(60.0)
            before = len(forge.headers)
            assert await rechecks.look(a_forge(), github, heads) == (False, [])
            if len(forge.headers) > before:
                asked.append(clock.monotonic())
        pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert pauses[0] == SOON and pauses[-1] == SELDOM and pauses == sorted(pauses)
        for commit, is_asked in (("c2", False), ("c1", True), ("", True)):
            rechecks.urge(SHOP, commit)
            before = len(forge.headers)
            await rechecks.look(a_forge(), github, heads)
            assert (len(forge.headers) > before) is is_asked, commit
        (kept,) = memory.forge_hindered(SHOP)
        assert kept.reason == hindered.reason


async def test_what_was_to_be_asked_at_once_is_asked_again_where_the_forge_gave_no_answer(memory: SqliteMemory) -> None:
    memory.save_forge_head(SHOP, "main", "c1")
    memory.save_forge_hindered(a_hindered())
    clock = VirtualClock()
    rechecks, heads = Rechecks(memory, clock), {"main": "c1"}
    with forge_running() as forge:
        github = GitHub(a_forge_at(forge.url), ForgeSecrets(token=Secret("t"), hook=Secret("")))
        ran(forge, "failure")
        await rechecks.look(a_forge(), github, heads)  # from here on it would be asked after a pause
        memory.save_forge_hindered(a_hindered())
        rechecks.urge(SHOP, "c1")
        silent = GitHub(a_forge_at("http://127.0.0.1:1"), ForgeSecrets(token=Secret("t"), hook=Secret("")))
        _, failures = await rechecks.look(a_forge(), silent, heads)
        assert len(failures) == 1
        ran(forge, "success")
        await rechecks.look(a_forge(), github, heads)
    assert memory.forge_hindered(SHOP) == () and memory.forge_heads(SHOP) == {"main": UNSEEN}


async def test_what_turned_green_counts_as_not_seen_and_what_is_not_the_newest_is_forgotten(memory: SqliteMemory) -> None:
    memory.save_forge_pull(a_pull(2))
    memory.save_forge_head(SHOP, "main", "c1")
    memory.save_forge_head(SHOP, "moved", "c1")
    for each in (a_hindered(), a_hindered("moved"), a_hindered("b2", number=2), a_hindered("b3", number=3)):
        memory.save_forge_hindered(each)
    with forge_running() as forge:
        ran(forge, "success")
        github = GitHub(a_forge_at(forge.url), ForgeSecrets(token=Secret("t"), hook=Secret("")))
        assert await Rechecks(memory, VirtualClock()).look(a_forge(), github, {"main": "c1", "moved": "c2"}) == (False, [])
    assert memory.forge_hindered(SHOP) == ()
    assert memory.forge_heads(SHOP) == {"main": UNSEEN, "moved": "c1"}
    assert [each.head for each in memory.forge_pulls(SHOP)] == [""]
