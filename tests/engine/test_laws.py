"""The watch over the laws, itself watched: each law, broken on purpose in the world, is told."""

from __future__ import annotations

import msgspec
from engine.stories import QUICK, SHOP, deployed, web

from mooring.model.instance import InstanceKey, InstanceSpec, TaskSpec
from mooring.model.lease import Mark
from mooring.model.names import ProcessName
from mooring.model.routing import EndpointState
from mooring.testing.behaviour import Behaviour
from mooring.testing.clock import run_virtually
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

MARK = Mark(environment=SHOP, operation="a test", fence=10_000_000_000)
TREE = Tree(processes=(process("web", count=2), process("clock", is_single=True)), policy=QUICK, release_command="migrate")


async def begun(platform: FakePlatform) -> None:
    await platform.start()
    await deployed(platform, TREE)
    await platform.stop()
    assert platform.laws.broken == []


def broken(platform: FakePlatform, *points: Point) -> list[str]:
    for point in points:
        platform.laws.check(point)
    return sorted({told.partition(":")[0] for told in platform.laws.broken})


def told_of(act: object, *points: Point) -> list[str]:
    """The laws that are broken when, after a deployment, this is done to the world."""
    platform = FakePlatform()

    async def story() -> list[str]:
        await begun(platform)
        await act(platform)  # type: ignore[operator]  # a coroutine function
        return broken(platform, *points)

    return run_virtually(story(), platform.clock)


def spec(key: InstanceKey) -> InstanceSpec:
    return InstanceSpec(key=key, command="run", directory="/", is_routed=key.process == "web")


async def nothing(_: FakePlatform) -> None:
    """The world stays as it is."""


async def rerouted(platform: FakePlatform, change: EndpointState, *, slot: int) -> None:
    table = platform.edge.table(SHOP)
    assert table is not None
    ends = tuple(msgspec.structs.replace(end, state=change) if end.instance.slot == slot else end for end in table.routes[0].endpoints)
    route = msgspec.structs.replace(table.routes[0], endpoints=ends)
    await platform.edge.apply(MARK, msgspec.structs.replace(table, routes=(route,)))


def test_law_1_is_broken_when_fewer_serve_than_are_desired() -> None:
    async def drain_one(platform: FakePlatform) -> None:
        await rerouted(platform, EndpointState.DRAINING, slot=1)

    assert told_of(drain_one, Point(Moment.AFTER, "edge.apply", SHOP)) == ["law 1"]


def test_law_2_is_broken_when_the_edge_points_at_one_that_is_not_ready() -> None:
    async def route_an_unready_one(platform: FakePlatform) -> None:
        platform.laws.is_calm = False
        await rerouted(platform, EndpointState.DRAINING, slot=1)
        broken(platform, Point(Moment.AFTER, "edge.apply", SHOP))
        life = platform.runtime.life(web(1))
        assert life is not None
        life.behaviour = Behaviour(ready_after=1_000_000.0)
        await rerouted(platform, EndpointState.ACTIVE, slot=1)

    assert told_of(route_an_unready_one, Point(Moment.AFTER, "edge.apply", SHOP)) == ["law 2"]


def test_laws_2_and_11_are_broken_when_one_that_serves_is_stopped_without_a_word() -> None:
    assert told_of(nothing, Point(Moment.BEFORE, "runtime.stop", web(1))) == ["law 11", "law 2"]


def test_law_3_is_broken_when_one_is_stopped_with_requests_in_flight() -> None:
    async def fly(platform: FakePlatform) -> None:
        platform.laws.is_calm = False
        await rerouted(platform, EndpointState.DRAINING, slot=1)
        platform.edge.flying[web(1).slug] = 3

    assert "law 3" in told_of(fly, Point(Moment.AFTER, "edge.apply", SHOP), Point(Moment.BEFORE, "runtime.stop", web(1)))


def test_law_5_is_broken_when_two_release_commands_run_at_once() -> None:
    async def run_two(platform: FakePlatform) -> None:
        platform.runtime.behave_task = lambda _: Behaviour(exits_after=100.0)
        for name in ("release.v7", "release.v8"):
            task = TaskSpec(environment=SHOP, name=name, command="x", directory="/", timeout=1_000.0, release=7)
            await platform.runtime.run_task(MARK, task, {})

    assert told_of(run_two, Point(Moment.AFTER, "runtime.run_task", SHOP)) == ["law 5"]


def test_law_6_is_broken_when_a_single_one_runs_twice() -> None:
    second = InstanceKey(SHOP, ProcessName("clock"), 1, 1, 1)

    async def start_a_second(platform: FakePlatform) -> None:
        await platform.runtime.start(MARK, spec(second), {})

    assert told_of(start_a_second, Point(Moment.AFTER, "runtime.start", second)) == ["law 6"]


def test_law_11_is_broken_by_an_effect_without_an_intent() -> None:
    assert told_of(nothing, Point(Moment.BEFORE, "edge.apply", SHOP)) == ["law 11"]
