"""A request that an instance broke off is the app's doing, unless Mooring had told that instance to stop."""

from __future__ import annotations

import pytest

from mooring.engine.attribution import broken_by_app, sentence
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import ProcessName
from mooring.model.records import JournalEntry
from mooring.model.routing import Broken, Traffic
from mooring.model.steps import RestartInstance, StartInstance, Step, StopInstance

SHOP = EnvironmentId.parse("shop")
WEB = InstanceKey(SHOP, ProcessName("web"), 1, 2)
OTHER = InstanceKey(SHOP, ProcessName("web"), 2, 2)


def entry(step: Step, at: float) -> JournalEntry:
    return JournalEntry(sequence=1, deployment=None, environment=SHOP, step=step, fence=1, intent_at=at)


@pytest.mark.parametrize(
    ("journal", "own"),
    [
        ([], 3),
        ([entry(StartInstance(instance=WEB, reason=""), 5.0)], 3),
        ([entry(StopInstance(instance=WEB, grace=1.0, reason=""), 10.5)], 3),
        ([entry(StopInstance(instance=WEB, grace=1.0, reason=""), 9.5)], 0),
        ([entry(RestartInstance(instance=WEB, grace=1.0, reason=""), 9.5)], 0),
        ([entry(StopInstance(instance=WEB, grace=1.0, reason=""), 9.5), entry(StopInstance(instance=WEB, grace=1.0, reason=""), 11.0)], 0),
        ([entry(StopInstance(instance=OTHER, grace=1.0, reason=""), 1.0)], 3),
    ],
)
def test_what_was_broken_off_before_anybody_told_the_instance_to_stop_is_its_own_doing(journal: list[JournalEntry], own: int) -> None:
    found = broken_by_app(Traffic(edge_errors=3, broken={WEB.slug: Broken(3, 10.0)}), journal)
    assert sum(found.values()) == own


def test_it_is_told_in_a_sentence_with_the_instance() -> None:
    assert sentence({}) == ""
    told = sentence({WEB.slug: 2})
    assert told == f"of the failed requests 2 were broken off by the app itself, which nobody had told to stop: 2 by {WEB.slug}"
