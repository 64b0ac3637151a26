"""What memory counts as that nobody declares: what was seen, else what was seen of others of the app, else an assumed size."""

from __future__ import annotations

import msgspec
from core.planner.world import process, release
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import AppName, ProcessName
from mooring.model.review import review_environment
from mooring.planner.capacity import peak_memory
from mooring.planner.goal import Wanted
from mooring.planner.usage import ASSUMED_MEMORY, SETTLED, Kind, Peak, Usage, with_seen

WEB = ProcessName("web")
SHOP = EnvironmentId.parse("shop")
ONE, TWO = (review_environment(AppName("shop"), branch) for branch in ("one", "two"))
BLOG = review_environment(AppName("blog"), "one")
NOW = 1000.0


def a_view(memory: int, *, age: float = SETTLED, number: int = 1, environment: EnvironmentId = ONE) -> InstanceView:
    key = InstanceKey(environment, WEB, 1, number)
    return InstanceView(key=key, state=ProcessState.RUNNING, started_at=NOW - age, memory=memory)


def seen(*views: InstanceView) -> dict[Kind, Peak]:
    peaks: dict[Kind, Peak] = {}
    for view in views:
        peaks = with_seen(peaks, [view], now=NOW)
    return peaks


def test_of_one_release_the_most_counts_and_a_newer_release_begins_anew() -> None:
    assert seen(a_view(100), a_view(300), a_view(200)) == {(ONE, WEB): Peak(release=1, memory=300)}
    assert seen(a_view(300), a_view(200, number=2), a_view(300)) == {(ONE, WEB): Peak(release=2, memory=200)}


def test_one_that_has_only_just_started_tells_nothing_but_that_it_uses_more_than_is_assumed() -> None:
    assert seen(a_view(100, age=SETTLED - 1)) == {}
    assert seen(a_view(ASSUMED_MEMORY + 1, age=0)) == {(ONE, WEB): Peak(release=1, memory=ASSUMED_MEMORY + 1)}
    assert seen(msgspec.structs.replace(a_view(100), started_at=0.0)) == {}


def test_what_is_declared_counts_then_what_was_seen_of_it_then_of_others_of_the_app_then_what_is_assumed() -> None:
    usage = Usage(peaks=seen(a_view(300)), reviews=frozenset((ONE, TWO, BLOG)))
    bare = process("web")
    assert usage.of(ONE, msgspec.structs.replace(bare, memory=5)) == 5
    assert [usage.of(each, bare) for each in (ONE, TWO, BLOG)] == [300, 300, ASSUMED_MEMORY]


def test_what_is_no_review_app_counts_as_what_was_seen_of_it_and_nothing_else() -> None:
    bare = process("web")
    assert Usage(peaks=seen(a_view(300)), reviews=frozenset((ONE,))).of(SHOP, bare) == 0
    assert Usage(peaks=seen(a_view(700, environment=SHOP)), reviews=frozenset((ONE,))).of(SHOP, bare) == 700
    assert Usage(peaks=seen(a_view(700, environment=SHOP)), reviews=frozenset((ONE,))).of(ONE, bare) == ASSUMED_MEMORY, (
        "visitors are others'"
    )


@given(st.integers(0, 500), st.integers(1, 4))
def test_counted_for_nobodys_review_app_is_what_is_declared(memory: int, count: int) -> None:
    wanted = Wanted(release=release(1, msgspec.structs.replace(process("web", count=count), memory=memory)))
    assert Usage().counted(wanted) == wanted
    assert Usage().words(wanted) == ""


def test_counted_is_each_instance_and_it_is_said_of_what_declares_none() -> None:
    wanted = Wanted(release=release(1, process("web", count=2), msgspec.structs.replace(process("worker"), memory=100)))
    usage = Usage(reviews=frozenset((wanted.release.environment,)))
    assert peak_memory(usage.counted(wanted), None) == 2 * ASSUMED_MEMORY + 100
    assert usage.words(wanted) == "web declares none and counts as 256.0 MB"
