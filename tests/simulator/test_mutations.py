"""The simulator, itself tested: the engine is broken on purpose, and that law is found broken within a bounded number of stories."""

from __future__ import annotations

import pytest
from simulator.mutations import MUTATIONS, Mutation

from mooring.testing.simulator.catalogue import CALM, at_effects, to_hosts
from mooring.testing.simulator.chance import story_of
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import Story

SEEDS = 500


def breaks(story: Story, law: int) -> bool:
    return any(violation.law == law for violation in Stage(story).play().violations)


def test_there_is_a_break_for_every_law() -> None:
    assert {each.law for each in MUTATIONS} == set(range(16))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_law_whose_code_is_broken_is_found_broken(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [*CALM.values(), *at_effects(CALM["redeploy"]), *to_hosts(CALM["redeploy to three hosts"]), *map(story_of, range(SEEDS))]
    mutation.apply(monkeypatch)
    assert any(breaks(story, mutation.law) for story in stories), f"not in {len(stories)} stories"
