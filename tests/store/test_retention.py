"""Old detail goes, by count and age; what is unfinished, open, or a record of its own stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mooring.model.deployment import Outcome
from mooring.model.names import DeploymentId
from mooring.model.records import EnvironmentRecord
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import BLOG, SHOP, a_deployment, a_step, an_event


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    """shop has d1 to d4, ended at 10, 20, 30 and (d4) not at all; blog has b1, ended at 10. Each with two events and an entry."""
    memory = SqliteMemory.open(tmp_path / "state")
    for environment in (SHOP, BLOG):
        memory.save_environment(EnvironmentRecord(environment=environment, created_at=0.0))
    for name, environment, ended in [("d1", SHOP, 10.0), ("b1", BLOG, 10.0), ("d2", SHOP, 20.0), ("d3", SHOP, 30.0), ("d4", SHOP, None)]:
        deployment = a_deployment(name, environment=environment)
        memory.add_deployment(deployment)
        entry = memory.write_intent(deployment=deployment.id, environment=environment, step=a_step(), fence=1, at=1.0)
        memory.write_outcome(entry, outcome="done", at=2.0)
        memory.append_events([an_event(deployment=name), an_event(deployment=name)])
        if ended is not None:
            memory.save_deployment(msgspec.structs.replace(deployment, outcome=Outcome.SUCCEEDED, ended_at=ended))
    yield memory
    memory.close()


def _with_detail(memory: SqliteMemory) -> set[str]:
    kept = set()
    for deployment in memory.deployments():
        counts = len(memory.events(deployment=deployment.id)), len(memory.journal(deployment.id))
        assert counts in ((2, 1), (0, 0))
        if counts == (2, 1):
            kept.add(str(deployment.id))
    return kept


@pytest.mark.parametrize(
    ("keep", "before", "kept"),
    [
        (0, 0.0, {"d1", "d2", "d3", "d4", "b1"}),
        (0, 100.0, {"d4"}),
        (0, 20.0, {"d2", "d3", "d4"}),
        (1, 100.0, {"d4", "b1"}),
        (2, 100.0, {"d3", "d4", "b1"}),
        (3, 15.0, {"d2", "d3", "d4", "b1"}),
        (100, 100.0, {"d1", "d2", "d3", "d4", "b1"}),
    ],
)
def test_detail_is_kept_of_the_newest_and_of_the_young_and_of_the_unfinished(
    memory: SqliteMemory, keep: int, before: float, kept: set[str]
) -> None:
    removed = memory.prune_history(keep=keep, before=before)
    assert _with_detail(memory) == kept
    assert removed == 3 * (5 - len(kept))
    assert len(memory.deployments()) == 5


def test_sequences_go_on_after_everything_was_pruned(memory: SqliteMemory) -> None:
    last = memory.events()[-1].sequence
    memory.prune_history(keep=0, before=100.0)
    assert memory.append_event(an_event()).sequence == last + 1
    assert [event.deployment for event in memory.events()] == ["d4", "d4", None]


def test_what_belongs_to_no_deployment_goes_by_age_unless_it_is_open(memory: SqliteMemory) -> None:
    closed = memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0)
    still_open = memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0)
    memory.write_outcome(closed, outcome="done", at=2.0)
    young = memory.append_event(msgspec.structs.replace(an_event(), at=60.0))
    memory.append_event(an_event())
    memory.append_event(an_event(deployment="of a forgotten environment"))
    assert memory.prune_history(keep=100, before=50.0) == 3
    assert [entry.sequence for entry in memory.open_intents()] == [still_open]
    assert [event for event in memory.events() if event.deployment is None] == [young]
    memory.write_outcome(closed, outcome="done", at=3.0)
    assert memory.journal(DeploymentId("d4")) != ()
