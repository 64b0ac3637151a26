"""The main verbs through the real client: deploy, look, scale, roll back, restart, lock, maintenance, destroy."""

from __future__ import annotations

from pathlib import Path

import pytest
from server.serving import TREE, Served

from mooring.errors import InvalidInput, LeaseHeld, ManifestInvalid, NotFound, Refused, UsageError
from mooring.model.deployment import Outcome, Phase, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.problem import Problem
from mooring.model.release import Source
from mooring.testing.workshop import Tree
from mooring.usecases.requests import PlanDestroy, PlanScale


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "source.tar"
    path.write_bytes(b"as good as a tar here")
    return path


def environment(name: str) -> EnvironmentId:
    return EnvironmentId.parse(name)


def test_a_deployed_app_serves_and_is_seen_to(served: Served, archive: Path) -> None:
    app = environment("deployed")
    asked = served.client.deploy(app, archive, Source(digest="d1", commit="c0ffee", message="first"))
    assert (asked.phase, asked.trigger) == (Phase.QUEUED, Trigger.DEPLOY)
    ended = served.ended(asked.id)
    assert (ended.outcome, ended.exit_code) == (Outcome.SUCCEEDED, 0)
    assert ended.receipt is not None
    detail = served.client.environment(app)
    assert detail.release is not None
    assert (detail.release.number, detail.release.source.commit) == (1, "c0ffee")
    assert detail.urls == ("http://deployed.localhost:8080",)
    assert [view.key.process for view in detail.snapshot.instances] == ["web"]
    summary = next(each for each in served.client.environments() if each.environment == app)
    assert (summary.ready, summary.desired, summary.is_serving) == (1, 1, True)
    assert [release.number for release in served.client.releases(app)] == [1]
    assert served.client.journal(asked.id)[0].outcome == "done"
    assert served.client.deployments(app)[0].id == asked.id


def test_a_deployment_that_is_asked_for_by_name_says_who_asked(served: Served, archive: Path) -> None:
    asked = served.client.deploy(environment("named"), archive, Source(digest="d"))
    assert asked.requested_by == served.world.memory.audit(limit=1)[0].who
    served.ended(asked.id)


def test_what_runs_for_nobody_is_shown_and_destroyed_by_its_name(served: Served) -> None:
    lost, kept = environment("lost"), environment("kept")
    served.deploy(lost)
    served.deploy(kept)
    served.world.memory.forget_environment(lost)
    (found,) = served.client.status().unowned
    assert (found.environment, len(found.instances), found.hostnames) == (lost, 1, ("lost.localhost",))
    with pytest.raises(NotFound):
        served.client.destroy(environment("never-there"), confirm="never-there/production")
    assert served.ended(served.client.destroy(lost, confirm="lost/production").id).outcome is Outcome.SUCCEEDED
    assert served.client.status().unowned == ()
    assert served.client.environment(kept).snapshot.instances


def test_scaling_rolling_back_and_restarting_are_deployments(served: Served) -> None:
    app = environment("verbs")
    served.deploy(app)
    assert served.ended(served.client.scale(app, {"web": 2}).id).outcome is Outcome.SUCCEEDED
    assert len(served.client.environment(app).snapshot.instances) == 2
    assert served.ended(served.client.restart(app).id).outcome is Outcome.SUCCEEDED
    assert served.client.environment(app).record.revision.generation == 1
    served.deploy(app, b"second")
    back = served.ended(served.client.rollback(app).id)
    assert back.outcome is Outcome.SUCCEEDED
    assert back.description == "rollback"


def test_scaling_by_nonsense_is_refused_before_anything_happens(served: Served) -> None:
    app = environment("nonsense")
    served.deploy(app)
    for counts in ({}, {"web": -1}, {"web": 100_000}, {"w b": 1}):
        with pytest.raises(UsageError):
            served.client.scale(app, counts)
    assert len(served.client.deployments(app)) == 1


def test_a_plan_shows_steps_and_touches_nothing(served: Served, archive: Path) -> None:
    app = environment("planned")
    preview = served.client.plan_deploy(app, archive, Source(digest="d"))
    assert preview.steps
    assert list(served.services.uploads.iterdir()) == []
    with pytest.raises(NotFound):
        served.client.environment(app)
    served.deploy(app)
    assert served.client.plan(app, PlanScale(counts={"web": 3})).steps
    assert served.client.plan(app, PlanDestroy()).steps
    assert len(served.client.deployments(app)) == 1


