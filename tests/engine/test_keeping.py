"""Between deployments: what is desired is held, whatever dies; and what is told of it is true."""

from __future__ import annotations

import msgspec
import pytest
from engine.stories import BLOG, FULL, QUICK, SHOP, WEB, check_order, deployed, running, serving, story, told, until, web

from mooring.errors import NotFound, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.health import Check, CheckKind, Checks, Health
from mooring.model.instance import ProcessState
from mooring.model.routing import EndpointState, Page, RouteView
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Point
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

_ASK = Check(kind=CheckKind.HTTP, paths=("/up",), interval=0.5, failures=2)
LIVE = Tree(
    processes=(process("web", count=2, checks=Checks(startup=_ASK, readiness=_ASK, liveness=msgspec.structs.replace(_ASK, interval=2.0))),),
    policy=QUICK,
)


@story
async def test_after_a_reboot_everything_is_started_again_and_routed_as_it_becomes_ready(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    await deployed(platform, WEB, BLOG)
    platform.laws.is_calm = False
    platform.crash()
    platform.runtime.lose_host()
    platform.runtime.behave = lambda spec: Behaviour(ready_after=1.0 if spec.key.slot == 1 else 5.0)
    await platform.start()
    await until(platform, lambda: serving(platform) == ["v1 web.1"], within=3.0)
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=6.0)
    assert serving(platform, BLOG) == ["v1 web.1", "v1 web.2"]
    assert platform.runtime.starts[SHOP, "release.v1"] == 1, "a reboot is no deployment"
    await check_order(platform)
    await check_order(platform, BLOG)


@story
async def test_an_instance_that_dies_gets_no_requests_until_it_is_ready_again(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(ready_after=2.0)
    await deployed(platform)
    platform.laws.is_calm = False
    platform.runtime.kill(web(1))
    await until(platform, lambda: serving(platform) == ["v1 web.2"], within=2.0)
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=5.0)
    assert told(platform, EventKind.INSTANCE_CRASHED)[-1].fields["instance"] == "v1 web.1"
    assert platform.runtime.starts[web(1)] == 1, "the runtime restarts it, not the controller"
    await check_order(platform)


@story
async def test_one_that_its_runtime_is_about_to_stop_is_drained_before_and_comes_back(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.laws.is_calm = False
    life = platform.runtime.life(web(1))
    assert life is not None
    life.stops_at = platform.clock.monotonic() + 3.0
    await until(platform, lambda: serving(platform) == ["v1 web.2"], within=2.0)
    life.stops_at = None
    platform.runtime.kill(web(1))
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=5.0)
    assert platform.runtime.starts[web(1)] == 1, "the runtime restarts it, not the controller"
    await check_order(platform)


@story
async def test_one_that_fails_its_readiness_leaves_the_routes_and_comes_back(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.laws.is_calm = False
    life = platform.runtime.life(web(1))
    assert life is not None
    life.behaviour = Behaviour(answers=503)
    await until(platform, lambda: serving(platform) == ["v1 web.2"], within=5.0)
    assert told(platform, EventKind.PROBE_FAILED)[-1].fields["status"] == 503
    life.behaviour = Behaviour()
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=5.0)
    assert life.restarts == 0
    await check_order(platform)


@story
async def test_one_bad_answer_among_good_ones_changes_nothing(platform: FakePlatform) -> None:
    await deployed(platform)
    life = platform.runtime.life(web(1))
    assert life is not None
    before = platform.edge.applied[SHOP]
    for _ in range(5):
        life.behaviour = Behaviour(answers=500)
        await platform.clock.sleep(0.5)
        life.behaviour = Behaviour()
        await platform.clock.sleep(1.5)
    assert platform.edge.applied[SHOP] == before


