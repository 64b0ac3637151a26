"""Review apps that declare no memory: what they were seen to use counts, else an assumed size. Nothing changes for what is none."""

from __future__ import annotations

import msgspec
import pytest
from engine.stories import QUICK, SHOP, deployed, running, story, until
from engine.test_room import SETTINGS, asked, said, up, visit, waiting

from mooring.engine.waits import LONGEST_WAIT
from mooring.errors import CapacityExceeded
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceSpec
from mooring.model.review import ReviewSettings
from mooring.planner.usage import ASSUMED_MEMORY, SETTLED
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Point
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

GIGABYTES = 1_000_000_000
TREE = Tree(processes=(process("web"),), policy=QUICK, review=SETTINGS)


def rules(**changes: object) -> ReviewSettings:
    return msgspec.structs.replace(SETTINGS, **changes)


def large(spec: InstanceSpec) -> Behaviour:
    return Behaviour(memory=3 * GIGABYTES)


async def three(platform: FakePlatform) -> list[EnvironmentId]:
    """Of which two fill the host; the third is brought up when nobody has visited the others for a while."""
    platform.runtime.behave = large
    apps = [await up(platform, branch, tree=TREE) for branch in ("first", "second")]
    await platform.rest(300)
    return [*apps, await up(platform, "third", tree=TREE)]


@story
async def test_what_its_siblings_were_seen_to_use_counts_and_the_longest_idle_sleeps_for_it(platform: FakePlatform) -> None:
    """Two of them fill a host of 8 GB: before, nobody would have slept for the third."""
    first, second, third = await three(platform)
    assert (running(platform, first), running(platform, second), running(platform, third)) == ([], ["v1 web.1"], ["v1 web.1"])
    assert said(platform, third)[0] == (
        "it waits for room: declared memory does not fit this host: 3.0 GB while old and new run side by side, 6.0 GB for other apps, "
        "8.0 GB may be declared in all; web declares none and counts as 3.0 GB"
    )


@story
async def test_one_that_sleeps_counts_as_what_it_used_when_somebody_visits_it(platform: FakePlatform) -> None:
    first, second, third = await three(platform)
    await platform.rest(300)
    assert await visit(platform, first) == 200
    assert [each for each in (first, second, third) if running(platform, each)] == [first, third]


def test_of_which_nothing_was_seen_counts_as_the_assumed_size_however_many_begin_at_once() -> None:
    """At no point do more live than have room by that."""

    async def life(platform: FakePlatform) -> None:
        most = 0

        def count(_: Point) -> None:
            nonlocal most
            most = max(most, len(platform.world.lives()))

        platform.on_point = count
        going = [asked(platform, f"b{number}", tree=TREE) for number in range(5)]
        await platform.rest(SETTLED / 2)
        assert sum(bool(waiting(platform, environment)) for environment, _ in going) == 3
        assert "web declares none and counts as 256.0 MB" in waiting(platform, going[-1][0])
        assert most == 2
        for _, deployment in going:
            assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
        assert len(platform.world.lives()) == 5, "once they were seen to use a few megabytes, all have room"

    play(life, platform=FakePlatform(memory_budget=2 * ASSUMED_MEMORY + 1))


@story
async def test_what_production_was_seen_to_use_counts_for_a_review_app_though_nobody_declared_it(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda spec: Behaviour(memory=7_900_000_000 if spec.key.environment == SHOP else 1)
    await deployed(platform, Tree(processes=(process("web"),), policy=QUICK))
    await platform.rest(2 * SETTLED)
    _, deployment = asked(platform, "third", tree=TREE)
    ended = await platform.end(deployment, within=LONGEST_WAIT + 60)
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, CapacityExceeded.code)
    assert "256.0 MB while old and new run side by side, 7.9 GB for other apps" in ended.error
    assert ended.hint.endswith("`memory` below [review.processes.NAME] says what it needs")


@pytest.mark.parametrize("memory", [0, 1 * GIGABYTES])
@story
async def test_what_is_no_review_app_starts_as_before_beside_those_that_declare_none(platform: FakePlatform, memory: int) -> None:
    platform.runtime.behave = large
    first, second = await up(platform, "first", tree=TREE), await up(platform, "second", tree=TREE)
    await platform.rest(300)
    await deployed(platform, Tree(processes=(process("web", count=2, memory=memory),), policy=QUICK))
    assert len(running(platform, SHOP)) == 2
    assert running(platform, first) == running(platform, second) == ["v1 web.1"]


@story
async def test_one_that_is_brought_up_anew_counts_twice_while_old_and_new_run(platform: FakePlatform) -> None:
    platform.runtime.behave = large
    tree = msgspec.structs.replace(TREE, review=rules(sleep=0.0))
    first, second = await up(platform, "first", tree=tree), await up(platform, "second", tree=tree)
    await platform.rest(300)
    deployment = platform.submit(first, platform.order(tree))
    await until(platform, lambda: bool(waiting(platform, first)))
    assert "6.0 GB while old and new run side by side, 3.0 GB for other apps" in waiting(platform, first)
    platform.abort(deployment)
    assert (await platform.end(deployment)).outcome is Outcome.ABORTED
    assert running(platform, first) == running(platform, second) == ["v1 web.1"]
