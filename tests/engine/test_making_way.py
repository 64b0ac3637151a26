"""A review app that waits for room or disk makes way for a newer commit of its branch, and for its own end: neither waits behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from engine.scenarios import Hook, dies_at_each_point
from engine.stories import QUICK, running, story, told, until
from engine.test_accessories_room import GB, beside
from engine.test_disk_waits import EU
from engine.test_line import of
from engine.test_room import SETTINGS, asked, up, waiting

from mooring.engine.orders import DestroyOrder, Order, ScaleOrder
from mooring.errors import CapacityExceeded, LeaseHeld
from mooring.model.build import BuildSettings
from mooring.model.deployment import Deployment, Outcome, Phase
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.instance import InstanceView
from mooring.model.lease import Lock
from mooring.model.names import DeploymentId, ProcessName
from mooring.model.release import Artifact, Source
from mooring.testing.platform import Crash, FakePlatform
from mooring.testing.workshop import Tree, process

AT_ONCE = 20.0  # seconds: of what would have to wait for half an hour
GONE = "its branch is gone"


def on_disk(size: int) -> Tree:
    """One for the host of the region, where an artifact takes so many bytes."""
    return Tree(processes=(process("web"),), policy=QUICK, review=SETTINGS, regions=(EU,), size=size)


async def without_room(platform: FakePlatform) -> tuple[EnvironmentId, EnvironmentId, DeploymentId]:
    """One that runs, and one that waits for the room that it takes; the latter's deployment."""
    there = await up(platform, "there", tree=of(6))
    environment, deployment = asked(platform, "late", tree=of(5))
    await until(platform, lambda: "declared memory does not fit" in waiting(platform, environment))
    return there, environment, deployment


async def without_disk(platform: FakePlatform) -> tuple[EnvironmentId, EnvironmentId, DeploymentId]:
    """The same for the disk of a host."""
    platform.add_host("eu-1", room=1_500)
    there = await up(platform, "there", tree=on_disk(1_000))
    environment, deployment = asked(platform, "late", tree=on_disk(1_000))
    await until(platform, lambda: "needs 1000 bytes, and 500 are free" in waiting(platform, environment))
    return there, environment, deployment


async def without_room_beside(platform: FakePlatform) -> tuple[EnvironmentId, EnvironmentId, DeploymentId]:
    """The same for its accessory: alone it would have room."""
    there = await up(platform, "there", tree=of(6))
    environment, deployment = asked(platform, "late", tree=beside(4 * GB, tree=of(1)))
    await until(platform, lambda: "declared memory does not fit" in waiting(platform, environment))
    return there, environment, deployment