@story
async def test_one_that_fails_its_liveness_is_drained_and_restarted_on_the_spot(platform: FakePlatform) -> None:
    await deployed(platform, LIVE)
    platform.laws.is_calm = False
    life = platform.runtime.life(web(1))
    assert life is not None
    platform.edge.flying[web(1).slug] = 1
    life.behaviour = Behaviour(answers=500)
    await until(platform, lambda: serving(platform) == ["v1 web.2"], within=10.0)
    await platform.clock.sleep(5)
    assert life.restarts == 0, "a request is still in flight"
    platform.edge.flying[web(1).slug] = 0
    await until(platform, lambda: life.restarts == 1, within=3.0)
    life.behaviour = Behaviour()
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=10.0)
    await check_order(platform)


@story
async def test_an_app_that_crashes_on_and_on_shows_its_page_and_comes_back_when_it_is_well(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=(process("web"),), policy=QUICK))
    platform.laws.is_calm = False
    life = platform.runtime.life(web())
    assert life is not None
    life.behaviour = Behaviour(exits_after=0.1, ready_after=5.0)
    platform.runtime.kill(web())
    await until(platform, lambda: (table := platform.edge.table(SHOP)) is not None and table.page is Page.CRASHED)
    assert (await platform.edge.ask("shop.localhost")).edge == "crashed"
    life.behaviour = Behaviour()
    await until(platform, lambda: serving(platform) == ["v1 web.1"])
    assert (await platform.edge.ask("shop.localhost")).status == 200


@story
async def test_what_serves_is_kept_serving_during_a_long_build(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(ready_after=2.0)
    await deployed(platform)
    platform.laws.is_calm = False
    deployment = platform.deploy(SHOP, Tree(build_seconds=60.0, policy=QUICK))
    await platform.clock.sleep(5)
    platform.runtime.kill(web(1))
    await until(platform, lambda: serving(platform) == ["v1 web.2"], within=3.0)
    platform.runtime.lose_host([web(2)])
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=10.0)
    await platform.controller.set_maintenance(SHOP, on=True)
    record = platform.memory.deployment(deployment)
    assert record is not None and record.phase.value == "build"
    await platform.end(deployment)


@story
async def test_a_long_build_keeps_its_lease_alive(platform: FakePlatform) -> None:
    deployment = platform.deploy(SHOP, Tree(build_seconds=60.0, policy=QUICK))
    for _ in range(5):
        await platform.clock.sleep(10)
        lease = platform.memory.lease(SHOP)
        assert lease is not None and platform.clock.wall() - lease.heartbeat < 5
    await platform.end(deployment)
    assert platform.memory.lease(SHOP) is None


