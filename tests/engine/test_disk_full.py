"""The disk is full at every single write of every story: nothing is done half, and all goes on when there is space again."""

from __future__ import annotations

import pytest
from engine.scenarios import SCENARIOS, Scenario, outlived, points_of
from engine.stories import SHOP, WEB, check_order, deployed, serving, story, until, web

from mooring.engine.orders import RestartOrder
from mooring.errors import OutcomeUnknown, Unavailable
from mooring.model.deployment import Outcome, Phase
from mooring.model.events import EventKind
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree


def is_write(point: Point) -> bool:
    return point.moment is Moment.BEFORE and point.name.startswith("memory.")


def is_record(point: Point) -> bool:
    return point.moment is Moment.AFTER and point.name.startswith("memory.") and point.name != "memory.append_event"


def full_at(scenario: Scenario, count: int, *, seconds: float) -> None:
    """From the `count`th write on nothing can be written for so many seconds; 0: this one write only."""
    passed: list[str] = []
    full_until: list[float] = []

    async def tell(platform: FakePlatform) -> None:
        def look(point: Point) -> None:
            if not is_write(point):
                return
            passed.append(point.name)
            if len(passed) == count:
                full_until.append(platform.clock.monotonic() + seconds)
            if len(passed) == count or (full_until and platform.clock.monotonic() < full_until[0]):
                raise Unavailable("the disk is full", hint="free some space")

        deployment = await outlived(scenario, platform, look, settling=15.0)
        ends = [event for event in platform.events(deployment=deployment.id) if event.kind is EventKind.DEPLOYMENT_ENDED]
        assert len(ends) == 1, "its end is told once"
        has_succeeded = deployment.outcome is Outcome.SUCCEEDED
        assert has_succeeded is (scenario.calm is Outcome.SUCCEEDED) or deployment.error_code == "unavailable", deployment.error

    try:
        play(tell)
    except BaseException as problem:
        problem.add_note(f"full at write {count}: {passed[count - 1 :][:3]}")
        raise


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_disk_that_is_full_at_any_write_delays_a_deployment_or_refuses_it_whole(scenario: Scenario) -> None:
    writes = [point for point in points_of(scenario) if is_write(point)]
    for count in range(1, len(writes) + 1):
        full_at(scenario, count, seconds=0.0)
    for count in range(1, len(writes) + 1, 5):
        full_at(scenario, count, seconds=7.0)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_write_that_landed_though_its_answer_was_lost_is_not_taken_for_undone(scenario: Scenario) -> None:
    landed = [point for point in points_of(scenario) if is_record(point)]

    def lose(count: int) -> None:
        passed: list[Point] = []

        def look(point: Point) -> None:
            if is_record(point):
                passed.append(point)
                if len(passed) == count:
                    raise OutcomeUnknown("the answer was lost")

        play(lambda platform: outlived(scenario, platform, look, settling=8.0))

    for count in range(1, len(landed) + 1):
        lose(count)


@story
async def test_a_release_that_is_on_record_though_the_answer_was_lost_is_rolled_out(platform: FakePlatform) -> None:
    await deployed(platform)
    lost: list[Point] = []

    def look(point: Point) -> None:
        if (point.moment, point.name) == (Moment.AFTER, "memory.add_release") and not lost:
            lost.append(point)
            raise OutcomeUnknown("the answer was lost")

    platform.on_point = look
    assert (await platform.end(platform.deploy(SHOP, WEB))).outcome is Outcome.SUCCEEDED
    assert serving(platform) == ["v2 web.1", "v2 web.2"]


def fill(platform: FakePlatform) -> None:
    def look(point: Point) -> None:
        if is_write(point):
            raise Unavailable("the disk is full")

    platform.on_point = look


def free(platform: FakePlatform) -> None:
    platform.on_point = None


@story
async def test_an_order_that_cannot_be_written_down_is_refused_and_not_remembered(platform: FakePlatform) -> None:
    fill(platform)
    with pytest.raises(Unavailable, match="disk is full"):
        platform.deploy(SHOP, WEB)
    free(platform)
    assert platform.memory.deployments() == ()
    await deployed(platform)


@story
async def test_an_order_whose_record_landed_is_taken_though_nothing_else_could_be_written(platform: FakePlatform) -> None:
    await deployed(platform)

    def look(point: Point) -> None:
        if is_write(point) and point.name != "memory.add_deployment":
            raise Unavailable("the disk is full")

    platform.on_point = look
    deployment = platform.submit(SHOP, RestartOrder())
    await platform.clock.sleep(20)
    free(platform)
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED


@story
async def test_visitors_notice_nothing_of_a_disk_that_is_full_for_an_hour(platform: FakePlatform) -> None:
    await deployed(platform)
    fill(platform)
    platform.runtime.kill(web(2))
    for _ in range(60):
        await platform.clock.sleep(60)
        assert (await platform.edge.ask("shop.localhost")).status == 200
    free(platform)
    await platform.rest(20)
    await check_order(platform)
    await deployed(platform)
    lost = [event for event in platform.events() if "could not be stored" in str(event.fields.get("message", ""))]
    assert len(lost) == 1, "how much news was lost is told once"


@story
async def test_a_superseded_order_ends_on_record_once_the_disk_has_space(platform: FakePlatform) -> None:
    await deployed(platform)
    busy = platform.deploy(SHOP, Tree(build_seconds=30.0))
    await until(platform, lambda: (record := platform.memory.deployment(busy)) is not None and record.phase is Phase.BUILD)
    older = platform.deploy(SHOP, WEB)

    def look(point: Point) -> None:
        if point.moment is Moment.BEFORE and point.name == "memory.save_deployment":
            raise Unavailable("the disk is full")

    platform.on_point = look
    newer = platform.deploy(SHOP, WEB)
    await platform.clock.sleep(10)
    free(platform)
    assert [(await platform.end(each)).outcome for each in (older, newer)] == [Outcome.SUPERSEDED, Outcome.SUCCEEDED]
    assert serving(platform) == ["v3 web.1", "v3 web.2"]


@story
async def test_an_abort_while_the_disk_is_full_is_obeyed_when_there_is_space(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = lambda _: Behaviour(ready_after=4.0)
    deployment = platform.deploy(SHOP, WEB)
    await until(platform, lambda: (record := platform.memory.deployment(deployment)) is not None and record.phase is Phase.PREPARE)
    fill(platform)
    platform.controller.abort(deployment, by="ann")
    await platform.clock.sleep(10)
    free(platform)
    assert (await platform.end(deployment)).outcome is Outcome.ABORTED
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
