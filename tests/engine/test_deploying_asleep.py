"""A review app that sleeps is deployed from its sleep: room is needed for the new release alone, and what fails leaves it asleep."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from engine.scenarios import Hook, asked, dies_at_each_point
from engine.stories import check_order, only_release, running, story, told, until
from engine.test_accessories_room import GB, SLEEPY, beside, redis_of, starts_and_stops
from engine.test_accessories_room import asleep as sleeps
from engine.test_line import of
from engine.test_room import asked_for, said, up, visit, waiting

from mooring.engine.orders import DeployOrder, DestroyOrder, RestartOrder, ScaleOrder
from mooring.model.deployment import Deployment, Outcome, Phase
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.names import ProcessName
from mooring.model.release import Source
from mooring.model.routing import Page
from mooring.model.steps import SetRoutes
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Point
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree

AT_ONCE = 10.0  # seconds: of what would have to wait for half an hour
BIG = msgspec.structs.replace(beside(GB, own=5 * GB), review=SLEEPY.review, release_command="migrate")  # of 8 GB: old and new have no room
NAP = msgspec.structs.replace(BIG, review=msgspec.structs.replace(BIG.review, sleep=20.0))
UNWELL = only_release(2, Behaviour(answers=500))
FAILS = Behaviour(exit_code=1)


def pushed(platform: FakePlatform, tree: Tree = BIG) -> DeployOrder:
    """The next commit of the branch."""
    return msgspec.structs.replace(platform.order(tree), origin=Source(digest="newer", branch="first"))


async def asleep(platform: FakePlatform, tree: Tree = BIG) -> EnvironmentId:
    """One that has been visited no more, with its accessory."""
    environment = await up(platform, "first", tree=tree)
    await sleeps(platform, environment)
    return environment


def is_asleep(platform: FakePlatform, environment: EnvironmentId) -> bool:
    record, table = platform.memory.environment(environment), platform.edge.table(environment)
    is_shown = table is not None and table.page is Page.WAKING and table.is_asleep
    return record is not None and record.is_asleep and is_shown and running(platform, environment) == redis_of(platform, environment) == []


def in_rollout(platform: FakePlatform, environment: EnvironmentId) -> bool:
    """Whether a release is being brought up: its command runs, or it does."""
    return any(each.target and each.phase in (Phase.RELEASE, Phase.PREPARE) for each in platform.memory.deployments(environment))


async def ended(platform: FakePlatform, environment: EnvironmentId, tree: Tree = BIG) -> Deployment:
    return await platform.end(platform.submit(environment, pushed(platform, tree)), within=AT_ONCE)


@story
async def test_it_needs_room_for_the_new_release_alone_and_the_old_one_never_runs(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    before = said(platform, environment)
    done = starts_and_stops(platform)
    deployment = await ended(platform, environment)
    assert (deployment.outcome, deployment.error, deployment.is_asleep) == (Outcome.SUCCEEDED, "", False)
    assert done == ["start redis", "start web"]
    assert (running(platform, environment), redis_of(platform, environment)) == (["v2 web.1"], ["v1 redis.1"])
    assert said(platform, environment) == before, "it waits for no room, and nothing wakes but what is new"
    receipt = deployment.receipt
    assert receipt is not None
    assert (receipt.from_release, receipt.serving_release, receipt.traffic.failed) == (1, 2, 0)
    assert await visit(platform, environment) == 200
    await check_order(platform, environment)


@story
async def test_from_then_on_it_is_awake_for_as_long_as_any_and_sleeps_again(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    assert (await platform.run(environment, RestartOrder())).outcome is Outcome.SUCCEEDED, "its branch has no new commit"
    await platform.rest(60)
    assert len(running(platform, environment)) == 1
    await sleeps(platform, environment)
    assert await visit(platform, environment) == 200


@story
async def test_what_else_is_asked_of_it_is_done_from_its_sleep_too(platform: FakePlatform) -> None:
    small = msgspec.structs.replace(beside(GB, own=2 * GB), review=SLEEPY.review)
    environment = await asleep(platform, small)
    assert (await platform.run(environment, ScaleOrder(counts={ProcessName("web"): 3}))).outcome is Outcome.SUCCEEDED
    assert running(platform, environment) == ["v1 web.1", "v1 web.2", "v1 web.3"]
    await sleeps(platform, environment)
    done = starts_and_stops(platform)
    assert (await platform.run(environment, DestroyOrder(services=True))).outcome is Outcome.SUCCEEDED
    assert done == [], "nothing wakes to be removed"
    assert platform.memory.environment(environment) is None


@story
async def test_one_whose_command_fails_sleeps_on_and_wakes_as_before(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    platform.runtime.behave_task = lambda _: FAILS
    done = starts_and_stops(platform)
    deployment = await ended(platform, environment)
    assert deployment.outcome is Outcome.FAILED
    assert deployment.error == "the release command failed; v1 sleeps again, and wakes when somebody comes"
    assert deployment.is_asleep
    await platform.rest(10)
    assert done == ["start redis", "stop redis"]
    assert is_asleep(platform, environment)
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v1 web.1"]


@story
async def test_one_that_is_not_well_goes_and_the_app_sleeps_again(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    platform.runtime.behave = UNWELL
    deployment = await platform.end(platform.submit(environment, pushed(platform)), within=60)
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, "not-healthy")
    assert deployment.receipt is not None
    assert (deployment.receipt.serving_release, len(deployment.receipt.diagnoses)) == (0, 1)
    await platform.rest(10)
    assert is_asleep(platform, environment)
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v1 web.1"]


@story
async def test_one_that_dies_while_it_is_watched_gives_its_visitors_back_to_the_old_release(platform: FakePlatform) -> None:
    watched = msgspec.structs.replace(BIG, policy=msgspec.structs.replace(BIG.policy, bake=5.0))
    environment = await asleep(platform, watched)
    platform.laws.is_calm = False
    platform.runtime.behave = only_release(2, Behaviour(exits_after=2.0))
    deployment = await platform.end(platform.submit(environment, pushed(platform, watched)), within=60)
    assert deployment.outcome is Outcome.REVERTED
    assert deployment.error.endswith("v1 sleeps again, and wakes when somebody comes")
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v1 web.1"]


@pytest.mark.parametrize("is_well", [True, False], ids=["succeeds", "fails"])
@story
async def test_who_comes_while_another_release_is_brought_up_waits_and_gets_an_answer(platform: FakePlatform, is_well: bool) -> None:
    environment = await asleep(platform)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=3.0, answers=200 if is_well else 500))
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=5.0, exit_code=0)
    deployment = platform.submit(environment, pushed(platform))
    await until(platform, lambda: in_rollout(platform, environment))
    began, first = platform.clock.monotonic(), asyncio.create_task(asked_for(platform, environment))
    await platform.clock.sleep(6.0)
    assert "v2 web.1" in running(platform, environment)
    assert (await asked_for(platform, environment, accept="text/html")).edge == "waking"
    second = asyncio.create_task(asked_for(platform, environment))
    assert [(each.status, each.edge) for each in await asyncio.gather(first, second)] == [(200, "")] * 2
    assert platform.clock.monotonic() - began > 7.0, "nothing served before"
    end = await platform.end(deployment, within=AT_ONCE)
    assert end.outcome is (Outcome.SUCCEEDED if is_well else Outcome.FAILED)
    assert running(platform, environment) == ["v2 web.1" if is_well else "v1 web.1"]
    assert waiting(platform, environment) == ""
    await check_order(platform, environment)


@story
async def test_who_comes_while_it_is_built_wakes_what_slept(platform: FakePlatform) -> None:
    small = msgspec.structs.replace(beside(GB, own=2 * GB), review=SLEEPY.review)
    environment = await asleep(platform, small)
    deployment = platform.submit(environment, pushed(platform, msgspec.structs.replace(small, build_seconds=30.0)))
    await platform.clock.sleep(5.0)
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v1 web.1"]
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert running(platform, environment) == ["v2 web.1"]


@pytest.mark.parametrize("is_well", [True, False], ids=["succeeds", "fails"])
@story
async def test_who_comes_while_its_command_runs_wakes_what_slept_where_both_have_room(platform: FakePlatform, is_well: bool) -> None:
    small = msgspec.structs.replace(BIG, processes=beside(GB, own=2 * GB).processes)
    environment = await asleep(platform, small)
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=20.0, exit_code=0 if is_well else 1)
    deployment = platform.submit(environment, pushed(platform, small))
    await until(platform, lambda: in_rollout(platform, environment))
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v1 web.1"]
    end = await platform.end(deployment, within=60)
    assert end.outcome is (Outcome.SUCCEEDED if is_well else Outcome.FAILED)
    assert running(platform, environment) == ["v2 web.1" if is_well else "v1 web.1"]
    assert end.error == ("" if is_well else "the release command failed; v1 still serves, as if nothing had happened")
    await check_order(platform, environment)


@story
async def test_who_comes_once_the_new_one_comes_up_waits_for_it(platform: FakePlatform) -> None:
    small = msgspec.structs.replace(beside(GB, own=2 * GB), review=SLEEPY.review)
    environment = await asleep(platform, small)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=3.0))
    deployment = platform.submit(environment, pushed(platform, small))
    await until(platform, lambda: running(platform, environment) == ["v2 web.1"])
    visitor = asyncio.create_task(visit(platform, environment))
    await platform.clock.sleep(2.0)
    record = platform.memory.environment(environment)
    assert record is not None
    assert record.is_asleep, "what slept is not started for a moment"
    assert await visitor == 200
    assert running(platform, environment) == ["v2 web.1"]
    assert (await platform.end(deployment, within=AT_ONCE)).outcome is Outcome.SUCCEEDED


@story
async def test_who_comes_while_it_is_built_waits_where_both_would_have_no_room(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    deployment = platform.submit(environment, pushed(platform, msgspec.structs.replace(BIG, build_seconds=30.0)))
    await platform.clock.sleep(5.0)
    assert (await asked_for(platform, environment, accept="text/html")).edge == "waking"
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v2 web.1"]
    assert (await platform.end(deployment, within=AT_ONCE)).outcome is Outcome.SUCCEEDED


@story
async def test_who_comes_while_it_waits_for_room_wakes_what_slept_where_that_has_room(platform: FakePlatform) -> None:
    there = await up(platform, "there", tree=of(3))
    environment = await asleep(platform, msgspec.structs.replace(BIG, processes=beside(GB, own=3 * GB).processes))
    deployment = platform.submit(environment, pushed(platform))
    await until(platform, lambda: bool(waiting(platform, environment)))
    assert await visit(platform, environment) == 200
    assert running(platform, environment) == ["v1 web.1"]
    await platform.run(there, DestroyOrder())
    await platform.rest(10)
    assert waiting(platform, environment).startswith("declared memory does not fit this host: 9.0 GB while old and new run side by side")
    platform.abort(deployment)
    assert (await platform.end(deployment, within=AT_ONCE)).outcome is Outcome.ABORTED
    assert running(platform, environment) == ["v1 web.1"]


@story
async def test_an_accessory_that_a_newer_commit_brings_is_there_for_it(platform: FakePlatform) -> None:
    alone = msgspec.structs.replace(BIG, accessories=())
    environment = await asleep(platform, alone)
    deployment = await platform.end(platform.submit(environment, pushed(platform)), within=AT_ONCE)
    assert (deployment.outcome, deployment.error) == (Outcome.SUCCEEDED, "")
    assert (running(platform, environment), redis_of(platform, environment)) == (["v2 web.1"], ["v1 redis.1"])


@story
async def test_one_that_is_aborted_while_its_accessory_wakes_sleeps_on(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    platform.runtime.behave = lambda spec: Behaviour(ready_after=30.0)
    deployment = platform.submit(environment, pushed(platform))
    await until(platform, lambda: bool(redis_of(platform, environment)))
    platform.abort(deployment)
    ended = await platform.end(deployment, within=AT_ONCE)
    assert (ended.outcome, ended.is_asleep) == (Outcome.ABORTED, True)
    await platform.rest(10)
    assert is_asleep(platform, environment)


@story
async def test_a_plan_for_it_starts_the_new_and_has_nothing_to_stop(platform: FakePlatform) -> None:
    single = msgspec.structs.replace(
        BIG, policy=msgspec.structs.replace(BIG.policy, max_surge=msgspec.structs.replace(BIG.policy.max_surge, amount=0))
    )
    environment = await asleep(platform, single)
    preview = await platform.controller.preview(environment, pushed(platform, single))
    assert [type(step).__name__ for step in preview.steps] == ["RunRelease", "StartInstance", "SetRoutes", "Conclude"]
    (switch,) = [step for step in preview.steps if isinstance(step, SetRoutes)]
    assert (switch.is_switch, switch.table.is_asleep) == (True, False)
    assert not any("expect a gap" in note for note in preview.notes)


@story
async def test_a_controller_that_dies_before_the_accessory_has_begun_to_wake_leaves_one_that_waits_for_it(platform: FakePlatform) -> None:
    environment = await asleep(platform)
    platform.runtime.behave = lambda spec: Behaviour(ready_after=3.0) if spec.key.environment != environment else Behaviour()
    done = starts_and_stops(platform)
    looks = platform.on_point
    deaths = 0

    def dies(point: Point) -> None:
        nonlocal deaths
        assert looks is not None
        looks(point)
        mine = platform.memory.unfinished_deployments()
        if not deaths and str(point) == "after memory.save_deployment" and mine and mine[0].target is not None:
            deaths += 1
            platform.crash()

    platform.on_point = dies
    deployment = await platform.end(platform.submit(environment, pushed(platform)), within=60)
    assert (deployment.outcome, deployment.error) == (Outcome.SUCCEEDED, "")
    assert deaths == 1
    assert done == ["start redis", "start web"]
    assert len(told(platform, EventKind.INSTANCE_READY, environment.with_accessory(SLEEPY.accessories[0].name))) == 2
    tasks = platform.runtime.task_counts(environment)
    assert sum(count for name, count in tasks.items() if name.startswith("release")) == 2, "one for each release"


@pytest.mark.parametrize("is_well", [True, False], ids=["succeeds", "fails"])
def test_at_whatever_point_the_controller_dies_over_it_it_serves_the_new_release_or_sleeps(is_well: bool) -> None:
    async def dying(platform: FakePlatform, hook: Hook) -> None:
        environment = await asleep(platform, NAP)
        platform.runtime.behave = lambda spec: Behaviour(answers=200 if is_well or spec.key.release == 1 else 500)
        platform.on_point = hook
        deployment = await platform.end(await asked(platform, pushed(platform, NAP), environment), within=60)
        platform.on_point = None
        await platform.rest(10)
        newest = platform.memory.releases(environment)[-1].number
        if is_well:
            assert (deployment.outcome, deployment.error) == (Outcome.SUCCEEDED, "")
            assert (running(platform, environment), redis_of(platform, environment)) == ([f"v{newest} web.1"], ["v1 redis.1"])
        else:
            assert deployment.outcome is Outcome.FAILED
            assert is_asleep(platform, environment)
        assert await visit(platform, environment) == 200
        await check_order(platform, environment)

    assert dies_at_each_point(dying) > 60
