"""Clocks that jump change no outcome; and virtual time itself keeps its word."""

from __future__ import annotations

import asyncio
import time
from asyncio import create_task

import msgspec
import pytest
from engine.scenarios import FAST, SCENARIOS, Scenario, outlived
from engine.stories import QUICK, SHOP, browse, check_order, deployed, only_release, story, until

from mooring.model.deployment import Outcome, Phase
from mooring.testing.behaviour import Behaviour
from mooring.testing.clock import Stuck, VirtualClock, run_virtually
from mooring.testing.laws import Point
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree

HOUR = 3600.0
WATCHED = Tree(policy=msgspec.structs.replace(QUICK, bake=5.0))


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_clock_that_jumps_an_hour_at_any_time_changes_no_outcome(scenario: Scenario, jump: float) -> None:
    async def tell(platform: FakePlatform, jump_at: int) -> None:
        passed = 0

        def look(_: Point) -> None:
            nonlocal passed
            passed += 1
            if passed == jump_at:
                platform.clock.jump(jump)

        began = platform.clock.monotonic()
        deployment = await outlived(scenario, platform, look)
        assert deployment.outcome is scenario.calm, deployment.error
        assert platform.clock.monotonic() - began < 60
        if deployment.receipt is not None:
            assert 0 <= deployment.receipt.seconds < 60, "durations are not read from a clock that may be set"
            assert all(0 <= each.seconds < 60 for each in deployment.receipt.phases)
            assert deployment.receipt.first_answer is None or 0 <= deployment.receipt.first_answer < 60

    for at in (1, 15, 30, 45, 60, 75, 90):
        play(lambda platform, at=at: tell(platform, at))


@story
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_regression_is_found_though_the_clock_jumps_during_the_watch(platform: FakePlatform, jump: float) -> None:
    await deployed(platform, WATCHED)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=1.0))
    visits = create_task(browse(platform, "shop.localhost", rate=50, seconds=12))
    deployment = platform.deploy(SHOP, WATCHED)
    await until(platform, lambda: (record := platform.memory.deployment(deployment)) is not None and record.phase is Phase.WATCH)
    platform.clock.jump(jump)
    await platform.clock.sleep(1)
    platform.respond = lambda life, _: Behaviour(answers=500) if life.spec.key.release == 2 else Behaviour()
    assert (await platform.end(deployment)).outcome is Outcome.REVERTED
    await visits


@story
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_clock_that_jumps_at_rest_changes_nothing(platform: FakePlatform, jump: float) -> None:
    await deployed(platform, FAST)
    applied, starts = platform.edge.applied[SHOP], dict(platform.runtime.starts)
    platform.clock.jump(jump)
    await platform.clock.sleep(60)
    platform.crash()
    await platform.rest(60)
    assert (platform.edge.applied[SHOP], platform.runtime.starts) == (applied, starts)
    await check_order(platform)


def test_an_hour_of_virtual_time_takes_no_time() -> None:
    clock = VirtualClock()

    async def wait() -> list[float]:
        woken = []

        async def sleeper(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(clock.monotonic() - 1000)

        await asyncio.gather(*(sleeper(seconds) for seconds in (3600, 5, 0, 0.25)))
        return woken

    began = time.monotonic()
    assert run_virtually(wait(), clock) == [0, 0.25, 5, 3600]
    assert time.monotonic() - began < 5


def test_wall_and_monotonic_time_go_on_together_until_somebody_sets_the_clock() -> None:
    clock = VirtualClock(monotonic=10.0, wall=500.0)

    async def tell() -> None:
        await clock.sleep(5)
        assert (clock.monotonic(), clock.wall()) == (15.0, 505.0)
        clock.jump(-100)
        await clock.sleep(5)
        assert (clock.monotonic(), clock.wall()) == (20.0, 410.0)

    run_virtually(tell(), clock)


def test_a_thread_s_work_is_done_at_once_and_its_error_is_raised_where_it_is_awaited() -> None:
    async def tell() -> None:
        assert await asyncio.to_thread(sum, [1, 2]) == 3
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)

    run_virtually(tell(), VirtualClock())


async def never() -> None:
    await asyncio.Event().wait()


async def spins() -> None:
    while True:
        await asyncio.sleep(0)


async def goes_on() -> None:
    while True:
        await asyncio.sleep(10)


@pytest.mark.parametrize(("story_of", "told"), [(never, "never comes"), (spins, "spins"), (goes_on, "does not end")])
def test_what_cannot_end_is_told_instead_of_hanging(story_of: object, told: str) -> None:
    with pytest.raises(Stuck, match=told):
        run_virtually(story_of(), VirtualClock(), within=1000)  # type: ignore[operator]  # a coroutine function


def test_the_same_story_is_told_the_same_way_twice() -> None:
    def tell() -> list[str]:
        points: list[str] = []

        async def live(platform: FakePlatform) -> None:
            platform.on_point = lambda point: points.append(f"{platform.clock.monotonic():.6f} {point}")
            await deployed(platform, FAST)
            await deployed(platform, FAST)

        play(live)
        return points

    assert tell() == tell()