def test_every_problem_of_a_manifest_arrives_with_its_place(served: Served, archive: Path) -> None:
    problems = (
        Problem(file="mooring.toml", line=3, key="web", message="unknown", hint="web?"),
        Problem(file="Procfile", line=0, key="", message="no web"),
    )
    served.world.workshop.tree = Tree(plan_error=ManifestInvalid(problems))
    try:
        with pytest.raises(ManifestInvalid) as refused:
            served.client.plan_deploy(environment("badly"), archive, Source(digest="d"))
    finally:
        served.world.workshop.tree = TREE
    assert refused.value.problems == problems


def test_a_lock_holds_deployments_off_and_names_who_locked_and_why(served: Served, archive: Path) -> None:
    app = environment("locked")
    served.deploy(app)
    lock = served.client.lock(app, reason="sale until noon")
    assert served.client.environment(app).lock == lock
    with pytest.raises(LeaseHeld, match=f"locked by {lock.by}: sale until noon"):
        served.client.deploy(app, archive, Source(digest="d"))
    assert list(served.services.uploads.iterdir()) == []
    assert served.world.workshop.unpacked == set()
    served.client.unlock(app)
    served.client.unlock(app)
    assert served.deploy(app).outcome is Outcome.SUCCEEDED


def test_maintenance_is_answered_when_the_edge_shows_it(served: Served) -> None:
    app = environment("kept")
    served.deploy(app)
    detail = served.client.set_maintenance(app, on=True)
    assert detail.record.is_maintenance
    assert detail.snapshot.routes is not None
    assert detail.snapshot.routes.table.is_maintenance
    assert not served.client.set_maintenance(app, on=False).record.is_maintenance


def test_destroying_takes_the_full_name_and_its_deployment_can_be_read_afterwards(served: Served) -> None:
    app = environment("doomed/staging")
    served.deploy(app)
    with pytest.raises(InvalidInput, match="confirmed with its full name"):
        served.client.destroy(app, confirm="doomed")
    asked = served.client.destroy(app, confirm="doomed/staging")
    ended = served.ended(asked.id)
    assert (ended.outcome, ended.trigger, ended.exit_code) == (Outcome.SUCCEEDED, Trigger.DESTROY, 0)
    with pytest.raises(NotFound):
        served.client.environment(app)


def test_a_deployment_that_has_ended_cannot_be_aborted(served: Served) -> None:
    ended = served.deploy(environment("ended"))
    with pytest.raises(Refused, match="has ended already"):
        served.client.abort(ended.id)


def test_a_deployment_that_is_being_built_can_be_aborted(served: Served, archive: Path) -> None:
    served.world.workshop.tree = Tree(build_seconds=60.0)
    try:
        asked = served.client.deploy(environment("slow"), archive, Source(digest="slow"))
        served.client.abort(asked.id)
        assert served.ended(asked.id).outcome is Outcome.ABORTED
    finally:
        served.world.workshop.tree = TREE


@pytest.mark.parametrize(
    "origin", [Source(digest="d", branch="x\ny"), Source(digest="d", commit="c" * 300), Source(digest="d", message="m" * 20_000)]
)
def test_an_origin_that_would_spoil_a_terminal_is_refused(served: Served, archive: Path, origin: Source) -> None:
    with pytest.raises(InvalidInput):
        served.client.deploy(environment("odd"), archive, origin)
    assert list(served.services.uploads.iterdir()) == []


def test_the_status_tells_every_part_and_the_age_of_what_it_knows(served: Served) -> None:
    served.deploy(environment("aged"))
    status = served.client.status()
    assert status.parts
    assert all(0 <= summary.age < 1e9 for summary in status.environments if summary.release)


def test_the_metrics_count_deployments_requests_and_instances(served: Served) -> None:
    served.deploy(environment("counted"))
    text = served.client.metrics()
    for name in ("mooring_deployments_total", "mooring_deployment_seconds_bucket", "mooring_instances", "mooring_loop_lag_seconds"):
        assert name in text
    assert 'route="/v1/environments/{app}/{environment}/deployments"' in text
    assert "counted" not in text
