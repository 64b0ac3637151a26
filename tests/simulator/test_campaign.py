"""The campaign: every fault around every effect and write, then the stories of seeds: 20,000 rollouts in all, and not one law broken.

It is cut into shares, so that workers of pytest-xdist can divide them; each share is played on all the cores that its worker has.
With --long the seeds alone take ten times as many, and each share begins at a seed that nobody has seen before and that is printed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import pytest

from mooring.testing.simulator.campaign import Summary, play_all, play_seeds
from mooring.testing.simulator.catalogue import CALM, every_fault
from mooring.testing.simulator.cells import empty_cells, unknown_points
from mooring.testing.simulator.stage import Stage

ROLLOUTS = 20_000
EXHAUSTIVE = 15_000  # rollouts that every fault around every effect and write takes at least
SHARES = 10  # of the seeds
APART = 1_000_000  # seeds between two shares
CORES = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
Tell = Callable[[str], None]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Said whether tests pass or fail: how much was tried is a part of the result."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    return say


def check(summary: Summary) -> None:
    assert not summary.failures, "\n\n".join(str(failure) for failure in summary.failures)


@pytest.mark.parametrize("name", sorted(CALM))
def test_on_a_calm_day_nothing_is_broken_and_nobody_fails(name: str) -> None:
    """But for the request that an instance had taken which dies by itself while it is watched."""
    ended = Stage(CALM[name]).play()
    assert ended.violations == ()
    assert ended.failed <= (name == "reverted redeploy")
    assert ended.rollouts >= 1


@pytest.mark.timeout(1800)
def test_no_law_is_broken_by_any_fault_around_any_effect_or_write(tell: Tell) -> None:
    summary = play_all(every_fault(), jobs=CORES)
    tell(f"every fault around every effect and write: {summary}")
    check(summary)
    assert empty_cells(summary.cells) == []
    assert unknown_points(summary.passed) == []
    assert summary.rollouts >= EXHAUSTIVE


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("share", range(SHARES))
def test_no_law_is_broken_in_the_stories_of_seeds(share: int, tell: Tell, is_long: bool) -> None:
    first, wanted = (secrets.randbelow(2**40), 10 * ROLLOUTS // SHARES) if is_long else (share * APART, (ROLLOUTS - EXHAUSTIVE) // SHARES)
    summary = play_seeds(first, rollouts=wanted, jobs=CORES)
    tell(f"stories of the seeds from {first}: {summary}")
    check(summary)
    assert summary.rollouts >= wanted
