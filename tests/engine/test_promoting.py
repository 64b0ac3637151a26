"""What one environment runs goes to another: to all its hosts, whenever the controller dies, and without a builder."""

from __future__ import annotations

import asyncio
import functools

import msgspec
from engine.stories import QUICK, SHOP, deployed, running, story

from mooring.engine.orders import DeployOrder
from mooring.model.deployment import Outcome, Phase
from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId, RegionName
from mooring.model.placement import Region
from mooring.model.promotion import Promotion
from mooring.testing.laws import Point
from mooring.testing.platform import Crash, FakePlatform, play
from mooring.testing.workshop import Tree, process

STAGING = EnvironmentId.parse("shop/staging")
ONE = Tree(processes=(process("web", count=1),), policy=msgspec.structs.replace(QUICK, bake=0.1))
SPREAD = msgspec.structs.replace(ONE, processes=(process("web", count=2),), regions=(Region(name=RegionName("eu")),))


def promotion(platform: FakePlatform, tree: Tree) -> DeployOrder:
    """Of staging's first release, by its own source."""
    release = platform.memory.release(STAGING, 1)
    assert release is not None
    taken = Promotion(environment=STAGING.environment, number=1)
    return DeployOrder(archive=str(platform.workshop.pack(tree)), origin=release.source, promotion=taken)


@story
async def test_it_is_brought_to_all_hosts_of_the_environment(platform: FakePlatform) -> None:
    for name in ("eu-1", "eu-2"):
        platform.add_host(name)
    await deployed(platform, ONE, STAGING)
    assert [list(each.delivered) for each in platform.world.hosts.values() if each.delivered] == []
    ended = await platform.run(SHOP, promotion(platform, SPREAD))
    assert ended.outcome is Outcome.SUCCEEDED, ended.error
    (artifact,) = platform.workshop.builds
    hosts = [each for name, each in platform.world.hosts.items() if name.startswith("eu-")]
    assert [list(each.delivered) for each in hosts] == [[f"artifact-{artifact}"]] * 2
    assert platform.workshop.builds == {artifact: 1}
    assert ended.receipt is not None
    assert Phase.BUILD.value not in [each.phase for each in ended.receipt.phases]


def test_a_controller_that_dies_at_any_point_leaves_it_to_a_successor_which_builds_nothing() -> None:
    points: list[str] = []
    play(lambda platform: _lived(platform, points, crash_at=0))
    assert any(point.startswith("before memory.add_release") for point in points), points
    for count in range(1, len(points) + 1):
        play(functools.partial(_outlived, count))


async def _outlived(count: int, platform: FakePlatform) -> None:
    passed: list[str] = []
    try:
        await _lived(platform, passed, crash_at=count)
    except BaseException as error:
        error.add_note(f"crashed at point {count}: {passed[count - 1] if count <= len(passed) else 'never'}")
        raise


async def _lived(platform: FakePlatform, passed: list[str], *, crash_at: int) -> None:
    await deployed(platform, ONE, STAGING)

    def look(point: Point) -> None:
        passed.append(str(point))
        if len(passed) == crash_at:
            platform.crash()

    order = promotion(platform, ONE)
    platform.on_point = look
    ended = await platform.end(await _submitted(platform, order))
    platform.on_point = None
    assert ended.outcome is Outcome.SUCCEEDED, ended.error
    assert list(platform.workshop.builds.values()) == [1]
    newest = platform.memory.releases(SHOP)[-1]  # what it died upon may have taken a number
    assert running(platform) == [f"{newest.version} web.1"]
    assert newest.promotion == order.promotion
    await platform.rest()
    assert [each for environment in (SHOP, STAGING) for each in platform.disorder(environment)] == []


async def _submitted(platform: FakePlatform, order: DeployOrder) -> DeploymentId:
    """Once more where the controller died before it was taken."""
    try:
        return platform.submit(SHOP, order)
    except Crash:
        await asyncio.sleep(0)
        await platform.start()
        taken = platform.memory.deployments(SHOP)
        return taken[0].id if taken else platform.submit(SHOP, order)
