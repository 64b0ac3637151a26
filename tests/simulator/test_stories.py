"""A seed is a story, the same everywhere; what fails says how it is told again, and is made as short as it can be."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest
from simulator.mutations import MUTATIONS

from mooring.testing.simulator.campaign import Failure, shortest
from mooring.testing.simulator.catalogue import CALM
from mooring.testing.simulator.chance import story_of
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import Happening, Story, What


def simulator(*arguments: str, hashes: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mooring.testing.simulator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": hashes})


@pytest.mark.parametrize("seed", [3, 80, 172, 5326])
def test_a_seed_is_told_the_same_way_in_every_process(seed: int) -> None:
    told = [simulator("--seed", str(seed), hashes=hashes) for hashes in ("1", "2")]
    assert [each.returncode for each in told] == [0, 0], told[0].stderr
    assert told[0].stdout == told[1].stdout
    assert told[0].stdout.splitlines()[0].startswith("app: ")
    assert told[0].stdout.splitlines()[-1].endswith("0 violations")


def test_the_stories_of_different_seeds_differ() -> None:
    stories = {msgspec.json.encode(msgspec.structs.replace(story_of(seed), seed=0)) for seed in range(500)}
    assert len(stories) == 500


def test_a_story_by_hand_is_told_too() -> None:
    told = simulator("--story", msgspec.json.encode(CALM["restart"]).decode())
    assert told.returncode == 0
    assert "** restart" in told.stdout


def test_a_campaign_by_hand_says_how_much_it_tried() -> None:
    told = simulator("--rollouts", "60", "--jobs", "1")
    assert told.returncode == 0
    assert "of 414 cells; 0 violations" in told.stdout


def test_a_failure_says_which_law_the_shortest_story_and_how_to_tell_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    next(each for each in MUTATIONS if each.law == 9).apply(monkeypatch)
    noise = tuple(Happening(what=what, number=1.0 + index) for index, what in enumerate((What.DEPLOY, What.CLOCK_JUMP, What.CRASH)))
    story = Story(seed=7, happenings=noise)
    violations = Stage(story).play().violations
    told = str(Failure(story, violations))
    assert "law 9: " in told
    assert told.endswith("again: python -m mooring.testing.simulator --seed 7")
    assert shortest(story, violations).happenings == ()
