"""Several edges as one: all switch together or none does, whatever becomes of one of them and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from engine.stories import BLOG, QUICK, SHOP, check_order, deployed, serving, story, told, until

from mooring.engine.edges import LOOK, Edges
from mooring.engine.orders import ScaleOrder
from mooring.engine.shares import joined, summed
from mooring.errors import InvalidInput, OutcomeUnknown, StaleFence, Unavailable
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.instance import InstanceKey
from mooring.model.lease import Mark
from mooring.model.names import LOCAL, HostId, Hostname, ProcessName, RegionName
from mooring.model.placement import Region
from mooring.model.routing import Broken, Endpoint, EndpointState, PathRoute, RouteTable, RouteView, Traffic
from mooring.planner.routes import active_keys, routed_keys
from mooring.testing.behaviour import Behaviour
from mooring.testing.clock import VirtualClock, run_virtually
from mooring.testing.edge import FakeEdge
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

WEB = ProcessName("web")
EU, US = HostId("eu-1"), HostId("us-1")
TREE = Tree(processes=(process("web", count=1),), policy=QUICK, regions=(Region(name=RegionName("eu")), Region(name=RegionName("us"))))
LOST = OutcomeUnknown("the line broke")


def three(clock: VirtualClock) -> tuple[Edges, dict[HostId, FakeEdge]]:
    members = {LOCAL: FakeEdge(clock), EU: FakeEdge(clock), US: FakeEdge(clock)}
    edges = Edges(clock, members[LOCAL])
    for host in (EU, US):
        edges.place(host, RegionName(host[:2]))
        edges.add(host, members[host])
    return edges, members


def end(host: HostId, release: int, *, is_draining: bool = False, environment: EnvironmentId = SHOP) -> Endpoint:
    key = InstanceKey(environment, WEB, 1 if host == EU else 2, release, host=host)
    state = EndpointState.DRAINING if is_draining else EndpointState.ACTIVE
    return Endpoint(instance=key, address="127.0.0.1", port=20_000 + release, state=state)


def table(*ends: Endpoint, environment: EnvironmentId = SHOP) -> RouteTable:
    routes = (PathRoute(path="/", process=WEB, endpoints=ends),)
    return RouteTable(environment=environment, hostnames=(Hostname(f"{environment.app}.localhost"),), routes=routes)


OLD = table(end(EU, 1), end(US, 1))
NEW = table(end(EU, 2), end(US, 2), end(EU, 1, is_draining=True), end(US, 1, is_draining=True))


def mark(fence: int = 1) -> Mark:
    return Mark(SHOP, "test", fence)


def releases(members: dict[HostId, FakeEdge]) -> list[set[int]]:
    """Those that get requests, by edge."""
    return [{key.release for key in active_keys(edge.table(SHOP))} for edge in members.values()]


def virtually(test: Callable[[VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock()
    run_virtually(test(clock), clock)  # type: ignore[arg-type]  # a coroutine is awaitable


async def view_of(edges: Edges) -> RouteView:
    (view,) = await edges.observe(SHOP)
    return view


def test_each_edge_gets_what_runs_in_its_region_and_the_controllers_own_gets_all() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), NEW)
        assert {host: {key.host for key in routed_keys(edge.table(SHOP))} for host, edge in members.items()} == {
            LOCAL: {EU, US},
            EU: {EU},
            US: {US},
        }
        view = await view_of(edges)
        assert view.table == NEW
        assert view.is_agreed
        assert view.is_acknowledged

    virtually(tell)


def test_what_runs_in_no_region_of_an_edge_concerns_none() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        members[EU].faults.is_down = members[US].faults.is_down = True
        await edges.apply(mark(), table(end(LOCAL, 1)))
        assert releases(members) == [{1}, set(), set()]
        view = await view_of(edges)
        assert view.is_agreed
        assert view.is_acknowledged

    virtually(tell)


@pytest.mark.parametrize("refusing", [LOCAL, EU, US])
@pytest.mark.parametrize("error", [Unavailable("no room"), InvalidInput("a bad table")], ids=["unavailable", "invalid"])
def test_a_switch_that_one_edge_refuses_is_given_back_by_the_others(refusing: HostId, error: Exception) -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        members[refusing].faults.fail("apply", error)
        with pytest.raises(type(error), match=str(error)):
            await edges.apply(mark(), NEW)
        assert releases(members) == [{1}, {1}, {1}]
        assert (await view_of(edges)).table == OLD
        await edges.apply(mark(), NEW)
        assert releases(members) == [{2}, {2}, {2}]

    virtually(tell)


@pytest.mark.parametrize("losing", [LOCAL, EU, US])
def test_a_lost_answer_is_looked_up_and_a_switch_that_has_landed_is_done(losing: HostId) -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        members[losing].faults.lose_answer("apply", LOST)
        await edges.apply(mark(), NEW)
        assert [edge.applied[SHOP] for edge in members.values()] == [2, 2, 2], "nothing was repeated"
        assert (await view_of(edges)).is_acknowledged

    virtually(tell)


@pytest.mark.parametrize("losing", [LOCAL, EU, US])
def test_a_lost_answer_of_a_switch_that_has_not_landed_is_a_refusal(losing: HostId) -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        members[losing].faults.fail("apply", LOST)
        with pytest.raises(Unavailable, match="the line broke"):
            await edges.apply(mark(), NEW)
        assert releases(members) == [{1}, {1}, {1}]

    virtually(tell)


@pytest.mark.parametrize("landed", [True, False])
def test_what_became_of_a_lost_answer_is_unknown_until_the_edge_is_seen_again(landed: bool) -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        apply = members[US].apply

        async def lose(given: Mark, wanted: RouteTable) -> None:
            if landed:
                await apply(given, wanted)
            members[US].faults.is_down = True
            raise LOST

        members[US].apply = lose  # type: ignore[method-assign]  # the line breaks in the middle
        with pytest.raises(OutcomeUnknown):
            await edges.apply(mark(), NEW)
        assert releases(members) == [{2}, {2}, {2} if landed else {1}], "nothing is undone before it is known"
        view = await view_of(edges)
        assert not view.is_acknowledged
        assert {key.release for key in active_keys(view.table)} == {1, 2}, "who may get requests is not to be stopped"
        members[US].faults.is_down = False
        members[US].apply = apply  # type: ignore[method-assign]
        view = await view_of(edges)
        assert view.is_acknowledged
        assert view.is_agreed is landed
        await edges.apply(mark(), NEW)
        assert (await view_of(edges)).table == NEW

    virtually(tell)


def test_no_switch_begins_while_an_edge_does_not_answer() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        members[US].faults.is_down = True
        with pytest.raises(Unavailable, match=r"edge on us-1 does not answer .*: nothing was switched") as told_of:
            await edges.apply(mark(), NEW)
        assert "mooring host rm us-1 --lost" in told_of.value.hint
        assert [edge.applied[SHOP] for edge in members.values()] == [1, 1, 1]
        assert [sight.host for sight in await edges.away(SHOP, [EU, US])] == [US]
        assert await edges.away(BLOG, [EU]) == ()

    virtually(tell)


def test_what_keeps_a_release_well_goes_to_the_other_edges_and_to_the_last_when_it_is_back() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        members[US].faults.is_down = True
        moved = table(msgspec.structs.replace(end(EU, 1), port=30_000), end(US, 1))
        with pytest.raises(Unavailable, match="the others have the routes already"):
            await edges.apply(mark(), moved)
        assert members[EU].table(SHOP) == table(msgspec.structs.replace(end(EU, 1), port=30_000))
        assert (await view_of(edges)).is_agreed, "what the last has is what it would be given"
        maintenance = msgspec.structs.replace(moved, is_maintenance=True)
        with pytest.raises(Unavailable):
            await edges.apply(mark(), maintenance)
        assert not (await view_of(edges)).is_agreed
        members[US].faults.is_down = False
        await edges.apply(mark(), maintenance)
        assert (await view_of(edges)).is_agreed
        assert all(edge.table(SHOP).is_maintenance for edge in members.values())  # type: ignore[union-attr]  # all route it

    virtually(tell)


def test_another_controllers_switch_is_not_undone() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        await members[US].apply(mark(fence=9), table(end(US, 9)))
        with pytest.raises(StaleFence):
            await edges.apply(mark(fence=2), NEW)
        assert releases(members)[2] == {9}

    virtually(tell)


def test_an_edge_that_hangs_is_waited_for_only_so_long() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        answered = asyncio.Event()
        look = members[US].observe

        async def hang(environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
            await answered.wait()
            return await look(environment)

        members[US].observe = hang  # type: ignore[method-assign]  # its line hangs
        began = clock.monotonic()
        assert (await view_of(edges)).table == OLD
        assert clock.monotonic() - began == pytest.approx(LOOK)
        assert next(sight for sight in edges.sights() if sight.host == US).error
        answered.set()
        await edges.observe()
        assert not any(sight.error for sight in edges.sights())

    virtually(tell)


def test_an_edge_that_was_never_seen_leaves_the_environments_of_its_region_alone_unknown() -> None:
    async def tell(clock: VirtualClock) -> None:
        _, members = three(clock)
        await members[LOCAL].apply(mark(), OLD)
        await members[LOCAL].apply(Mark(BLOG, "test", 1), table(end(EU, 5, environment=BLOG), environment=BLOG))
        members[US].faults.is_down = True
        edges = Edges(clock, members[LOCAL])
        for host in (EU, US):
            edges.place(host, RegionName(host[:2]))
        edges.add(US, members[US])
        assert {view.table.environment: view.is_acknowledged for view in await edges.observe()} == {SHOP: False, BLOG: True}
        edges.forget(US)
        assert all(view.is_acknowledged and view.is_agreed for view in await edges.observe())

    virtually(tell)


def test_a_removal_is_from_all_and_an_edge_that_could_not_keeps_it_known() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        await edges.observe()
        members[US].faults.fail("remove")
        with pytest.raises(Unavailable):
            await edges.remove(mark())
        assert [edge.table(SHOP) for edge in members.values()][:2] == [None, None]
        view = await view_of(edges)
        assert {key.host for key in routed_keys(view.table)} == {US}
        await edges.remove(mark())
        assert await edges.observe() == ()

    virtually(tell)


def test_counts_are_the_sums_of_all_edges() -> None:
    async def tell(clock: VirtualClock) -> None:
        edges, members = three(clock)
        await edges.apply(mark(), OLD)
        slug = end(EU, 1).instance.slug
        members[LOCAL].flying[slug], members[EU].flying[slug], members[EU].streams[slug] = 2, 3, 4
        view = await view_of(edges)
        assert (view.in_flight, view.streams) == ({slug: 5}, {slug: 4})
        since = clock.wall()
        for edge, count in zip(members.values(), (1, 2, 3), strict=True):
            edge.upstreams = {("127.0.0.1", 20_001): _answers}
            for _ in range(count):
                assert (await edge.ask("shop.localhost")).status == 200
        traffic: Traffic = await edges.traffic(SHOP, since=since, until=clock.wall())
        assert (traffic.requests, traffic.failed, traffic.by_release) == (6, 0, {"1": 6})

    virtually(tell)


def test_the_sum_of_one_edge_is_that_edges_own_in_every_field() -> None:
    counts = {name: number for number, name in enumerate(Traffic.__struct_fields__, start=1) if type(getattr(Traffic(), name)) is int}
    times = {name: 0.5 for name in Traffic.__struct_fields__ if isinstance(getattr(Traffic(), name), float)}
    own = Traffic(**counts, **times, slowest_path="/a", by_release={"1": 2}, broken={"a": Broken(1, 2.0)}, failures=("one",))
    assert all(getattr(own, name) != getattr(Traffic(), name) for name in Traffic.__struct_fields__)
    assert summed([own]) == own


async def _answers(_: str) -> tuple[int, str]:
    return 200, "hello"


@pytest.mark.parametrize("tables", [(NEW, OLD), (OLD, NEW)])
def test_where_edges_do_not_agree_who_serves_by_any_of_them_is_active(tables: tuple[RouteTable, RouteTable]) -> None:
    views = [RouteView(table=each) for each in tables]
    found = joined(views, is_agreed=False, is_acknowledged=True)
    assert active_keys(found.table) == active_keys(OLD) | active_keys(NEW)
    assert joined(views, is_agreed=True, is_acknowledged=True).table == tables[0]


def three_edges(platform: FakePlatform) -> dict[HostId, FakeEdge]:
    for host in (EU, US):
        platform.add_host(host, region=host[:2])
        platform.add_edge(host)
    return {LOCAL: platform.edge, **platform.edges}


@story
async def test_a_deployment_does_not_begin_while_an_edge_is_cut_off_and_says_which(platform: FakePlatform) -> None:
    members = three_edges(platform)
    await deployed(platform, TREE)
    members[US].faults.is_down = True
    plan = await platform.controller.preview(SHOP, platform.order(TREE))
    assert any("the edge on us-1 does not answer" in note for note in plan.notes)
    ended = await platform.run(SHOP, platform.order(TREE))
    assert ended.outcome is Outcome.FAILED
    assert "edge on us-1 does not answer" in ended.error
    assert not [event for event in told(platform, EventKind.STEP_STARTED) if event.fields["summary"].startswith("start v2")]
    members[US].faults.is_down = False
    assert (await deployed(platform, TREE)).number == 3
    await check_order(platform)


@story
async def test_an_edge_cut_off_in_the_middle_and_back_ends_with_one_release_on_all(platform: FakePlatform) -> None:
    members = three_edges(platform)
    await deployed(platform, TREE)
    platform.runtime.behave = lambda _: Behaviour(ready_after=2.0)
    for runtime in platform.world.hosts.values():
        runtime.behave = lambda _: Behaviour(ready_after=2.0)
    deployment = platform.deploy(SHOP, TREE)
    await until(platform, lambda: any(life.spec.key.release == 2 for life in platform.world.lives()))
    members[US].faults.is_down = True
    await platform.clock.sleep(10)
    assert releases(members) == [{1}, {1}, {1}]
    members[US].faults.is_down = False
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert releases(members) == [{2}, {2}, {2}]
    await check_order(platform)


@story
async def test_an_edge_that_stays_cut_off_turns_it_round_and_is_as_the_others_when_it_is_back(platform: FakePlatform) -> None:
    members = three_edges(platform)
    await deployed(platform, TREE)
    for runtime in platform.world.hosts.values():
        runtime.behave = lambda _: Behaviour(ready_after=2.0)
    deployment = platform.deploy(SHOP, TREE)
    await until(platform, lambda: any(life.spec.key.release == 2 for life in platform.world.lives()))
    members[US].faults.is_down = True
    assert (await platform.end(deployment)).outcome is Outcome.FAILED
    assert releases(members) == [{1}, {1}, {1}]
    members[US].faults.is_down = False
    await check_order(platform)


@story
async def test_an_instance_that_moves_its_port_is_routed_again_where_an_edge_answers(platform: FakePlatform) -> None:
    """An edge that is cut off keeps no other region from healing."""
    members = three_edges(platform)
    await deployed(platform, TREE)
    platform.laws.is_calm = False
    members[US].faults.is_down = True
    platform.world.hosts[EU].lose_host()
    await until(platform, lambda: not serving(platform)[0].endswith("eu-1"))
    await until(platform, lambda: any(key.host == EU for key in active_keys(members[EU].table(SHOP))))
    members[US].faults.is_down = False
    await platform.rest(20)
    await check_order(platform)


@story
async def test_an_edge_that_is_added_to_a_running_platform_gets_its_routes_and_one_taken_away_holds_nobody_up(
    platform: FakePlatform,
) -> None:
    for host in (EU, US):
        platform.add_host(host, region=host[:2])
    await deployed(platform, TREE)
    added = platform.add_edge(US)
    await until(platform, lambda: active_keys(added.table(SHOP)) != frozenset())
    await check_order(platform)
    added.faults.is_down = True
    platform.edges.pop(US)
    platform.controller.edges.drop(US)
    await deployed(platform, TREE)
    await platform.end(platform.submit(SHOP, ScaleOrder(counts={WEB: 1})))
    await check_order(platform)


@story
async def test_what_an_edge_that_is_silent_since_the_switch_has_in_flight_to_the_old_is_not_taken_for_nothing(
    platform: FakePlatform,
) -> None:
    members = three_edges(platform)
    await deployed(platform, TREE)
    old = end(US, 1).instance
    members[US].flying[old.slug] = 1
    apply = members[US].apply

    async def fall_silent(given: Mark, wanted: RouteTable) -> None:
        await apply(given, wanted)
        members[US].faults.is_down = True

    members[US].apply = fall_silent  # type: ignore[method-assign]  # its line breaks right after its answer
    deployment = platform.deploy(SHOP, TREE)
    await until(platform, lambda: releases(members) == [{2}, {2}, {2}])
    await platform.clock.sleep(QUICK.bake + 5.0)
    assert old in platform.running(SHOP)
    members[US].faults.is_down = False
    await platform.clock.sleep(3.0)
    assert old in platform.running(SHOP), "now it has said that a request is under way"
    members[US].flying[old.slug] = 0
    members[US].apply = apply  # type: ignore[method-assign]
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    await check_order(platform)
