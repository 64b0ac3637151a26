"""One environment on several hosts: all or none, whatever becomes of one of them."""

from __future__ import annotations

from collections import Counter

import msgspec
from engine.stories import FULL, QUICK, SHOP, check_order, deployed, running, serving, story, told, until

from mooring.engine.orders import DestroyOrder, RollbackOrder, ScaleOrder
from mooring.model.deployment import Outcome
from mooring.model.events import EventKind
from mooring.model.health import Check, CheckKind, Checks, Health
from mooring.model.instance import InstanceKey
from mooring.model.lease import Mark
from mooring.model.names import HostId, ProcessName, RegionName
from mooring.model.placement import Region
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.runtime import FakeRuntime
from mooring.testing.workshop import Tree, process

EU = Region(name=RegionName("eu"))
SPREAD = Tree(processes=(process("web", count=3),), policy=QUICK, regions=(EU,))
WEB = ProcessName("web")
_ASK = Check(kind=CheckKind.HTTP, paths=("/up",), interval=0.5, failures=2)
LIVE = Checks(startup=_ASK, readiness=_ASK, liveness=_ASK)


def three_hosts(platform: FakePlatform) -> tuple[FakeRuntime, FakeRuntime, FakeRuntime]:
    return platform.add_host("eu-1"), platform.add_host("eu-2"), platform.add_host("eu-3")


def on(host: str, slot: int, *, release: int = 1) -> InstanceKey:
    return InstanceKey(SHOP, WEB, slot, release, host=HostId(host))


def unplug(runtime: FakeRuntime) -> None:
    """The host is off: it neither answers nor does anything, and nothing on it lives."""
    runtime.faults.is_down = True
    runtime.lose_host()


@story
async def test_instances_are_spread_over_the_hosts_of_the_region(platform: FakePlatform) -> None:
    three_hosts(platform)
    deployment = await deployed(platform, SPREAD)
    assert serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2", "v1 web.3 on eu-3"]
    assert deployment.receipt is not None
    assert deployment.receipt.bytes_sent == 3 * 1_000
    await check_order(platform)


@story
async def test_scaling_in_two_regions_starts_and_stops_what_it_must_and_moves_nothing(platform: FakePlatform) -> None:
    eu, us = platform.add_host("eu-1"), platform.add_host("us-1", region="us")
    regions = (EU, Region(name=RegionName("us")))
    await deployed(platform, Tree(processes=(process("web", count=2),), policy=QUICK, regions=regions))
    assert serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-1", "v1 web.3 on us-1", "v1 web.4 on us-1"]
    for count, expected in (
        (1, ["web.1 on eu-1", "web.3 on us-1"]),
        (2, ["web.1 on eu-1", "web.2 on eu-1", "web.3 on us-1", "web.4 on us-1"]),
    ):
        deployment = await platform.run(SHOP, ScaleOrder(counts={WEB: count}))
        assert deployment.outcome is Outcome.SUCCEEDED
        assert serving(platform) == [f"v1 {each}" for each in expected]
    assert [eu.starts[on("eu-1", 1)], us.starts[on("us-1", 3)]] == [1, 1], "they served on"
    assert [eu.starts[on("eu-1", 2)], us.starts[on("us-1", 4)]] == [2, 2]
    await check_order(platform)


@story
async def test_a_second_deployment_replaces_them_on_every_host_and_sends_what_is_new(platform: FakePlatform) -> None:
    hosts = three_hosts(platform)
    await deployed(platform, SPREAD)
    await deployed(platform, SPREAD)
    assert serving(platform) == ["v2 web.1 on eu-1", "v2 web.2 on eu-2", "v2 web.3 on eu-3"]
    assert [len(host.lives()) for host in hosts] == [1, 1, 1]
    await check_order(platform)


