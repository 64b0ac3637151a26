"""Where instances go: as many as asked, evenly, never where they may not, and where they were if they are to stay."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from core.planner.world import process, release
from hypothesis import assume, given
from hypothesis import strategies as st

from mooring.errors import InvalidInput
from mooring.model.host import Host, HostAddress, HostRuntime
from mooring.model.names import HostId, ProcessName, RegionName
from mooring.model.placement import Region
from mooring.model.release import Release
from mooring.planner.goal import Wanted
from mooring.planner.placement import place

EU, US = RegionName("eu"), RegionName("us")
WEB, CLOCK = ProcessName("web"), ProcessName("clock")


def host(name: str, *, region: RegionName = EU, runtime: HostRuntime = HostRuntime.SYSTEMD, is_draining: bool = False) -> Host:
    return Host(name=HostId(name), address=HostAddress("root", name), runtime=runtime, region=region, is_draining=is_draining)


def app(*regions: Region, runtime: HostRuntime | None = None, web: int = 1) -> Release:
    return msgspec.structs.replace(release(1, process("web", count=web), process("clock", single=True)), regions=regions, runtime=runtime)


hosts_drawn = st.lists(
    st.builds(
        host,
        st.integers(1, 30).map(lambda number: f"h{number}"),
        region=st.sampled_from([EU, US]),
        runtime=st.sampled_from([HostRuntime.SYSTEMD, HostRuntime.DOCKER]),
        is_draining=st.booleans(),
    ),
    unique_by=lambda each: each.name,
    max_size=8,
)


@given(
    hosts_drawn,
    st.integers(0, 12),
    st.sampled_from([None, HostRuntime.DOCKER]),
    st.dictionaries(st.just(HostId("h1")), st.integers(0, 9)),
)
def test_as_many_as_asked_evenly_and_only_where_they_may_be(
    hosts: list[Host], web: int, runtime: HostRuntime | None, load: dict[HostId, int]
) -> None:
    wanted = app(Region(name=EU), Region(name=US), runtime=runtime, web=web)
    usable = {
        region: [each.name for each in hosts if each.region == region and not each.is_draining and runtime in (None, each.runtime)]
        for region in (EU, US)
    }
    if not all(usable.values()):
        with pytest.raises(InvalidInput, match="no host that can be used"):
            place(wanted, {}, hosts, load=load)
        return
    placed = place(wanted, {}, hosts, load=load)
    for index, region in enumerate((EU, US)):
        slots = placed[WEB][index * web : (index + 1) * web]
        assert len(slots) == web
        counts = Counter(slots)
        assert set(counts) <= set(usable[region])
        assert max((counts[name] for name in usable[region]), default=0) - min((counts[name] for name in usable[region]), default=0) <= 1
    assert len(placed[CLOCK]) == 1
    assert placed[CLOCK][0] in usable[EU]
    assert place(wanted, {}, hosts, load=load) == placed


@given(
    hosts_drawn.filter(lambda hosts: any(each.region == EU and not each.is_draining for each in hosts)),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_what_runs_stays_where_it_is_when_it_is_scaled(hosts: list[Host], before: int, after: int) -> None:
    first = place(app(Region(name=EU), web=before), {}, hosts)
    second = place(app(Region(name=EU), web=after), {}, hosts, kept=first)
    shorter = min(before, after)
    assert second[WEB][:shorter] == first[WEB][:shorter]


@given(hosts_drawn, st.lists(st.fixed_dictionaries({EU: st.integers(0, 5), US: st.integers(0, 5)}), min_size=2, max_size=4))
def test_scaling_an_app_of_two_regions_moves_nothing_that_could_stay(hosts: list[Host], counts: list[dict[RegionName, int]]) -> None:
    assume(all(any(each.region == region and not each.is_draining for each in hosts) for region in (EU, US)))
    of, placed, before = {each.name: each.region for each in hosts}, None, {EU: 0, US: 0}
    for after in counts:
        kept, placed = placed, place(app(*(Region(name=name, counts={WEB: after[name]}) for name in (EU, US))), {}, hosts, kept=placed)
        assert Counter(of[name] for name in placed[WEB] if name) == Counter(after)
        assert placed[WEB][-1:] != (None,)
        stay = {(slot, name) for slot, name in enumerate(kept[WEB] if kept else ()) if name} & set(enumerate(placed[WEB]))
        assert len(stay) == sum(min(before[name], after[name]) for name in (EU, US))
        before = after


def test_a_slot_of_a_region_that_became_smaller_is_left_empty_and_the_next_instance_takes_it() -> None:
    hosts = [host("e1"), host("e2"), host("u1", region=US), host("u2", region=US)]
    two = place(app(Region(name=EU), Region(name=US), web=2), {}, hosts)
    assert two[WEB] == ("e1", "e2", "u1", "u2")
    three = place(app(Region(name=EU), Region(name=US), web=3), {}, hosts, kept=two)
    assert three[WEB] == ("e1", "e2", "u1", "u2", "e1", "u1")
    one = place(app(Region(name=EU), Region(name=US), web=1), {}, hosts, kept=two)
    assert one[WEB] == ("e1", None, "u1")
    again = place(app(Region(name=EU), Region(name=US), web=2), {}, hosts, kept=one)
    assert again[WEB] == ("e1", "e2", "u1", "u2")
    scaled = Wanted(release=app(Region(name=EU), Region(name=US)), placement=one)
    web, _ = scaled.release.processes
    assert scaled.count(web) == 2
    assert [(key.slot, key.host) for key in scaled.instances_of(web)] == [(1, "e1"), (3, "u1")]


def test_what_runs_on_a_host_that_is_drained_moves_alone() -> None:
    before = [host("e1"), host("e2"), host("u1", region=US)]
    first = place(app(Region(name=EU), Region(name=US), web=2), {}, before)
    drained = [host("e1"), host("e2", is_draining=True), host("u1", region=US)]
    second = place(app(Region(name=EU), Region(name=US), web=2), {}, drained, kept=first)
    assert (first[WEB], second[WEB]) == (("e1", "e2", "u1", "u1"), ("e1", "e1", "u1", "u1"))


def test_without_a_region_all_of_it_runs_on_the_local_host() -> None:
    assert place(app(), {}, [host("h1")]) == {}


def test_a_region_may_name_its_hosts_and_counts_of_its_own() -> None:
    regions = (Region(name=EU, hosts=(HostId("h2"), HostId("h1")), counts={WEB: 3}), Region(name=US))
    placed = place(app(*regions), {WEB: 1}, [host("h1"), host("h2"), host("h3"), host("u1", region=US)])
    assert placed[WEB] == ("h2", "h1", "h2", "u1")


def test_of_hosts_that_are_alike_the_emptier_one_is_taken() -> None:
    placed = place(app(Region(name=EU)), {}, [host("h1"), host("h2")], load={HostId("h1"): 5})
    assert placed == {WEB: ("h2",), CLOCK: ("h1",)}


@pytest.mark.parametrize(
    ("hosts", "region", "runtime", "said"),
    [
        ([], Region(name=EU), None, "region eu has no host that can be used: it has none"),
        ([host("h1", is_draining=True)], Region(name=EU), None, "h1 is draining"),
        ([host("h1")], Region(name=EU), HostRuntime.DOCKER, "h1 runs systemd, and the app asks for docker"),
        ([host("h1")], Region(name=EU, hosts=(HostId("h9"),)), None, "region eu names h9, and there is no such host"),
    ],
)
def test_what_keeps_it_from_being_placed_is_said(hosts: list[Host], region: Region, runtime: HostRuntime | None, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        place(app(region, runtime=runtime), {}, hosts)
