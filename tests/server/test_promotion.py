"""A release of one environment taken over by another, through the real client: no builder runs, and its notes stay on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from server.serving import TREE, Served, serving

from mooring.errors import InvalidInput, MooringError, NotFound, Refused
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.promotion import MOST_COMMITS, CommitNote, History, Notes, Promotion
from mooring.model.release import Release, Source
from mooring.model.review import review_environment
from mooring.model.secret import Secret
from mooring.testing.workshop import Tree

STAGING, PRODUCTION = EnvironmentId.parse("shop/staging"), EnvironmentId.parse("shop")
SOURCE = Source(digest="d1", commit="c0ffee00" * 5, branch="main", message="Mend the cart")
NOTES = Notes(history=History.KNOWN, since=1, commits=(CommitNote(id="c0ffee00" * 5, subject="Mend the cart"),), brought=1)
PROMOTION = Promotion(environment=STAGING.environment, number=1, notes=NOTES)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A platform on which only staging serves, built once."""
    with serving(tmp_path) as here:
        deployed(here, STAGING)
        yield here


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "source.tar"
    path.write_bytes(b"as good as a tar here")
    return path


def deployed(served: Served, environment: EnvironmentId, tree: Tree = TREE) -> None:
    served.world.workshop.tree = tree
    upload = served.world.state / "tree.tar"
    upload.write_bytes(b"as good as a tar here")
    assert served.ended(served.client.deploy(environment, upload, SOURCE).id).outcome is Outcome.SUCCEEDED


def newest(served: Served, environment: EnvironmentId) -> Release:
    return served.client.releases(environment)[0]


def promoted(served: Served, archive: Path, promotion: Promotion = PROMOTION) -> Release:
    assert served.ended(served.client.promote(PRODUCTION, archive, promotion).id).outcome is Outcome.SUCCEEDED
    return newest(served, PRODUCTION)


def refused(served: Served, archive: Path, kind: type[MooringError], promotion: Promotion = PROMOTION) -> MooringError:
    """Before anything begins: no deployment, no environment, nothing left of what was sent."""
    with pytest.raises(kind) as planned:
        served.client.plan_promotion(PRODUCTION, archive, promotion)
    with pytest.raises(kind) as ordered:
        served.client.promote(PRODUCTION, archive, promotion)
    assert str(planned.value) == str(ordered.value)
    assert served.world.memory.environment(PRODUCTION) is None
    assert served.world.workshop.unpacked == set()
    assert list((served.world.state / "uploads").iterdir()) == []
    return ordered.value


def test_what_staging_runs_is_taken_over_and_no_builder_runs(served: Served, archive: Path) -> None:
    built = dict(served.world.workshop.builds)
    now = promoted(served, archive)
    assert served.world.workshop.builds == built == {"d1": 1}
    assert now.artifact == newest(served, STAGING).artifact
    assert now.source == newest(served, STAGING).source
    assert now.description == f"promote staging v1 ({SOURCE.commit[:7]})"
    events = [event for event in served.client.events(environment=PRODUCTION) if event.deployment]
    assert EventKind.BUILD_DETECTED not in {event.kind for event in events}
    said = [event.fields["line"] for event in events if event.kind is EventKind.BUILD_OUTPUT]
    assert said == ["nothing is built: staging v1 runs the artifact artifact-d1, and so will this"]
    assert "build" not in {event.fields.get("phase") for event in events}
    assert served.world.workshop.unpacked == set()


def test_its_settings_are_those_of_the_environment_it_comes_to(served: Served, archive: Path) -> None:
    served.client.change_config(PRODUCTION, set={"LOG_LEVEL": "warning"})
    now = promoted(served, archive)
    assert now.hostnames == ("shop.localhost",) != newest(served, STAGING).hostnames
    config = served.world.memory.config(PRODUCTION, now.config_version)
    assert config == {"LOG_LEVEL": "warning"}


def test_its_notes_stay_with_the_release_and_with_no_later_one(served: Served, archive: Path) -> None:
    assert promoted(served, archive).promotion == PROMOTION
    detail = served.client.environment(PRODUCTION)
    assert detail.release is not None and detail.release.promotion == PROMOTION
    changed = served.client.change_config(PRODUCTION, set={"LOG_LEVEL": "warning"}).deployment
    assert changed is not None
    served.ended(changed.id)
    served.ended(served.client.rollback(PRODUCTION, release=1).id)
    assert [each.promotion for each in served.client.releases(PRODUCTION)] == [None, None, PROMOTION]


def test_who_promotes_is_in_the_audit_log(served: Served, archive: Path) -> None:
    promoted(served, archive)
    line = next(each for each in served.world.memory.audit(limit=5) if each.what == "promote")
    assert (line.environment, line.detail) == (PRODUCTION, {"release": "staging v1"})


def test_an_artifact_that_is_gone_is_refused_and_production_serves_on(served: Served, archive: Path) -> None:
    promoted(served, archive)
    before = served.client.deployments(PRODUCTION)
    served.world.workshop.prune(frozenset())
    for asked in (served.client.promote, served.client.plan_promotion):
        with pytest.raises(NotFound, match="the artifact of staging v1 is not there any more") as gone:
            asked(PRODUCTION, archive, PROMOTION)
        assert gone.value.hint == f"`mooring deploy -e production --ref {SOURCE.commit[:12]}` builds it; nothing was touched"
    assert served.client.deployments(PRODUCTION) == before
    assert served.client.environment(PRODUCTION).snapshot.instances
    assert served.world.workshop.builds == {"d1": 1}


