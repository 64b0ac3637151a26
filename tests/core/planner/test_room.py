"""Which review apps give way to another: only idle ones, the longest first, and none in vain."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName
from mooring.model.review import ReviewMark, ReviewSettings, review_environment
from mooring.planner.review import ReviewApp
from mooring.planner.room import LEAST_IDLE, may_give_way, sleepers

NOW = 10_000.0


def an_app(branch: str, *, idle: float = 1000.0, **changes: object) -> ReviewApp:
    mark = ReviewMark(branch=branch, used_at=NOW - idle, expires_at=NOW + 10_000)
    return ReviewApp(environment=review_environment(AppName("shop"), branch), mark=msgspec.structs.replace(mark, **changes))


def test_one_that_nobody_has_visited_for_a_while_may_give_way() -> None:
    assert may_give_way(an_app("a", idle=LEAST_IDLE), now=NOW)


@pytest.mark.parametrize(
    "app",
    [
        an_app("visited", idle=LEAST_IDLE - 1),
        an_app("seen", seen_at=NOW - 1),
        an_app("asleep", is_asleep=True),
        an_app("going", leaving="its branch is gone"),
        an_app("never", settings=ReviewSettings(sleep=0)),
        msgspec.structs.replace(an_app("deploying"), is_busy=True),
    ],
    ids=lambda app: app.mark.branch,
)
def test_one_that_is_of_use_or_never_sleeps_may_not(app: ReviewApp) -> None:
    assert not may_give_way(app, now=NOW)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(100, 500)), max_size=6), st.integers(0, 20))
def test_they_make_room_or_nobody_sleeps_and_each_of_them_has_to(apps: list[tuple[int, int]], lacking: int) -> None:
    known = {an_app(f"b{number}", idle=idle): size for number, (size, idle) in enumerate(apps)}
    sizes = {app.environment: size for app, size in known.items()}

    def fits(gone: frozenset[EnvironmentId]) -> bool:
        return sum(sizes[each] for each in gone) >= lacking

    chosen = frozenset(sleepers(tuple(known), fits=fits))
    assert fits(chosen) == bool(chosen or not lacking)
    assert bool(chosen) == (0 < lacking <= sum(sizes.values()))
    assert not any(fits(chosen - {each}) for each in chosen)


def test_the_longest_idle_goes_first() -> None:
    apps = [an_app(f"b{idle}", idle=float(idle)) for idle in (300, 500, 400)]
    for order in itertools.permutations(apps):
        assert sleepers(order, fits=lambda gone: len(gone) >= 1) == (apps[1].environment,)
        assert frozenset(sleepers(order, fits=lambda gone: len(gone) >= 2)) == {apps[1].environment, apps[2].environment}
