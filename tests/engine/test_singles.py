"""A process type that must not run twice never does, not for a moment: the old one is gone before the new one starts."""

from __future__ import annotations

from asyncio import create_task

import msgspec
import pytest
from engine.stories import BLOG, QUICK, SHOP, browse, check_order, deployed, running, serving, story, until

from mooring.engine.orders import RestartOrder, RollbackOrder
from mooring.model.deployment import Outcome, Phase
from mooring.model.instance import InstanceKey
from mooring.model.names import ProcessName
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

CLOCK = Tree(processes=(process("web", count=2), process("clock", is_single=True)), policy=QUICK)
SINGLE_WEB = Tree(processes=(process("web", is_single=True),), policy=QUICK)


def acts(platform: FakePlatform, name: str) -> list[str]:
    """Starts and stops of that process type from now on, as they are done."""
    done: list[str] = []

    def look(point: Point) -> None:
        is_mine = isinstance(point.subject, InstanceKey) and point.subject.process == name
        if is_mine and point.moment is Moment.AFTER:
            done.append(f"{point.name.removeprefix('runtime.')} {point.subject}")

    platform.on_point = look
    return done


@story
async def test_the_old_one_has_stopped_before_the_new_one_starts(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(stop_takes=3.0)
    await deployed(platform, CLOCK)
    done = acts(platform, "clock")
    await deployed(platform, CLOCK)
    await platform.run(SHOP, RestartOrder())
    assert done[:2] == ["stop v1 clock.1", "start v2 clock.1"]
    assert [each.split()[0] for each in done] == ["stop", "start", "stop", "start"]
    await check_order(platform)


@story
async def test_it_is_only_touched_once_all_the_others_are_ready(platform: FakePlatform) -> None:
    await deployed(platform, CLOCK)
    done = acts(platform, "clock")
    platform.runtime.behave = lambda spec: Behaviour(answers=500) if spec.key.process == "web" else Behaviour()
    assert (await platform.end(platform.deploy(SHOP, CLOCK))).outcome is Outcome.FAILED
    assert done == [], "a release that fails anyway costs no gap"


@story
async def test_a_new_one_that_does_not_come_up_makes_way_for_the_old_one_again(platform: FakePlatform) -> None:
    await deployed(platform, CLOCK)
    done = acts(platform, "clock")
    platform.runtime.behave = lambda spec: Behaviour(exits_after=0.05) if spec.key == single(2) else Behaviour()
    assert (await platform.end(platform.deploy(SHOP, CLOCK))).outcome is Outcome.FAILED
    assert done == ["stop v1 clock.1", "start v2 clock.1", "stop v2 clock.1", "start v1 clock.1"]
    await check_order(platform)


@story
@pytest.mark.parametrize("method", ["start", "stop"])
async def test_it_never_runs_twice_though_answers_are_lost(platform: FakePlatform, method: str) -> None:
    await deployed(platform, CLOCK)
    platform.runtime.faults.lose_answer(method, times=6)
    await deployed(platform, CLOCK)
    await check_order(platform)


@story
async def test_it_never_runs_twice_though_the_old_one_takes_long_to_stop_and_the_controller_dies_meanwhile(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(stop_takes=8.0)
    await deployed(platform, CLOCK)
    deployment = platform.deploy(SHOP, CLOCK)
    stopping = {"v1 clock.1"}
    await until(platform, lambda: stopping <= {str(view.spec.key) for view in platform.runtime.lives() if view.stops_at is not None})
    for _ in range(3):
        platform.crash()
        await platform.start()
        await platform.clock.sleep(2)
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert "v2 clock.1" in running(platform)
    await check_order(platform)


@story
async def test_requests_to_a_single_web_process_are_held_over_the_gap_and_answered(platform: FakePlatform) -> None:
    await deployed(platform, SINGLE_WEB)
    platform.runtime.behave = lambda _: Behaviour(ready_after=2.0)
    visits = create_task(browse(platform, "shop.localhost", rate=20, seconds=8))
    deployment = await deployed(platform, SINGLE_WEB)
    assert set(await visits) == {200}
    assert deployment.receipt is not None and deployment.receipt.traffic.held > 0
    assert serving(platform) == ["v2 web.1"]


@story
async def test_a_type_that_becomes_single_does_so_without_two_of_the_new_kind(platform: FakePlatform) -> None:
    many = Tree(processes=(process("web"), process("worker", count=3)), policy=QUICK)
    one = Tree(processes=(process("web"), process("worker", is_single=True)), policy=QUICK)
    await deployed(platform, many)
    await deployed(platform, one)
    assert running(platform) == ["v2 web.1", "v2 worker.1"]
    await platform.run(SHOP, RollbackOrder())
    assert running(platform) == ["v3 web.1", "v3 worker.1", "v3 worker.2", "v3 worker.3"]
    await check_order(platform)


@story
async def test_aborting_between_stop_and_start_brings_the_old_one_back(platform: FakePlatform) -> None:
    await deployed(platform, CLOCK)
    deployment = platform.deploy(SHOP, CLOCK)
    await until(platform, lambda: "v1 clock.1" not in running(platform))
    record = platform.memory.deployment(deployment)
    assert record is not None and record.phase is Phase.PREPARE
    platform.controller.abort(deployment, by="ann")
    assert (await platform.end(deployment)).outcome is Outcome.ABORTED
    assert running(platform) == ["v1 clock.1", "v1 web.1", "v1 web.2"]
    await check_order(platform)


@story
async def test_a_single_type_of_two_environments_runs_once_in_each(platform: FakePlatform) -> None:
    await deployed(platform, CLOCK)
    await deployed(platform, msgspec.structs.replace(CLOCK), BLOG)
    assert "v1 clock.1" in running(platform) and "v1 clock.1" in running(platform, BLOG)


def single(release: int) -> InstanceKey:
    return InstanceKey(SHOP, ProcessName("clock"), 1, release)