Lacking = Callable[[FakePlatform], Awaitable[tuple[EnvironmentId, EnvironmentId, DeploymentId]]]
LACKS = pytest.mark.parametrize(
    ("lacking", "small"),
    [(without_room, of(1)), (without_room_beside, beside(GB // 2, tree=of(1))), (without_disk, on_disk(400))],
    ids=["room", "room for its accessory", "disk"],
)
RESTARTS = pytest.mark.parametrize("restarts", [0, 1], ids=["the same controller", "a successor"])


def pushed(platform: FakePlatform, environment: EnvironmentId, tree: Tree) -> DeploymentId:
    """A newer commit of its branch."""
    order = platform.order(tree)
    return platform.submit(environment, msgspec.structs.replace(order, origin=Source(digest="newer", branch="late")))


def record(platform: FakePlatform, deployment: DeploymentId) -> Deployment:
    found = platform.memory.deployment(deployment)
    assert found is not None
    return found


async def restarted(platform: FakePlatform, environment: EnvironmentId, times: int) -> None:
    """What waited waits again, each time: the successor has looked for room itself."""
    for _ in range(times):
        platform.crash()
        await platform.start()
        await platform.rest(60)
        assert waiting(platform, environment)


def end_of(platform: FakePlatform, environment: EnvironmentId, deployment: DeploymentId) -> tuple[object, object]:
    """Outcome and message, as it was told: the record of one that went with its environment is gone."""
    (event,) = [each for each in told(platform, EventKind.DEPLOYMENT_ENDED, environment) if each.deployment == deployment]
    return event.fields["outcome"], event.fields["message"]


@LACKS
@RESTARTS
@story
async def test_one_whose_branch_is_gone_goes_at_once_and_never_runs(
    platform: FakePlatform, lacking: Lacking, small: Tree, restarts: int
) -> None:
    there, environment, deployment = await lacking(platform)
    await restarted(platform, environment, restarts)
    down = platform.controller.reviews.tear_down(environment, GONE, by="ann")
    await platform.run(there, DestroyOrder())
    ran = False
    began = platform.clock.monotonic()
    while platform.memory.environment(environment) is not None:
        ran = ran or bool(running(platform, environment))
        assert platform.clock.monotonic() - began < AT_ONCE
        await platform.clock.sleep(0.02)
    assert not ran, "there is room for it now"
    assert end_of(platform, environment, deployment) == ("superseded", f"superseded by {down.id} while it waited for room")
    assert end_of(platform, environment, down.id)[0] == "succeeded"


@pytest.mark.parametrize("after", [each / 10 for each in range(0, 60, 4)])
@story
async def test_room_that_comes_as_soon_as_it_is_to_go_does_not_start_it(platform: FakePlatform, after: float) -> None:
    """`after`: seconds, so that now its look for room, now its keeper's look at it would be the first: neither is quick."""
    _, environment, deployment = await without_room(platform)
    observe = platform.runtime.observe

    async def observed() -> tuple[InstanceView, ...]:
        await platform.clock.sleep(0.7)
        return await observe()

    platform.runtime.observe = observed  # type: ignore[method-assign]
    await platform.rest(20 + after)
    platform.controller.reviews.tear_down(environment, GONE, by="ann")
    platform.runtime.capabilities = msgspec.structs.replace(platform.runtime.capabilities, memory_budget=16_000_000_000)
    await until(platform, lambda: platform.memory.environment(environment) is None)
    assert end_of(platform, environment, deployment)[0] == "superseded"


@LACKS
@RESTARTS
@story
async def test_a_newer_commit_that_fits_goes_on_at_once(platform: FakePlatform, lacking: Lacking, small: Tree, restarts: int) -> None:
    _, environment, deployment = await lacking(platform)
    await restarted(platform, environment, restarts)
    newer = pushed(platform, environment, small)
    ended = await platform.end(newer, within=AT_ONCE)
    assert ended.outcome is Outcome.SUCCEEDED, ended.error
    older = record(platform, deployment)
    assert (older.outcome, older.error, older.exit_code) == (
        Outcome.SUPERSEDED,
        f"superseded by {newer} while it waited for room",
        3,
    )
    assert (len(running(platform, environment)), waiting(platform, environment)) == (1, "")


@story
async def test_a_build_that_waits_for_disk_makes_way_too(platform: FakePlatform) -> None:
    build = platform.workshop.build

    async def built(source: Any, settings: BuildSettings, *given: Any, **more: Any) -> Artifact:
        raise CapacityExceeded("building needs about 2.0 GB of disk, and 1.0 GB are free")

    platform.workshop.build = built  # type: ignore[method-assign]
    environment, deployment = asked(platform, "late", tree=of(1))
    await until(platform, lambda: "building needs about 2.0 GB" in waiting(platform, environment))
    platform.workshop.build = build  # type: ignore[method-assign]
    newer = pushed(platform, environment, of(2))
    assert (await platform.end(newer, within=10)).outcome is Outcome.SUCCEEDED
    assert record(platform, deployment).outcome is Outcome.SUPERSEDED
    assert platform.workshop.unpacked == set()


@story
async def test_one_that_is_built_goes_on_and_makes_way_as_soon_as_it_has_to_wait(platform: FakePlatform) -> None:
    await up(platform, "there", tree=of(6))
    environment, deployment = asked(platform, "late", tree=msgspec.structs.replace(of(5), build_seconds=30.0))
    await until(platform, lambda: record(platform, deployment).phase is Phase.BUILD)
    newer = pushed(platform, environment, of(1))
    await platform.rest(25)
    assert record(platform, deployment).outcome is None
    assert (await platform.end(newer, within=AT_ONCE)).outcome is Outcome.SUCCEEDED
    assert record(platform, deployment).outcome is Outcome.SUPERSEDED


@story
async def test_an_order_of_another_kind_waits_behind_it(platform: FakePlatform) -> None:
    there = await up(platform, "there", tree=of(6))
    environment = await up(platform, "late", tree=of(1))
    deployment = pushed(platform, environment, of(4))
    await until(platform, lambda: bool(waiting(platform, environment)))
    scaling = platform.submit(environment, ScaleOrder(counts={ProcessName("web"): 2}))
    await platform.rest(60)
    assert record(platform, deployment).outcome is None
    await platform.run(there, DestroyOrder())
    assert [(await platform.end(each)).outcome for each in (deployment, scaling)] == [Outcome.SUCCEEDED] * 2
    assert len(running(platform, environment)) == 2


@story
async def test_one_that_is_to_go_and_is_locked_holds_up_nobody(platform: FakePlatform) -> None:
    """Its tear-down is not taken, so it waits on: behind whoever is to stay."""
    there, environment, _ = await without_room(platform)
    platform.memory.save_lock(Lock(environment=environment, by="ann", reason="to look at it", since=platform.clock.wall()))
    with pytest.raises(LeaseHeld, match="locked by ann"):
        platform.controller.reviews.tear_down(environment, GONE, by="ann")
    living, deployment = asked(platform, "living", tree=of(5))
    await until(platform, lambda: bool(waiting(platform, living)))
    await platform.run(there, DestroyOrder())
    assert (await platform.end(deployment, within=AT_ONCE)).outcome is Outcome.SUCCEEDED
    assert running(platform, environment) == []
    platform.memory.remove_lock(environment)
    await until(platform, lambda: platform.memory.environment(environment) is None, within=700)


async def taken(platform: FakePlatform, environment: EnvironmentId, order: Order) -> DeploymentId:
    """The order, asked again where the controller died before it took it, as a person would."""
    known = {each.id for each in platform.memory.deployments(environment)}
    while True:
        try:
            return platform.submit(environment, order)
        except Crash:
            await platform.start()
            newest = platform.memory.deployments(environment, limit=1)[0].id
            if newest not in known:
                return newest


def test_at_whatever_point_the_controller_dies_over_it_the_newer_one_serves() -> None:
    async def dying(platform: FakePlatform, hook: Hook) -> None:
        _, environment, deployment = await without_room(platform)
        platform.on_point = hook
        newer = await taken(platform, environment, platform.order(of(1)))
        assert (await platform.end(newer, within=60)).outcome is Outcome.SUCCEEDED
        platform.on_point = None
        await platform.rest(10)
        assert record(platform, deployment).outcome is Outcome.SUPERSEDED
        assert (len(running(platform, environment)), waiting(platform, environment)) == (1, "")

    assert dies_at_each_point(dying) > 40


def test_at_whatever_point_the_controller_dies_over_it_one_that_is_to_go_is_gone() -> None:
    async def dying(platform: FakePlatform, hook: Hook) -> None:
        _, environment, deployment = await without_room(platform)
        platform.on_point = hook
        down = await taken(platform, environment, DestroyOrder(services=True))
        await platform.end(down, within=60)
        platform.on_point = None
        await platform.rest(10)
        assert (platform.memory.environment(environment), running(platform, environment)) == (None, [])
        assert [end_of(platform, environment, each)[0] for each in (deployment, down)] == ["superseded", "succeeded"]

    assert dies_at_each_point(dying) > 20
