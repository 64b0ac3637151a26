"""How much memory is declared at a rollout's highest point, and whether declared processors fit."""

from __future__ import annotations

import msgspec
import pytest
from core.planner.world import process, release

from mooring.errors import CapacityExceeded
from mooring.model.names import LOCAL, HostId, ProcessName
from mooring.model.policy import Policy
from mooring.model.quantity import Share
from mooring.planner.capacity import check_processors, peak_memory
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


LOCAL_AND_EU = {LOCAL: 2.0, HostId("eu-1"): 1.0}


def busy(cpus: float, *, count: int = 1, hosts: tuple[str, ...] = ()) -> Wanted:
    web = msgspec.structs.replace(process("web", count=count), cpus=cpus)
    placement = {ProcessName("web"): tuple(HostId(host) for host in hosts)} if hosts else {}
    return Wanted(release=release(1, web), placement=placement)


def test_processors_fit_up_to_the_last_and_what_does_not_is_refused_with_the_host_and_numbers() -> None:
    check_processors(busy(0.1, count=20), [], processors=LOCAL_AND_EU)
    check_processors(busy(0.5, hosts=("eu-1", "local")), [busy(0.5, hosts=("eu-1",))], processors=LOCAL_AND_EU)
    with pytest.raises(CapacityExceeded, match=r"declared cpus do not fit this host: 2\.1 for this app, 0 for other apps, and it has 2"):
        check_processors(busy(0.1, count=21), [], processors=LOCAL_AND_EU)
    with pytest.raises(CapacityExceeded, match=r"host eu-1: 0\.5 for this app, 0\.6 for other apps, and it has 1") as refused:
        check_processors(busy(0.5, hosts=("local", "eu-1")), [busy(0.6, hosts=("eu-1",))], processors=LOCAL_AND_EU)
    assert "on more hosts" in refused.value.hint


def test_where_nobody_knows_how_many_processors_there_are_and_where_none_are_declared_nothing_is_refused() -> None:
    check_processors(busy(64.0), [], processors={LOCAL: 0.0})
    check_processors(busy(0.0), [busy(64.0)], processors=LOCAL_AND_EU)
