"""Which review apps give way to another: only idle ones, the longest first, and none in vain."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName
from mooring.model.review import ReviewMark, ReviewSettings, review_environment
from mooring.planner.review import ReviewApp
from mooring.planner.room import LEAST_IDLE, PATIENCE, Ahead, goes_first, may_give_way, sleepers

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


@dataclass
class Visit:
    """One that asks for room at a time, and stays for a while once it has it, in seconds. `turn`: when it looks among the others."""

    asks_at: float
    size: int
    stays: float
    turn: int = 0
    began: float | None = None


LOOK = 30.0  # seconds between two looks of the world below
ROOM = 8
STAYS = 300.0  # seconds at most


def lived(visits: list[Visit], *, rule: Callable[[Ahead], bool] = goes_first) -> None:
    """All of them on one host, each looking in its turn, until all have begun, or by far should have."""
    now, line = 0.0, sorted(visits, key=lambda each: each.asks_at)
    while any(each.began is None for each in line) and now < 100 * (PATIENCE + STAYS):
        now += LOOK
        taken = sum(each.size for each in line if each.began is not None and now < each.began + each.stays)
        waiting = [(place, each) for place, each in enumerate(line) if each.began is None and each.asks_at <= now]
        looked: set[int] = set()
        for place, each in sorted(waiting, key=lambda pair: pair[1].turn):
            free = ROOM - taken
            stands = [
                Ahead(waited=now - other.asks_at, has_room=other.size <= free, has_looked=before in looked)
                for before, other in waiting
                if before < place and other.began is None
            ]
            if each.size <= free and not any(map(rule, stands)):
                each.began, taken = now, taken + each.size
            looked.add(place)


a_visit = st.builds(Visit, asks_at=st.floats(0, 3000), size=st.integers(1, ROOM), stays=st.floats(1, STAYS), turn=st.integers(0, 9))


@given(st.lists(a_visit, max_size=25))
def test_nobody_waits_for_longer_than_those_before_it_may_take(visits: list[Visit]) -> None:
    """Whoever waits longest begins once those that went before are gone: `PATIENCE` after it asked nothing newer begins."""
    lived(visits)
    for each in visits:
        ahead = sum(other.asks_at <= each.asks_at for other in visits)
        assert each.began is not None and each.began - each.asks_at <= ahead * (PATIENCE + STAYS + 2 * LOOK)


@pytest.mark.parametrize(("rule", "begins"), [(goes_first, True), (lambda _: False, False)])
def test_a_large_one_among_ever_new_small_ones_begins_in_its_time_and_without_the_rule_it_does_not(
    rule: Callable[[Ahead], bool], begins: bool
) -> None:
    """The small ones of each minute fill what those before them leave."""
    small = [Visit(asks_at=60.0 * minute, size=2, stays=STAYS) for minute in range(400)]
    large = Visit(asks_at=90.0, size=ROOM, stays=1.0, turn=1)
    lived([*small, large], rule=rule)
    assert large.began is not None
    assert (large.began - large.asks_at <= PATIENCE + STAYS + 2 * LOOK) is begins


def test_one_that_could_never_have_room_holds_up_nobody() -> None:
    assert not goes_first(Ahead(waited=10 * PATIENCE, has_room=False, could_have=False))


def test_small_ones_that_fit_go_before_a_large_one_for_a_while_and_no_longer() -> None:
    assert not goes_first(Ahead(waited=PATIENCE - 1, has_room=False))
    assert goes_first(Ahead(waited=PATIENCE, has_room=False))


def test_what_has_room_and_has_not_looked_since_goes_first_and_one_that_has_looked_is_kept_by_something_else() -> None:
    assert goes_first(Ahead(waited=1, has_room=True))
    assert not goes_first(Ahead(waited=10 * PATIENCE, has_room=True, has_looked=True))
