"""Review apps through the real client: up, listed, extended, seeded anew, down; and that nothing else is ever touched."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from server.serving import TREE, Served
from server.test_accessories import REDIS
from server.test_certificates import a_certificate

from mooring.engine.remains import CERTIFICATE_STAYS
from mooring.errors import InvalidName, NotFound, Refused
from mooring.model.access import Role
from mooring.model.certificate import CertificateSource
from mooring.model.deployment import Outcome, Trigger
from mooring.model.edge import Access, digest_of
from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName, EnvironmentName, Hostname, app_name
from mooring.model.release import Source
from mooring.model.review import REVIEW_PASSWORD, ReviewAccess, ReviewSettings, review_environment
from mooring.model.secret import Secret
from mooring.model.trace import Trace
from mooring.planner.accessories import Condition
from mooring.usecases.answers import ReviewLogin
from mooring.usecases.source_reading import release_plan
from mooring.usecases.traces import last_traces

SLEEPS_AFTER = 600.0  # seconds
RULES = ReviewSettings(limit=2, seed="./seed", expire=1000.0)


@pytest.fixture(autouse=True)
def tree(served: Served) -> Iterator[None]:
    served.world.workshop.tree = msgspec.structs.replace(TREE, review=RULES)
    yield
    served.world.workshop.tree = TREE


@pytest.fixture
def app(request: pytest.FixtureRequest) -> AppName:
    return app_name(f"r{zlib.crc32(request.node.name.encode())}")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def up(served: Served, app: AppName, branch: str, directory: Path, *, commit: str = "c0ffee1") -> EnvironmentId:
    """Brought up, and serving."""
    archive = directory / "source.tar"
    archive.write_bytes(b"as good as a tar here")
    asked = served.client.review_up(app, archive, Source(digest=f"{app}{branch}{commit}", commit=commit, branch=branch))
    assert served.ended(asked.id).outcome is Outcome.SUCCEEDED
    return asked.environment


def test_a_branch_comes_up_is_seeded_once_and_is_brought_up_to_date(served: Served, app: AppName, tmp_path: Path) -> None:
    environment = up(served, app, "feature/One", tmp_path)
    assert environment == review_environment(app, "feature/One")
    assert up(served, app, "feature/One", tmp_path, commit="beef002") == environment
    (found,) = served.client.reviews(app)
    assert (found.branch, found.head, found.leaving, found.error) == ("feature/One", "beef002", "", "")
    assert (found.summary.release, found.summary.is_serving) == (2, True)
    assert found.summary.urls == (f"http://{environment.label}.localhost:8080",)
    assert served.world.runtime.task_counts(environment) == {"seed.v1": 1}


def test_data_are_laid_in_once_more_when_asked_for(served: Served, app: AppName, tmp_path: Path) -> None:
    environment = up(served, app, "one", tmp_path)
    asked = served.client.reseed_review(app, "one")
    assert asked.trigger is Trigger.RESEED
    assert served.ended(asked.id).outcome is Outcome.SUCCEEDED
    assert served.world.runtime.task_counts(environment) == {"seed.v1": 1, "seed.v2": 1}
    served.world.workshop.tree = TREE
    up(served, app, "two", tmp_path)
    with pytest.raises(Refused, match="no seed command"):
        served.client.reseed_review(app, "two")


def test_what_is_set_for_review_apps_is_what_a_new_one_begins_with(served: Served, app: AppName, tmp_path: Path) -> None:
    template = EnvironmentId(app=app, environment=EnvironmentName("review"))
    served.client.change_config(template, set={"LEVEL": "debug"})
    served.client.set_secret(template, "KEY", Secret("s3cr3t-of-reviews"))
    environment = up(served, app, "one", tmp_path)
    variables = {each.name: each.value for each in served.client.config(environment)}
    assert variables["LEVEL"] == "debug" and "KEY" in variables
    assert served.world.runtime.task_variables(environment, "seed.v1")["KEY"] == "s3cr3t-of-reviews"
    served.client.change_config(environment, set={"LEVEL": "info"})
    up(served, app, "one", tmp_path, commit="beef002")
    assert {each.name: each.value for each in served.client.config(environment)}["LEVEL"] == "info", "its own settings stay"


def test_one_that_is_taken_down_leaves_nothing_and_it_is_shown(served: Served, app: AppName, tmp_path: Path) -> None:
    environment = up(served, app, "one", tmp_path)
    up(served, app, "two", tmp_path)
    going = served.client.review_down(app, "one")
    assert served.ended(going.id).outcome is Outcome.SUCCEEDED
    until(lambda: served.world.memory.environment(environment) is None)
    traces = served.client.review_traces(app, "one", going.id)
    kinds = ["instance", "route", "certificate", "service", "accessory", "volume", "artifact", "log", "config", "release"]
    assert [trace.kind for trace in traces] == kinds
    assert all(trace.is_gone for trace in traces), traces
    assert served.client.review_traces(app, "two", going.id) == ()
    assert [each.branch for each in served.client.reviews(app)] == ["two"]
    with pytest.raises(NotFound, match="has no review app of one") as absent:
        served.client.review_down(app, "one")
    assert absent.value.hint == "`mooring review ls` lists them"


def test_at_the_limit_the_longest_idle_makes_room(served: Served, app: AppName, tmp_path: Path) -> None:
    first = up(served, app, "one", tmp_path)
    up(served, app, "two", tmp_path)
    up(served, app, "three", tmp_path)
    until(lambda: {each.branch for each in served.client.reviews(app)} == {"two", "three"})
    assert served.world.memory.environment(first) is None
    assert {trace.kind for trace in last_traces(served.services.platform, first) if trace.is_gone} >= {"instance", "route", "volume", "log"}


def test_a_certificate_that_stays_is_named_with_its_reason(served: Served, app: AppName, tmp_path: Path) -> None:
    environment = up(served, app, "one", tmp_path)
    name = Hostname(f"{environment.label}.localhost")
    served.world.memory.save_certificate(CertificateSource.ACME, name, a_certificate(name))
    going = served.client.review_down(app, "one")
    served.ended(going.id)
    told = {trace.kind: trace for trace in served.client.review_traces(app, "one", going.id)}
    assert told["certificate"] == Trace(kind="certificate", left=(name,), reason=CERTIFICATE_STAYS)
    served.world.memory.remove_certificate(CertificateSource.ACME, name)


def test_strangers_do_not_get_in_and_those_who_may_change_it_are_told_the_password(served: Served, app: AppName, tmp_path: Path) -> None:
    environment = up(served, app, "one", tmp_path)
    login = served.client.review_login(app, "one")
    assert login.user == "review" and len(login.password) == 64
    routed = served.client.environment(environment).snapshot.routes.table
    assert routed.access.digest == digest_of(login.password) and not routed.access.is_indexed
    with served.tcp(served.token(Role.VIEWER)) as http:
        assert http.get(f"/v1/apps/{app}/reviews/login", params={"branch": "one"}).status_code == 403
    served.client.set_secret(environment, REVIEW_PASSWORD, Secret("a longer one of our own"))
    until(lambda: served.client.review_login(app, "one").password == "a longer one of our own")
    change = served.client.set_secret(environment, REVIEW_PASSWORD, Secret("short"))
    assert change.deployment is not None
    ended = served.ended(change.deployment.id)
    assert ended.outcome is Outcome.FAILED and "has 5 characters; it has 16 or more" in ended.error
    assert served.client.review_login(app, "one").password == "a longer one of our own"


def test_an_open_one_asks_nobody(served: Served, app: AppName, tmp_path: Path) -> None:
    rules = msgspec.structs.replace(RULES, access=ReviewAccess.OPEN)
    served.world.workshop.tree = msgspec.structs.replace(TREE, review=rules)
    environment = up(served, app, "one", tmp_path)
    assert served.client.review_login(app, "one") == ReviewLogin(user="", password="")
    assert served.client.environment(environment).snapshot.routes.table.access == Access(is_indexed=False)


def test_one_for_some_networks_is_fenced_at_the_edge_besides_its_password_and_nothing_else_of_the_app_is(tmp_path: Path) -> None:
    (tmp_path / "mooring.toml").write_text('app = "shop"\n[review]\nnetworks = ["203.0.113.0/24", "2001:db8::1"]\n')
    (tmp_path / "Procfile").write_text("web: serve\n")
    branch = review_environment(AppName("shop"), "one")
    access = release_plan(tmp_path, branch, Source(digest="d", branch="one")).template.edge.access
    assert access == Access(user="review", is_indexed=False, networks=("203.0.113.0/24", "2001:db8::1/128"))
    assert release_plan(tmp_path, EnvironmentId.parse("shop"), Source(digest="d", branch="main")).template.edge.access == Access()


def test_extending_lets_its_time_begin_anew(served: Served, app: AppName, tmp_path: Path) -> None:
    up(served, app, "one", tmp_path)
    (before,) = served.client.reviews(app)
    after = served.client.extend_review(app, "one")
    assert after.expires_at > before.expires_at and after.expires_at - after.used_at == 1000.0
    with pytest.raises(NotFound, match="no review app of two"):
        served.client.extend_review(app, "two")


def test_an_environment_without_the_mark_is_never_taken_for_a_review_app(served: Served, app: AppName, tmp_path: Path) -> None:
    theirs = review_environment(app, "one")
    served.deploy(theirs)
    with pytest.raises(Refused, match="is no review app of one"):
        up(served, app, "one", tmp_path)
    with pytest.raises(Refused, match="is no review app of one"):
        served.client.review_down(app, "one")
    assert served.client.reviews(app) == ()
    assert served.client.environment(theirs).release is not None


def test_a_review_app_is_only_deployed_as_one(served: Served, app: AppName, tmp_path: Path) -> None:
    environment = up(served, app, "one", tmp_path)
    archive = tmp_path / "other.tar"
    archive.write_bytes(b"tar")
    with pytest.raises(Refused, match="is the review app of one"):
        served.client.deploy(environment, archive, Source(digest="d", branch="two"))
    with pytest.raises(Refused, match="is the place of a review app"):
        served.client.deploy(review_environment(app, "two"), archive, Source(digest="d", branch="two"))


@pytest.mark.parametrize("branch", ["", "a..b", "-x", "a b", "x.lock", "HEAD"])
def test_what_git_does_not_allow_is_no_branch(served: Served, app: AppName, branch: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidName, match="not the name of a branch"):
        up(served, app, branch, tmp_path)


def test_one_that_sleeps_with_its_accessory_is_no_trouble(served: Served, app: AppName, tmp_path: Path) -> None:
    served.world.workshop.tree = msgspec.structs.replace(
        TREE, review=msgspec.structs.replace(RULES, sleep=SLEEPS_AFTER), accessories=(REDIS,)
    )
    environment = up(served, app, "drowsy", tmp_path)
    record = served.world.memory.environment(environment)
    assert record is not None and record.review is not None
    idle = msgspec.structs.replace(record.review, used_at=record.review.used_at - 2 * SLEEPS_AFTER, seen_at=0.0)
    served.world.memory.save_environment(msgspec.structs.replace(record, review=idle))
    until(lambda: not [life for life in served.world.runtime.lives() if life.spec.key.environment.home == environment])
    assert served.client.reviews(app)[0].summary.is_asleep
    assert [each for each in served.client.status().troubles if str(app) in each.subject] == []
    (each,) = served.client.accessories(environment).all()
    assert (each.is_asleep, each.instance, each.condition) == (True, None, Condition.AS_DECLARED)
