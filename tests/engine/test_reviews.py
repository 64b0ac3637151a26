"""Review apps in virtual time: they are warned, go at their end, and are gone whenever the controller dies over it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from engine.stories import QUICK, SHOP, check_order, deployed, running, story, told

from mooring.engine.orders import ConfigOrder
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.instance import TaskState
from mooring.model.lease import Lock
from mooring.model.names import AppName
from mooring.model.policy import Policy
from mooring.model.records import EnvironmentRecord
from mooring.model.release import Source
from mooring.model.review import REVIEW_PASSWORD, ReviewMark, ReviewSettings, review_environment, used_now
from mooring.model.secret import Secret
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Point
from mooring.testing.platform import Crash, FakePlatform, play
from mooring.testing.workshop import Tree, process

RULES = ReviewSettings(expire=1000.0, seed="./seed", sleep=0.0)
SLEEPY = msgspec.structs.replace(RULES, expire=100_000.0, sleep=300.0)
REVIEW = "a password of sixteen and more"
ONE = review_environment(AppName("shop"), "one")
TREE = Tree(processes=(process("web"),), policy=QUICK, release_command="migrate", review=RULES)


def found(platform: FakePlatform, branch: str = "one", *, rules: ReviewSettings = RULES) -> EnvironmentId:
    """The mark of a review app, as it is there before anything is made."""
    environment = review_environment(AppName("shop"), branch)
    now = platform.clock.wall()
    mark = used_now(ReviewMark(branch=branch, settings=rules, used_at=now, expires_at=now), now)
    platform.memory.save_environment(EnvironmentRecord(environment=environment, created_at=now, review=mark))
    return environment


async def brought_up(
    platform: FakePlatform, branch: str = "one", *, rules: ReviewSettings = RULES, healthy_deadline: float = QUICK.healthy_deadline
) -> EnvironmentId:
    environment = found(platform, branch, rules=rules)
    platform.memory.put_config(environment, changes={REVIEW_PASSWORD: Secret(REVIEW)}, by="ann", at=platform.clock.wall())
    policy = msgspec.structs.replace(QUICK, healthy_deadline=healthy_deadline, progress_deadline=healthy_deadline + 60.0)
    order = platform.order(msgspec.structs.replace(TREE, policy=policy))
    deployment = await platform.run(environment, msgspec.structs.replace(order, origin=Source(digest="d", branch=branch)))
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
    return environment


def is_gone(platform: FakePlatform, environment: EnvironmentId = ONE) -> bool:
    nothing_left = platform.memory.environment(environment) is None and platform.edge.table(environment) is None
    return nothing_left and not platform.running(environment)


async def until_gone(platform: FakePlatform, environment: EnvironmentId = ONE) -> None:
    for _ in range(400):
        if is_gone(platform, environment):
            return
        await platform.rest(5)
    raise AssertionError(platform.disorder(environment))


@story
async def test_one_is_warned_of_and_goes_at_its_end_and_nothing_else_does(platform: FakePlatform) -> None:
    await deployed(platform)
    await brought_up(platform)
    await platform.rest(880)
    assert not told(platform, EventKind.ENVIRONMENT_CHANGED, ONE)
    await platform.rest(30)
    (warning,) = told(platform, EventKind.ENVIRONMENT_CHANGED, ONE)
    assert str(warning.fields["message"]).startswith("the review app of one goes in ")
    await platform.rest(130)
    assert is_gone(platform)
    assert [str(event.fields["message"]) for event in told(platform, EventKind.ENVIRONMENT_CHANGED, ONE)][1:] == [
        "its review app goes: its time is over"
    ]
    assert running(platform) == ["v1 web.1", "v1 web.2"]
    await check_order(platform)


@story
async def test_one_that_is_locked_stays_until_it_is_unlocked(platform: FakePlatform) -> None:
    await brought_up(platform)
    platform.memory.save_lock(Lock(environment=ONE, by="ann", reason="the customer looks at it", since=0))
    await platform.rest(3000)
    assert running(platform, ONE) == ["v1 web.1"]
    messages = [str(event.fields["message"]) for event in told(platform, EventKind.ENVIRONMENT_CHANGED, ONE)]
    assert len([each for each in messages if "the customer looks at it" in each]) == 1, "it is told once"
    platform.memory.remove_lock(ONE)
    await platform.rest(700)
    assert is_gone(platform)


@story
async def test_the_seed_command_runs_after_the_release_command_and_once_over_many_releases(platform: FakePlatform) -> None:
    await brought_up(platform)
    deployment = await platform.run(ONE, ConfigOrder(config_version=1, description="again"))
    assert deployment.outcome is Outcome.SUCCEEDED
    assert platform.runtime.task_counts(ONE) == {"release.v1": 1, "seed.v1": 1, "release.v2": 1}


@story
async def test_a_seed_that_fails_fails_the_deployment_and_is_tried_with_the_next(platform: FakePlatform) -> None:
    found(platform)
    platform.runtime.behave_task = lambda spec: Behaviour(exit_code=0 if spec.name.startswith("release") else 1, lines=("no such file",))
    order = msgspec.structs.replace(platform.order(TREE), origin=Source(digest="d", branch="one"))
    deployment = await platform.run(ONE, order)
    assert (deployment.outcome, deployment.error) == (
        Outcome.FAILED,
        "the seed command failed; nothing served before, and nothing does now",
    )
    outputs = [(event.fields["name"], event.fields["line"]) for event in told(platform, EventKind.TASK_OUTPUT, ONE)]
    assert ("seed", "no such file") in outputs
    assert not running(platform, ONE)
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=0.1, exit_code=0)
    order = msgspec.structs.replace(platform.order(TREE), origin=Source(digest="e", branch="one"))
    assert (await platform.run(ONE, order)).outcome is Outcome.SUCCEEDED
    assert platform.runtime.task_counts(ONE) == {"release.v1": 1, "seed.v1": 1, "release.v2": 1, "seed.v2": 1}


@story
async def test_aborting_while_data_are_laid_in_ends_the_command(platform: FakePlatform) -> None:
    found(platform)
    platform.runtime.behave_task = lambda spec: Behaviour(exits_after=0.1 if spec.name.startswith("release") else 20.0, exit_code=0)
    order = msgspec.structs.replace(platform.order(TREE), origin=Source(digest="d", branch="one"))
    aborted = platform.submit(ONE, order)
    for _ in range(100):
        if (ONE, "seed.v1") in platform.runtime.starts:
            break
        await platform.clock.sleep(0.1)
    platform.abort(aborted)
    assert (await platform.end(aborted)).outcome is Outcome.ABORTED
    assert (await platform.runtime.observe_task(ONE, "seed.v1")).state is TaskState.FAILED


async def asleep(platform: FakePlatform, environment: EnvironmentId = ONE) -> None:
    """Until it sleeps, and nothing of it runs."""
    for _ in range(100):
        record = platform.memory.environment(environment)
        if record is not None and record.is_asleep and not platform.running(environment):
            return
        await platform.rest(5)
    raise AssertionError("it does not go to sleep")


async def visit(platform: FakePlatform, *, accept: str = "") -> tuple[int, str]:
    login = f"review:{REVIEW}"
    answer = await platform.edge.ask(f"{ONE.label}.localhost", accept=accept, sent=login)
    return answer.status, answer.edge


@story
async def test_one_that_nobody_visits_sleeps_and_the_first_request_wakes_it_and_gets_its_answer(platform: FakePlatform) -> None:
    await deployed(platform)
    await brought_up(platform, rules=SLEEPY)
    await asleep(platform)
    assert platform.edge.table(ONE) is not None, "its address leads to the waiting room"
    began = platform.clock.monotonic()
    assert await visit(platform) == (200, "")
    assert platform.clock.monotonic() - began < 5.0
    await check_order(platform, ONE)
    assert running(platform, ONE) == ["v1 web.1"]
    assert len(running(platform)) == 2, "what is no review app never sleeps"


@story
async def test_a_wake_takes_what_the_app_takes_to_start_and_hardly_longer(platform: FakePlatform) -> None:
    await deployed(platform)
    await brought_up(platform, rules=SLEEPY)
    platform.runtime.behave = lambda _: Behaviour(ready_after=0.4)
    for _ in range(5):
        await asleep(platform)
        began = platform.clock.monotonic()
        assert await visit(platform) == (200, "")
        assert platform.clock.monotonic() - began < 0.4 + 0.3
        await platform.clock.sleep(0.23)  # for the next visit to come at another moment between two looks


@story
async def test_a_browser_is_shown_a_page_that_loads_again_and_then_the_app(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY)
    await asleep(platform)
    assert await visit(platform, accept="text/html") == (503, "waking")
    await platform.clock.sleep(5)
    assert await visit(platform, accept="text/html") == (200, "")


@story
async def test_a_program_waits_for_as_long_as_the_app_may_take_to_start_whenever_it_comes(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY, healthy_deadline=150.0)
    await asleep(platform)
    platform.runtime.behave = lambda _: Behaviour(ready_after=130.0)
    first = asyncio.create_task(visit(platform))
    await platform.clock.sleep(40)
    assert await visit(platform, accept="text/html") == (503, "waking")
    assert await asyncio.gather(first, visit(platform)) == [(200, ""), (200, "")]
    table = platform.edge.table(ONE)
    assert table is not None and not table.is_asleep, "from now on it is as any other"


@story
async def test_one_that_does_not_come_up_is_told_as_such_when_the_time_is_over(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY)
    await asleep(platform)
    platform.runtime.behave = lambda _: Behaviour(ready_after=1000.0, exits_after=0.5)
    began = platform.clock.monotonic()
    assert await visit(platform) == (503, "crashed")
    assert 60.0 < platform.clock.monotonic() - began < 70.0


@pytest.mark.parametrize(("deadline", "patience"), [(1.0, 61.0), (60.0, 120.0), (240.0, 300.0), (3600.0, 300.0)])
def test_how_long_a_request_waits_follows_the_app_s_own_limit_within_bounds(deadline: float, patience: float) -> None:
    assert Policy(healthy_deadline=deadline).wakes_within == patience


@story
async def test_one_that_is_visited_now_and_then_stays_awake(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY)
    for _ in range(10):
        await platform.clock.sleep(200)
        assert (await visit(platform))[0] == 200
        assert running(platform, ONE) == ["v1 web.1"]
    await asleep(platform)


@story
async def test_one_that_takes_longer_to_wake_than_it_stays_awake_is_not_put_to_sleep_before_its_visitor(platform: FakePlatform) -> None:
    await brought_up(platform, rules=msgspec.structs.replace(SLEEPY, sleep=3.0))
    await asleep(platform)
    platform.runtime.behave = lambda _: Behaviour(ready_after=20.0)
    assert await visit(platform) == (200, "")
    await asleep(platform)


@story
async def test_who_came_while_it_was_waking_already_does_not_wake_it_when_it_sleeps_again(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY)
    await asleep(platform)
    first = asyncio.create_task(visit(platform))
    record = platform.memory.environment(ONE)
    while record is None or record.review is None or record.review.is_asleep:
        await platform.clock.sleep(0.05)
        record = platform.memory.environment(ONE)
    assert await asyncio.gather(first, visit(platform)) == [(200, ""), (200, "")]
    await asleep(platform)
    await platform.clock.sleep(60)
    assert running(platform, ONE) == []


@story
async def test_after_a_defect_met_while_one_sleeps_its_visitor_is_heard_all_the_same(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY)
    await asleep(platform)
    ask = platform.edge.waited_for

    async def explode() -> frozenset[EnvironmentId]:
        platform.edge.waited_for = ask  # type: ignore[method-assign]  # and its end
        raise RuntimeError("boom")

    platform.edge.waited_for = explode  # type: ignore[method-assign]  # a defect is what this test needs
    await platform.rest(1)
    assert await visit(platform) == (200, "")
    (news,) = [str(event.fields["message"]) for event in platform.events() if "who waits for a review app" in str(event.fields)]
    assert news.endswith("RuntimeError: boom\n")


@story
async def test_what_sleeps_is_awake_for_a_deployment_and_sleeps_over_a_restart_of_the_controller(platform: FakePlatform) -> None:
    await brought_up(platform, rules=SLEEPY)
    await asleep(platform)
    platform.crash()
    await platform.rest(20)
    assert running(platform, ONE) == []
    deployment = await platform.run(ONE, ConfigOrder(config_version=1, description="again"))
    assert deployment.outcome is Outcome.SUCCEEDED
    assert running(platform, ONE) == ["v2 web.1"]
    await asleep(platform)
    assert await visit(platform) == (200, "")


@pytest.mark.parametrize("start", range(6))
def test_whenever_the_controller_dies_over_a_life_the_branch_is_seeded_once_and_ends_with_nothing(start: int) -> None:
    """Each 61st effect or write of a whole life is one over which a controller dies; its successor goes on."""

    async def life(platform: FakePlatform) -> None:
        await deployed(platform)
        count, deaths = start * 10, 0

        def dies(_: Point) -> None:
            nonlocal count, deaths
            count += 1
            if count % 61 == 0:
                deaths += 1
                platform.crash()
                raise Crash

        environment = found(platform)
        order = msgspec.structs.replace(platform.order(TREE), origin=Source(digest="d", branch="one"))
        deployment = platform.submit(environment, order)
        platform.on_point = dies
        assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
        counts = platform.runtime.task_counts(environment)
        assert sum(count for name, count in counts.items() if name.startswith("seed")) == 1
        await until_gone(platform)
        platform.on_point = None
        await check_order(platform)
        assert len(running(platform, SHOP)) == 2
        assert deaths >= 3

    play(life)
