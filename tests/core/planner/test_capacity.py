"""How much memory is declared at a rollout's highest point."""

from __future__ import annotations

import msgspec
from core.planner.world import process, release

from mooring.model.names import ProcessName
from mooring.model.policy import Policy
from mooring.model.quantity import Share
from mooring.planner.capacity import peak_memory
from mooring.planner.goal import Wanted

IN_PLACE = Policy(max_surge=Share(amount=0), max_unavailable=Share(amount=1))


def wanted(number: int, *, count: int, memory: int, policy: Policy = IN_PLACE) -> Wanted:
    return Wanted(release=release(number, msgspec.structs.replace(process("web", count=count), memory=memory), policy=policy))


def scaled(before: Wanted, count: int) -> Wanted:
    return msgspec.structs.replace(before, counts={ProcessName("web"): count})


def test_old_and_new_run_side_by_side_where_the_new_start_first() -> None:
    start_first = Policy()
    before, after = wanted(1, count=2, memory=100, policy=start_first), wanted(2, count=3, memory=100, policy=start_first)
    assert peak_memory(after, before) == 500


def test_one_that_takes_an_old_one_s_place_needs_what_it_declares_above_it() -> None:
    before = wanted(1, count=2, memory=100)
    assert peak_memory(wanted(2, count=2, memory=100), before) == 200
    assert peak_memory(wanted(2, count=2, memory=300), before) == 600
    assert peak_memory(wanted(2, count=2, memory=50), before) == 200
    assert peak_memory(wanted(2, count=3, memory=100), before) == 300


def test_those_that_stay_give_up_no_place_to_those_that_are_added() -> None:
    before = wanted(1, count=1, memory=100)
    assert peak_memory(scaled(before, 3), before) == 300
    assert peak_memory(before, scaled(before, 3)) == 300
