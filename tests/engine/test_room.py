"""Room for review apps: others that are idle sleep for one, else it waits, and says why; never is more declared than a host has."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from engine.stories import QUICK, SHOP, deployed, running, story, told, until
from engine.test_reviews import REVIEW, RULES, found

from mooring.drivers.service.contract import Login
from mooring.engine.orders import ConfigOrder, DestroyOrder
from mooring.engine.waits import LONGEST_WAIT
from mooring.errors import CapacityExceeded
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.lease import Mark
from mooring.model.names import DeploymentId, RegionName, ServiceName
from mooring.model.placement import Region
from mooring.model.release import Source
from mooring.model.review import REVIEW_PASSWORD
from mooring.model.secret import Secret
from mooring.model.service import Piece, ServiceKind, ServiceWish
from mooring.testing.behaviour import Behaviour
from mooring.testing.edge import FakeAnswer
from mooring.testing.laws import Point
from mooring.testing.platform import Crash, FakePlatform, play
from mooring.testing.workshop import Tree, process

SETTINGS = msgspec.structs.replace(RULES, expire=100_000.0, sleep=10_000.0)
TREE = Tree(processes=(process("web", memory=3_000_000_000),), policy=QUICK, review=SETTINGS)  # of 8 GB: two have room
RESTLESS = msgspec.structs.replace(TREE, review=msgspec.structs.replace(SETTINGS, sleep=0.0))


def asked(platform: FakePlatform, branch: str, *, tree: Tree = TREE) -> tuple[EnvironmentId, DeploymentId]:
    """A review app of the branch, on its way."""
    environment = found(platform, branch, rules=tree.review)
    platform.memory.put_config(environment, changes={REVIEW_PASSWORD: Secret(REVIEW)}, by="ann", at=platform.clock.wall())
    order = msgspec.structs.replace(platform.order(tree), origin=Source(digest=f"d-{branch}", branch=branch))
    return environment, platform.submit(environment, order)


async def up(platform: FakePlatform, branch: str, *, tree: Tree = TREE) -> EnvironmentId:
    environment, deployment = asked(platform, branch, tree=tree)
    ended = await platform.end(deployment)
    assert ended.outcome is Outcome.SUCCEEDED, ended.error
    return environment


async def visit(platform: FakePlatform, environment: EnvironmentId) -> int:
    return (await asked_for(platform, environment)).status


async def asked_for(platform: FakePlatform, environment: EnvironmentId, *, accept: str = "") -> FakeAnswer:
    return await platform.edge.ask(f"{environment.label}.localhost", sent=f"review:{REVIEW}", accept=accept)


def said(platform: FakePlatform, environment: EnvironmentId) -> list[str]:
    return [str(event.fields["message"]) for event in told(platform, EventKind.ENVIRONMENT_CHANGED, environment)]


def waiting(platform: FakePlatform, environment: EnvironmentId) -> str:
    record = platform.memory.environment(environment)
    return record.review.waiting if record is not None and record.review is not None else ""


@story
async def test_the_longest_idle_sleeps_for_a_new_one_and_is_told_for_whom(platform: FakePlatform) -> None:
    first = await up(platform, "first")
    second = await up(platform, "second")
    await platform.rest(300)
    third = await up(platform, "third")
    assert (running(platform, first), running(platform, second), running(platform, third)) == ([], ["v1 web.1"], ["v1 web.1"])
    assert said(platform, first) == [f"it goes to sleep: {third} needs room, and it has been idle for longest"]
    assert said(platform, third)[0].startswith("it waits for room: declared memory does not fit this host: 3.0 GB while")
    assert said(platform, third)[-1] == "it waits for room no more"
    assert (waiting(platform, third), said(platform, second)) == ("", [])


@story
async def test_one_that_sleeps_wakes_for_a_visitor_and_another_sleeps_for_it(platform: FakePlatform) -> None:
    first, second = await up(platform, "first"), await up(platform, "second")
    await platform.rest(300)
    third = await up(platform, "third")
    await platform.rest(300)
    assert await visit(platform, first) == 200
    awake = [each for each in (first, second, third) if running(platform, each)]
    assert awake == [first, third], "the second was idle for longest"
    await platform.rest(60)
    assert waiting(platform, first) == ""


@story
async def test_who_waits_for_one_that_has_no_room_is_told_so_and_gets_its_answer_when_there_is_some(platform: FakePlatform) -> None:
    first, second = await up(platform, "first"), await up(platform, "second", tree=RESTLESS)
    await platform.rest(300)
    await up(platform, "third", tree=RESTLESS)
    assert not running(platform, first)
    assert (await asked_for(platform, first, accept="text/html")).edge == "waking", "nobody has looked for room yet"
    began = platform.clock.monotonic()
    answer = await asked_for(platform, first)
    assert (answer.status, answer.edge) == (503, "no-room")
    assert "its servers have no room for it" in answer.text
    assert 60.0 < platform.clock.monotonic() - began < 70.0
    assert (await asked_for(platform, first, accept="text/html")).edge == "no-room"
    waits = asyncio.create_task(asked_for(platform, first))
    await platform.clock.sleep(20)
    await platform.run(second, DestroyOrder())
    assert (await waits).status == 200
    assert waiting(platform, first) == ""


@story
async def test_when_nobody_waits_for_room_any_more_the_next_visitor_is_told_that_it_wakes(platform: FakePlatform) -> None:
    first, _ = await up(platform, "first"), await up(platform, "second", tree=RESTLESS)
    await platform.rest(300)
    third = await up(platform, "third", tree=RESTLESS)
    assert (await visit(platform, first)) == 503
    await platform.run(third, DestroyOrder())
    await platform.rest(120)
    assert (await asked_for(platform, first, accept="text/html")).edge == "waking"


@story
async def test_one_that_takes_long_to_wake_for_its_visitor_does_not_sleep_for_another_meanwhile(platform: FakePlatform) -> None:
    slow = msgspec.structs.replace(TREE, policy=msgspec.structs.replace(QUICK, healthy_deadline=200.0, progress_deadline=300.0))
    first, second = await up(platform, "first", tree=slow), await up(platform, "second")
    await platform.rest(300)
    third = await up(platform, "third", tree=RESTLESS)
    await platform.rest(300)
    platform.runtime.behave = lambda _: Behaviour(ready_after=150.0)
    waits = asyncio.create_task(visit(platform, first))
    await platform.clock.sleep(80)
    assert await visit(platform, second) == 503, "there is no room, and both others are of use to somebody"
    assert await waits == 200
    assert [each for each in (first, second, third) if running(platform, each)] == [first, third]


@story
async def test_those_that_are_visited_or_never_sleep_stay_and_the_new_one_waits_until_one_goes(platform: FakePlatform) -> None:
    first = await up(platform, "first")
    second = await up(platform, "second", tree=RESTLESS)
    await platform.rest(300)

    async def visitors() -> None:
        while True:
            assert await visit(platform, first) == 200
            await platform.clock.sleep(20)

    visiting = asyncio.create_task(visitors())
    third, deployment = asked(platform, "third")
    await platform.rest(200)
    assert (running(platform, first), running(platform, second), running(platform, third)) == (["v1 web.1"], ["v1 web.1"], [])
    assert "8.0 GB may be declared in all" in waiting(platform, third)
    await platform.run(second, DestroyOrder())
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert not visiting.done(), "every visitor got its answer"
    visiting.cancel()
    assert waiting(platform, third) == ""


@story
async def test_a_wait_has_an_end_with_the_numbers_and_what_to_do(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=(process("web", count=2, memory=3_000_000_000),), policy=QUICK))
    third, deployment = asked(platform, "third")
    ended = await platform.end(deployment, within=LONGEST_WAIT + 60)
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, CapacityExceeded.code)
    assert "there was no room for 30 minutes: declared memory does not fit this host: 3.0 GB while" in ended.error
    assert ended.hint.startswith("`mooring review ls` shows") and waiting(platform, third) == ""
    assert len(running(platform, SHOP)) == 2, "what is no review app never sleeps"


@story
async def test_one_that_waits_can_be_aborted(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=(process("web", count=2, memory=3_000_000_000),), policy=QUICK))
    third, deployment = asked(platform, "third")
    await until(platform, lambda: bool(waiting(platform, third)))
    platform.abort(deployment)
    assert (await platform.end(deployment)).outcome is Outcome.ABORTED
    assert waiting(platform, third) == ""


@story
async def test_what_is_no_review_app_is_refused_as_ever(platform: FakePlatform) -> None:
    await up(platform, "first")
    await platform.rest(300)
    deployment: Deployment = await platform.end(
        platform.deploy(SHOP, Tree(processes=(process("web", count=2, memory=3_000_000_000),), policy=QUICK))
    )
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, CapacityExceeded.code)


@story
async def test_one_that_sleeps_without_room_is_deployed_when_there_is_some(platform: FakePlatform) -> None:
    first, second = await up(platform, "first"), await up(platform, "second")
    await platform.rest(300)
    third = await up(platform, "third")
    assert running(platform, first) == []
    await platform.rest(300)
    deployment = await platform.run(first, ConfigOrder(config_version=1, description="again"))
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
    assert running(platform, first) == ["v2 web.1"]
    assert (running(platform, second), running(platform, third)) == ([], ["v1 web.1"]), "what it ran needs no room beside the new release"


@story
async def test_several_at_once_never_declare_more_than_there_is(platform: FakePlatform) -> None:
    """The laws are watched at each effect."""
    going = [asked(platform, f"b{number}")[1] for number in range(4)]
    await platform.rest(60)
    ended = [deployment for deployment in going if platform.memory.deployment(deployment).outcome is not None]  # type: ignore[union-attr]
    assert len(ended) == 2
    for deployment in going:
        assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED


@story
async def test_one_whose_services_take_long_waits_when_another_took_the_room_on_its_host_meanwhile(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.add_host("eu-1", memory=4_000_000_000)
    server = platform.add_server()
    provide = server.provide

    async def slowly(mark: Mark, piece: Piece, login: Login) -> Login | None:
        await platform.clock.sleep(30)
        return await provide(mark, piece, login)

    monkeypatch.setattr(server, "provide", slowly)
    quick = msgspec.structs.replace(TREE, regions=(Region(name=RegionName("eu")),))
    slow = msgspec.structs.replace(quick, services=(ServiceWish(name=ServiceName("db"), kind=ServiceKind.POSTGRES, prefix="DATABASE"),))
    first, deployment = asked(platform, "first", tree=slow)
    second = await up(platform, "second", tree=quick)
    await until(platform, lambda: bool(waiting(platform, first)))
    await platform.run(second, DestroyOrder())
    ended = await platform.end(deployment)
    assert ended.outcome is Outcome.SUCCEEDED, ended.error
    assert running(platform, first) == ["v1 web.1 on eu-1"]


@pytest.mark.parametrize("fatal", [4, 9, 14, 19, 24, 29, 40, 60])
def test_whenever_the_controller_dies_over_it_the_new_one_comes_up_and_one_alone_sleeps(fatal: int) -> None:
    """`fatal`: the point, of those from the order on, over which it dies."""

    async def life(platform: FakePlatform) -> None:
        first, second = await up(platform, "first"), await up(platform, "second")
        await platform.rest(70)
        third, deployment = asked(platform, "third")
        count = 0

        def dies(_: Point) -> None:
            nonlocal count
            count += 1
            if count == fatal:
                platform.crash()
                raise Crash

        platform.on_point = dies
        assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
        platform.on_point = None
        await platform.rest(10)
        assert count >= fatal
        assert (running(platform, first), len(running(platform, second)), len(running(platform, third))) == ([], 1, 1)
        assert waiting(platform, third) == ""

    play(life)