def test_another_build_of_production_is_refused_by_its_keys(served: Served, archive: Path) -> None:
    served.world.workshop.tree = msgspec.structs.replace(TREE, build_commands={"production": "make small"})
    refusal = refused(served, archive, Refused)
    assert "production is to be built otherwise than staging: build.command" in str(refusal)


def test_an_artifact_that_goes_while_the_order_waits_fails_it_and_nothing_is_built(served: Served, archive: Path) -> None:
    deployed(served, PRODUCTION)
    slow = msgspec.structs.replace(TREE, build_seconds=0.2)
    served.world.workshop.tree = slow
    upload = served.world.state / "slow.tar"
    upload.write_bytes(b"slow")
    first = served.client.deploy(PRODUCTION, upload, Source(digest="d2"))
    waiting = served.client.promote(PRODUCTION, archive, PROMOTION)
    served.world.workshop.prune(frozenset())
    assert served.ended(first.id).outcome is Outcome.SUCCEEDED
    ended = served.ended(waiting.id)
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, NotFound.code)
    assert served.world.workshop.builds == {"d1": 2, "d2": 1}
    assert newest(served, PRODUCTION).source.digest == "d2"


def test_a_secret_of_the_build_is_not_asked_for_where_nothing_is_built(served: Served, archive: Path) -> None:
    change = served.client.set_secret(STAGING, "NPM_TOKEN", Secret("n-p-m-token"))
    assert change.deployment is not None
    served.ended(change.deployment.id)
    deployed(served, STAGING, msgspec.structs.replace(TREE, build_secrets=("NPM_TOKEN",)))
    now = promoted(served, archive, msgspec.structs.replace(PROMOTION, number=newest(served, STAGING).number))
    assert now.build_secrets == ("NPM_TOKEN",)


@pytest.mark.parametrize(
    ("promotion", "kind", "said"),
    [
        (msgspec.structs.replace(PROMOTION, number=7), NotFound, "shop/staging has no release v7"),
        (msgspec.structs.replace(PROMOTION, environment="dev"), NotFound, "there is no environment shop/dev"),
        (msgspec.structs.replace(PROMOTION, environment="production"), Refused, "cannot be promoted to itself"),
    ],
)
def test_what_is_not_there_cannot_be_promoted(
    served: Served, archive: Path, promotion: Promotion, kind: type[MooringError], said: str
) -> None:
    assert said in str(refused(served, archive, kind, promotion))


def test_a_review_app_takes_over_nothing_not_even_of_its_own_branch(served: Served, archive: Path) -> None:
    served.ended(served.client.review_up(STAGING.app, archive, SOURCE).id)
    review = review_environment(STAGING.app, SOURCE.branch)
    before = served.client.deployments(review)
    with pytest.raises(Refused, match="is the review app of main, and runs what is built for it"):
        served.client.promote(review, archive, PROMOTION)
    assert served.client.deployments(review) == before


def test_what_came_without_a_digest_is_refused(served: Served, archive: Path) -> None:
    upload = served.world.state / "bare.tar"
    upload.write_bytes(b"bare")
    served.ended(served.client.deploy(STAGING, upload, Source(digest="")).id)
    assert "without the digest" in str(refused(served, archive, Refused, msgspec.structs.replace(PROMOTION, number=2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"commits": NOTES.commits * (MOST_COMMITS + 1)},
        {"commits": (CommitNote(id="HEAD", subject="x"),)},
        {"commits": (CommitNote(id="c" * 40, subject="x" * 101),)},
        {"commits": (CommitNote(id="c" * 40, subject="a\nb"),)},
        {"brought": -1},
        {"left": 2**31},
    ],
)
def test_notes_beyond_their_bounds_are_refused(served: Served, archive: Path, changes: dict[str, Any]) -> None:
    notes = msgspec.structs.replace(NOTES, **changes)
    refused(served, archive, InvalidInput, msgspec.structs.replace(PROMOTION, notes=notes))


def test_a_promotion_without_notes_is_one(served: Served, archive: Path) -> None:
    bare = msgspec.structs.replace(PROMOTION, notes=None)
    assert promoted(served, archive, bare).promotion == bare


def test_a_secret_in_a_commit_is_shown_in_no_notes(served: Served, archive: Path) -> None:
    served.client.set_secret(PRODUCTION, "KEY", Secret("hunter2-hunter2"))
    leaking = CommitNote(id="c" * 40, subject="Set it to hunter2-hunter2")
    promoted(served, archive, msgspec.structs.replace(PROMOTION, notes=msgspec.structs.replace(NOTES, commits=(leaking,))))
    assert "hunter2" not in repr(served.client.releases(PRODUCTION)) + repr(served.world.memory.releases(PRODUCTION))
    assert "hunter2" not in repr(served.client.deployments(PRODUCTION))