@story
async def test_a_controller_that_is_gone_changes_nothing_for_visitors_and_its_successor_disturbs_nothing(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    applied, starts = platform.edge.applied[SHOP], dict(platform.runtime.starts)
    platform.crash()
    await platform.clock.sleep(3600)
    assert (await platform.edge.ask("shop.localhost")).status == 200
    await platform.rest(10)
    assert (platform.edge.applied[SHOP], platform.runtime.starts) == (applied, starts), "nothing changed, so nothing was done"
    await check_order(platform)


@story
async def test_an_instance_whose_health_is_not_known_yet_keeps_its_requests(platform: FakePlatform) -> None:
    """After a restart of the controller, however slowly the app answers."""
    await deployed(platform)
    platform.crash()
    for life in platform.runtime.lives():
        life.behaviour = Behaviour(answers=0)
    await platform.start()
    await platform.clock.sleep(2)
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    snapshot = await platform.controller.snapshot(SHOP)
    assert {view.health for view in snapshot.instances} == {Health.UNKNOWN}


@story
async def test_maintenance_shows_its_page_at_once_and_ends_at_once(platform: FakePlatform) -> None:
    await deployed(platform)
    await platform.controller.set_maintenance(SHOP, on=True)
    assert (await platform.edge.ask("shop.localhost")).edge == "maintenance"
    await deployed(platform)
    assert (await platform.edge.ask("shop.localhost")).edge == "maintenance", "a deployment does not end it"
    await platform.controller.set_maintenance(SHOP, on=False)
    assert (await platform.edge.ask("shop.localhost")).text.startswith("hello from v2")


@story
async def test_maintenance_that_the_edge_does_not_take_is_told_and_follows_later(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.edge.faults.is_down = True
    with pytest.raises(Unavailable, match="has not taken maintenance on yet"):
        await platform.controller.set_maintenance(SHOP, on=True)
    platform.edge.faults.is_down = False
    await until(platform, lambda: (table := platform.edge.table(SHOP)) is not None and table.is_maintenance, within=60)


@story
async def test_maintenance_of_what_is_not_there_is_refused(platform: FakePlatform) -> None:
    with pytest.raises(NotFound):
        await platform.controller.set_maintenance(SHOP, on=True)
    with pytest.raises(NotFound):
        await platform.controller.snapshot(SHOP)


@story
async def test_what_the_runtime_said_is_told_as_old_as_the_edge_was_slow_to_answer(platform: FakePlatform) -> None:
    await deployed(platform)
    observe = platform.edge.observe

    async def slowly(environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        await platform.clock.sleep(5.0 if environment is None else 0.0)
        return await observe(environment)

    platform.edge.observe = slowly  # type: ignore[method-assign]  # an edge that is slow
    for _ in range(20):
        await platform.clock.sleep(0.7)
        assert (await platform.controller.snapshot(SHOP)).age >= 4.0 or platform.clock.monotonic() < 1_010.0


@story
async def test_what_a_crash_left_open_in_the_journal_while_things_were_kept_is_closed(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.laws.is_calm = False
    platform.runtime.lose_host([web(1)])

    def look(point: Point) -> None:
        if str(point).startswith("before runtime.start"):
            platform.crash()

    platform.on_point = look
    await until(platform, lambda: platform.is_crashed)
    platform.on_point = None
    assert len(platform.memory.open_intents()) == 1
    await platform.rest(5.0)
    assert platform.memory.open_intents() == ()
    assert serving(platform) == ["v1 web.1", "v1 web.2"]


@story
async def test_a_snapshot_says_what_was_seen_and_how_long_ago(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    await platform.rest()
    snapshot = await platform.controller.snapshot(SHOP)
    assert [(str(view.key), view.state, view.health) for view in snapshot.instances] == [
        ("v1 clock.1", ProcessState.RUNNING, Health.READY),
        ("v1 web.1", ProcessState.RUNNING, Health.READY),
        ("v1 web.2", ProcessState.RUNNING, Health.READY),
        ("v1 worker.1", ProcessState.RUNNING, Health.READY),
    ]
    assert snapshot.age <= 2.0
    assert snapshot.routes is not None
    assert [end.state for route in snapshot.routes.table.routes for end in route.endpoints] == [EndpointState.ACTIVE] * 2
    platform.runtime.faults.is_down = True
    await platform.clock.sleep(60)
    assert (await platform.controller.snapshot(SHOP)).age >= 60, "never told as newer than it is"


@story
async def test_a_driver_that_is_silent_for_a_while_changes_nothing(platform: FakePlatform) -> None:
    await deployed(platform)
    for faults, flag in ((platform.runtime.faults, "is_down"), (platform.edge.faults, "is_down")):
        setattr(faults, flag, True)
        await platform.clock.sleep(120)
        setattr(faults, flag, False)
    assert running(platform) == serving(platform) == ["v1 web.1", "v1 web.2"]
    assert platform.runtime.starts[web(1)] == 1
    await check_order(platform)


@story
async def test_a_defect_of_a_prober_is_an_answer_that_did_not_come_and_ends_no_asking(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.laws.is_calm = False
    probe = platform.prober.probe

    async def explode(*_: object) -> None:
        raise RuntimeError("a bug")

    platform.prober.probe = explode  # type: ignore[method-assign, assignment]  # a defect is what this test needs
    await until(platform, lambda: serving(platform) == [], within=10)
    platform.prober.probe = probe  # type: ignore[method-assign]  # and its end
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=10)


@story
async def test_what_cannot_be_put_right_is_tried_ever_more_slowly_and_told_once(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.laws.is_calm = False
    platform.runtime.lose_host([web(1)])
    platform.runtime.faults.fail("start", times=100_000)
    before = len(platform.events())
    await platform.clock.sleep(600)
    assert 20 < len(platform.events()) - before < 300
    platform.runtime.faults.recover()
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=40)
