"""Who waits for room, in order: the longest first among those that fit, and after a while nobody newer takes what a large one waits for."""

from __future__ import annotations

import msgspec
import pytest
from engine.stories import QUICK, running, story, until
from engine.test_capacity import EU
from engine.test_room import SETTINGS, asked, up, waiting

from mooring.engine.orders import DestroyOrder
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId, RegionName
from mooring.model.placement import Region
from mooring.planner.room import PATIENCE
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

GIGABYTES = 1_000_000_000
AWAKE = msgspec.structs.replace(SETTINGS, sleep=0.0)


def of(size: int, *, region: Region | None = None) -> Tree:
    """One that never sleeps and declares so many gigabytes; the host has 8."""
    regions = (region,) if region else ()
    return Tree(processes=(process("web", memory=size * GIGABYTES),), policy=QUICK, review=AWAKE, regions=regions)


async def waits(platform: FakePlatform, branch: str, tree: Tree) -> tuple[EnvironmentId, DeploymentId]:
    environment, deployment = asked(platform, branch, tree=tree)
    await until(platform, lambda: bool(waiting(platform, environment)))
    return environment, deployment


async def down(platform: FakePlatform, environment: EnvironmentId) -> None:
    await platform.run(environment, DestroyOrder())


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0, 1.5])
@story
async def test_of_those_that_fit_the_one_that_asked_first_begins(platform: FakePlatform, after: float) -> None:
    """`after`: seconds until there is room, so that now the one, now the other would be the first to look."""
    apps = [await up(platform, branch, tree=of(4)) for branch in ("a", "b")]
    first, begun = await waits(platform, "zz", of(4))
    await platform.rest(1.0)
    second, later = await waits(platform, "aa", of(4))
    await platform.rest(after)
    await down(platform, apps[0])
    assert (await platform.end(begun)).outcome is Outcome.SUCCEEDED
    assert (len(running(platform, first)), bool(waiting(platform, second))) == (1, True)
    await down(platform, apps[1])
    assert (await platform.end(later)).outcome is Outcome.SUCCEEDED


@story
async def test_small_ones_go_before_a_large_one_for_a_while_and_then_it_goes_first(platform: FakePlatform) -> None:
    a, b = [await up(platform, branch, tree=of(4)) for branch in ("a", "b")]
    large, begun = await waits(platform, "large", of(8))
    await platform.rest(PATIENCE / 2)
    await down(platform, a)
    small = await up(platform, "small", tree=of(4))
    await platform.rest(PATIENCE / 2)
    await down(platform, small)
    newer, later = await waits(platform, "newer", of(4))
    await platform.rest(60)
    assert waiting(platform, newer) == f"{large} has waited for longer and goes first"
    await down(platform, b)
    assert (await platform.end(begun)).outcome is Outcome.SUCCEEDED
    assert (len(running(platform, large)), running(platform, newer)) == (1, [])
    await down(platform, large)
    assert (await platform.end(later)).outcome is Outcome.SUCCEEDED


@story
async def test_one_that_could_never_have_room_and_one_that_was_aborted_hold_up_nobody(platform: FakePlatform) -> None:
    a = await up(platform, "a", tree=of(4))
    await waits(platform, "huge", of(9))
    large, deployment = await waits(platform, "large", of(8))
    await platform.rest(PATIENCE + 60)
    newer, later = await waits(platform, "newer", of(4))
    assert waiting(platform, newer) == f"{large} has waited for longer and goes first"
    platform.abort(deployment)
    assert (await platform.end(later)).outcome is Outcome.SUCCEEDED
    assert len(running(platform, a)) == 1


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0, 1.5])
@story
async def test_those_that_let_a_large_one_go_first_keep_their_order(platform: FakePlatform, after: float) -> None:
    """`after`: seconds by which its looks are before theirs, so that now the one, now the other would be the first to look."""
    a, b = [await up(platform, branch, tree=of(4)) for branch in ("a", "b")]
    large, begun = await waits(platform, "large", of(5))
    await platform.rest(PATIENCE + 60 + after)
    first, next_begun = await waits(platform, "zz", of(3))
    await platform.rest(1.0)
    second, _ = await waits(platform, "aa", of(3))
    await platform.rest(30)
    assert waiting(platform, first) == waiting(platform, second) == f"{large} has waited for longer and goes first"
    await down(platform, a)
    await down(platform, b)
    assert (await platform.end(begun)).outcome is Outcome.SUCCEEDED
    assert (await platform.end(next_begun)).outcome is Outcome.SUCCEEDED
    assert (len(running(platform, first)), running(platform, second)) == (1, [])


@story
async def test_what_runs_elsewhere_is_not_held_up_and_another_host_of_the_region_is_taken(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    platform.add_host("us-1", region="us")
    await up(platform, "a", tree=of(4, region=EU))
    large, _ = await waits(platform, "large", of(8, region=EU))
    await platform.rest(PATIENCE + 60)
    await waits(platform, "newer", of(4, region=EU))
    there = await up(platform, "there", tree=of(4, region=Region(name=RegionName("us"))))
    assert running(platform, there) == ["v1 web.1 on us-1"]
    platform.add_host("eu-2", memory=5 * GIGABYTES)
    await until(platform, lambda: [each for each in platform.world.lives() if each.spec.key.host == "eu-2"] != [])
    assert running(platform, large) == []