@story
async def test_a_host_without_room_ends_it_before_anything_is_started_anywhere(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    platform.add_host("eu-2", room=1_500)
    await deployed(platform, msgspec.structs.replace(SPREAD, size=1_000))
    before = running(platform)
    ended = await platform.run(SHOP, platform.order(msgspec.structs.replace(SPREAD, size=2_000)))
    assert ended.outcome is Outcome.FAILED
    assert "2000 bytes" in ended.error
    assert running(platform) == before == serving(platform)
    assert not [event for event in told(platform, EventKind.STEP_STARTED) if event.fields["summary"].startswith("start v2")]


@story
async def test_a_host_that_is_off_before_a_deployment_ends_it_and_the_rest_serves_on(platform: FakePlatform) -> None:
    _, _, third = three_hosts(platform)
    await deployed(platform, SPREAD)
    platform.laws.is_calm = False
    unplug(third)
    ended = await platform.run(SHOP, platform.order(SPREAD))
    assert ended.outcome is Outcome.FAILED
    assert "eu-3" in ended.error
    assert serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2"]


@story
async def test_a_host_lost_in_the_middle_of_preparing_turns_it_round_on_all(platform: FakePlatform) -> None:
    _, _, third = three_hosts(platform)
    await deployed(platform, SPREAD)
    platform.laws.is_calm = False
    third.behave = lambda spec: Behaviour(ready_after=3.0)
    identity = platform.deploy(SHOP, SPREAD)
    await until(platform, lambda: "v2 web.3 on eu-3" in running(platform))
    unplug(third)
    ended = await platform.end(identity)
    assert ended.outcome in (Outcome.FAILED, Outcome.NEEDS_PERSON)
    assert serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2"]
    third.faults.is_down = False
    await platform.rest(10.0)
    assert serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2", "v1 web.3 on eu-3"]


@story
async def test_a_host_lost_after_the_switch_takes_the_others_back_to_one_release_and_follows_when_it_is_there_again(
    platform: FakePlatform,
) -> None:
    third = three_hosts(platform)[2]
    policy = msgspec.structs.replace(QUICK, bake=10.0, progress_deadline=30.0)
    watched = msgspec.structs.replace(SPREAD, processes=(process("web", count=3, checks=LIVE),), policy=policy)
    await deployed(platform, watched)
    platform.laws.is_calm = False
    identity = platform.deploy(SHOP, watched)
    await until(platform, lambda: serving(platform) == [f"v2 web.{slot} on eu-{slot}" for slot in (1, 2, 3)])
    platform.world.cut_off.add(HostId("eu-3"))
    third.faults.is_down = True
    await until(platform, lambda: serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2"], within=15.0)
    ended = await platform.end(identity)
    assert ended.outcome is Outcome.NEEDS_PERSON
    assert "eu-3 did not answer: what runs there is brought to v1 once it does" in ended.error
    assert [name for name in running(platform) if not name.endswith("eu-3")] == serving(platform)
    platform.world.cut_off.clear()
    third.faults.is_down = False
    await until(platform, lambda: running(platform) == serving(platform) == [f"v1 web.{slot} on eu-{slot}" for slot in (1, 2, 3)])
    await check_order(platform)


@story
async def test_an_abort_while_a_host_is_silent_ends_in_the_old_release_on_all_as_soon_as_it_can_be_told(platform: FakePlatform) -> None:
    third = three_hosts(platform)[2]
    watched = msgspec.structs.replace(SPREAD, policy=msgspec.structs.replace(QUICK, bake=60.0, progress_deadline=120.0))
    await deployed(platform, watched)
    identity = platform.deploy(SHOP, watched)
    await until(platform, lambda: serving(platform) == [f"v2 web.{slot} on eu-{slot}" for slot in (1, 2, 3)])
    third.faults.is_down = True
    await platform.clock.sleep(10.0)
    platform.abort(identity)
    old = [f"v1 web.{slot} on eu-{slot}" for slot in (1, 2, 3)]
    await until(platform, lambda: serving(platform) == old and running(platform) == [*old, "v2 web.3 on eu-3"], within=15.0)
    third.faults.is_down = False
    ended = await platform.end(identity)
    assert ended.outcome is Outcome.ABORTED
    assert running(platform) == serving(platform) == old
    await check_order(platform)


@story
async def test_where_only_the_controller_does_not_reach_a_host_its_newer_instance_stands_in_for_the_old_one_that_is_gone_there(
    platform: FakePlatform,
) -> None:
    """As many serve as should, and one release alone on all the others; a process type that is single goes back too."""
    platform.add_host("eu-1")
    second = platform.add_host("eu-2")
    second.behave = lambda _: Behaviour(stop_takes=5.0)
    policy = msgspec.structs.replace(QUICK, progress_deadline=10.0)
    tree = msgspec.structs.replace(SPREAD, processes=(process("web", count=2), process("clock", is_single=True)), policy=policy)
    await deployed(platform, tree)
    identity = platform.deploy(SHOP, tree)
    await until(platform, lambda: any(life.stops_at is not None for life in second.lives()))
    second.faults.is_down = True
    ended = await platform.end(identity)
    assert ended.outcome is Outcome.NEEDS_PERSON
    assert serving(platform) == ["v1 web.1 on eu-1", "v2 web.2 on eu-2"]
    assert running(platform) == ["v1 clock.1 on eu-1", "v1 web.1 on eu-1", "v2 web.2 on eu-2"]
    second.faults.is_down = False
    await until(platform, lambda: running(platform) == ["v1 clock.1 on eu-1", "v1 web.1 on eu-1", "v1 web.2 on eu-2"])
    await check_order(platform)


@story
async def test_a_host_that_comes_back_with_the_old_release_gets_no_requests_for_it_and_loses_it(platform: FakePlatform) -> None:
    """As one whose disk was put back from an image of before."""
    _, second, _ = three_hosts(platform)
    await deployed(platform, SPREAD)
    image = {life.spec.key: life for life in second.lives()}
    await deployed(platform, SPREAD)
    second.put_back(image)
    await until(platform, lambda: running(platform) == serving(platform) == [f"v2 web.{slot} on eu-{slot}" for slot in (1, 2, 3)])
    await check_order(platform)


@story
async def test_what_cannot_be_told_to_stop_keeps_a_deployment_from_succeeding(platform: FakePlatform) -> None:
    """Nobody may call the old release gone while it may still run."""
    platform.add_host("eu-1")
    second = platform.add_host("eu-2")
    two = msgspec.structs.replace(SPREAD, processes=(process("web", count=2),))
    await deployed(platform, two)
    second.faults.is_down = True
    only_first = msgspec.structs.replace(two, regions=(Region(name=EU.name, hosts=(HostId("eu-1"),)),))
    ended = await platform.run(SHOP, platform.order(only_first))
    assert ended.outcome is Outcome.REVERTED
    assert serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2"]


@story
async def test_a_host_that_was_taken_away_for_good_holds_nobody_up(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    second = platform.add_host("eu-2")
    await deployed(platform, msgspec.structs.replace(SPREAD, processes=(process("web", count=2),)))
    platform.laws.is_calm = False
    unplug(second)
    await platform.take_host("eu-2")
    await deployed(platform, msgspec.structs.replace(SPREAD, processes=(process("web", count=2),)))
    assert serving(platform) == ["v2 web.1 on eu-1", "v2 web.2 on eu-1"]
    await check_order(platform)


@story
async def test_a_controller_that_starts_while_a_host_does_not_answer_takes_nothing_for_gone(platform: FakePlatform) -> None:
    """The app there goes on answering: its route stays."""
    _, second, _ = three_hosts(platform)
    await deployed(platform, SPREAD)
    before = serving(platform)
    platform.crash()
    second.faults.is_down = True
    await platform.start()
    await platform.rest(10.0)
    assert serving(platform) == before
    assert sum(event.fields["summary"] == "start v1 web.2 on eu-2" for event in told(platform, EventKind.STEP_STARTED)) == 1
    second.faults.is_down = False
    await check_order(platform)


@story
async def test_what_runs_on_a_host_that_was_cut_off_is_adopted_as_it_is_and_restarted_only_if_it_is_sick_by_itself(
    platform: FakePlatform,
) -> None:
    third = three_hosts(platform)[2]
    await deployed(platform, msgspec.structs.replace(SPREAD, processes=(process("web", count=3, checks=LIVE),)))
    platform.laws.is_calm = False
    (life,) = third.lives()
    for behaviour, restarts in ((Behaviour(), 0), (Behaviour(answers=500), 1)):
        platform.world.cut_off.add(HostId("eu-3"))
        third.faults.is_down = True
        await until(platform, lambda: serving(platform) == ["v1 web.1 on eu-1", "v1 web.2 on eu-2"])
        await platform.clock.sleep(10)
        life.behaviour = behaviour
        third.faults.is_down = False
        platform.world.cut_off.clear()
        await until(platform, lambda expected=restarts: life.restarts == expected)
        life.behaviour = Behaviour()
        await until(platform, lambda: len(serving(platform)) == 3)
        await platform.clock.sleep(5)
        assert life.restarts == restarts
    await check_order(platform)


@story
async def test_a_deployment_of_a_controller_that_was_overtaken_ends_and_says_so(platform: FakePlatform) -> None:
    """As where two have the same state, since one was restored from a backup of the other."""
    third = three_hosts(platform)[2]
    await deployed(platform, SPREAD)
    before = running(platform)
    await third.reclaim(Mark(SHOP, "another controller's", fence=1 << 47), keep=frozenset(third.delivered))
    ended = await platform.run(SHOP, platform.order(SPREAD))
    assert ended.outcome is Outcome.NEEDS_PERSON
    assert "another controller has taken over this environment" in ended.error
    assert running(platform) == before == serving(platform)


@story
async def test_a_single_process_on_a_host_that_is_off_is_not_started_a_second_time_elsewhere(platform: FakePlatform) -> None:
    first, second = platform.add_host("eu-1"), platform.add_host("eu-2")
    tree = Tree(processes=(process("clock", is_single=True),), policy=QUICK, regions=(EU,))
    await deployed(platform, tree)
    assert [len(host.lives()) for host in (first, second)] == [1, 0]
    platform.crash()
    first.faults.is_down = True
    await platform.start()
    moved = msgspec.structs.replace(tree, regions=(Region(name=EU.name, hosts=(HostId("eu-2"),)),))
    ended = await platform.run(SHOP, platform.order(moved))
    assert ended.outcome is not Outcome.SUCCEEDED
    assert [len(host.lives()) for host in (first, second)] == [1, 0]


@story
async def test_scaling_moves_nothing_that_runs(platform: FakePlatform) -> None:
    three_hosts(platform)
    await deployed(platform, SPREAD)
    before = platform.running(SHOP)
    ended = await platform.run(SHOP, ScaleOrder(counts={WEB: 5}))
    assert ended.outcome is Outcome.SUCCEEDED
    assert before < platform.running(SHOP)
    assert sorted(Counter(key.host for key in platform.running(SHOP)).values()) == [1, 2, 2]


@story
async def test_a_rollback_is_all_or_none_too(platform: FakePlatform) -> None:
    three_hosts(platform)
    await deployed(platform, SPREAD)
    await deployed(platform, SPREAD)
    ended = await platform.run(SHOP, RollbackOrder())
    assert ended.outcome is Outcome.SUCCEEDED
    assert serving(platform) == ["v3 web.1 on eu-1", "v3 web.2 on eu-2", "v3 web.3 on eu-3"]


@story
async def test_the_release_command_runs_once_on_one_host(platform: FakePlatform) -> None:
    hosts = three_hosts(platform)
    await deployed(platform, msgspec.structs.replace(FULL, regions=(EU,)))
    counts = [host.starts.get((SHOP, "release.v1"), 0) for host in hosts]
    assert sum(counts) == 1
    assert platform.runtime.lives() == ()
    await check_order(platform)


@story
async def test_one_slow_host_keeps_nobody_from_being_looked_at(platform: FakePlatform) -> None:
    first, second = platform.add_host("eu-1"), platform.add_host("eu-2")
    first.behave = lambda _: Behaviour(ready_after=2.0)
    await deployed(platform, msgspec.structs.replace(SPREAD, processes=(process("web", count=2),)))
    platform.laws.is_calm = False
    second.faults.is_down = True
    first.kill(InstanceKey(SHOP, WEB, 1, 1))
    await until(platform, lambda: "v1 web.1 on eu-1" not in serving(platform), within=5.0)
    await until(platform, lambda: "v1 web.1 on eu-1" in serving(platform), within=10.0)
    snapshot = await platform.controller.snapshot(SHOP)
    assert {view.key.host: view.health for view in snapshot.instances}["eu-1"] is Health.READY
    assert [(sight.host, bool(sight.error)) for sight in platform.controller.fleet.sights()] == [("eu-1", False), ("eu-2", True)]


@story
async def test_of_what_was_delivered_as_much_is_kept_as_of_releases_and_nothing_of_what_is_destroyed(platform: FakePlatform) -> None:
    hosts = three_hosts(platform)
    tree = msgspec.structs.replace(SPREAD, policy=msgspec.structs.replace(QUICK, keep_releases=2))
    for _ in range(4):
        await deployed(platform, tree)
    assert [len(host.delivered) for host in hosts] == [2, 2, 2]
    await platform.run(SHOP, DestroyOrder())
    assert [len(host.delivered) for host in hosts] == [0, 0, 0]
