"""A review app has room when its accessories have it too; they are made when it has, where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from engine.stories import deployed, running, story, until
from engine.test_accessories import CACHE, REDIS, WITH_REDIS
from engine.test_room import RESTLESS, SETTINGS, TREE, asked, up, visit, waiting

from mooring.engine.accessories import records_of
from mooring.engine.orders import DestroyOrder
from mooring.errors import CapacityExceeded
from mooring.model.build import BuildSettings
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import LOCAL, HostId, RegionName
from mooring.model.placement import Region
from mooring.model.release import Artifact, Source
from mooring.planner.usage import ASSUMED_MEMORY
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

GB = 1_000_000_000
EU = (Region(name=RegionName("eu")),)


def beside(size: int, *, own: int = GB, tree: Tree = TREE) -> Tree:
    """The tree with an accessory of so many bytes, and so many of its own."""
    accessory = msgspec.structs.replace(REDIS, memory=size)
    return msgspec.structs.replace(tree, processes=(process("web", memory=own),), accessories=(accessory,))


def redis_of(platform: FakePlatform, environment: EnvironmentId) -> list[str]:
    return running(platform, environment.with_accessory(REDIS.name))


@story
async def test_others_sleep_for_what_an_accessory_takes_too(platform: FakePlatform) -> None:
    first, second = await up(platform, "first"), await up(platform, "second")
    await platform.rest(300)
    third = await up(platform, "third", tree=beside(3 * GB))
    assert (running(platform, first), running(platform, second)) == ([], ["v1 web.1"]), "it takes 4 of 8 GB, and each of them 3"
    assert (running(platform, third), redis_of(platform, third)) == (["v1 web.1"], ["v1 redis.1"])


@story
async def test_no_accessory_runs_while_its_app_waits_for_room(platform: FakePlatform) -> None:
    first, _ = await up(platform, "first", tree=RESTLESS), await up(platform, "second", tree=RESTLESS)
    third, deployment = asked(platform, "third", tree=beside(2 * GB))
    await until(platform, lambda: bool(waiting(platform, third)))
    await platform.clock.sleep(30)
    assert waiting(platform, third).startswith("declared memory does not fit this host: 3.0 GB")
    assert records_of(platform.memory, third) == {}
    await platform.run(first, DestroyOrder())
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert redis_of(platform, third) == ["v1 redis.1"]


@story
async def test_no_accessory_runs_while_the_disk_has_no_room(platform: FakePlatform) -> None:
    platform.world.disk = {LOCAL: 1000}
    environment, deployment = asked(platform, "first", tree=beside(GB))
    await until(platform, lambda: bool(waiting(platform, environment)))
    await platform.clock.sleep(30)
    assert "disk does not do on this host" in waiting(platform, environment)
    assert records_of(platform.memory, environment) == {}
    platform.world.disk = {LOCAL: 100 * GB}
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert redis_of(platform, environment) == ["v1 redis.1"]


@story
async def test_an_accessory_that_declares_no_memory_counts_as_what_a_review_app_is_assumed_to_use(platform: FakePlatform) -> None:
    await up(platform, "first", tree=beside(0, own=8 * GB - 2 * ASSUMED_MEMORY, tree=RESTLESS))
    await up(platform, "second", tree=msgspec.structs.replace(beside(0, own=ASSUMED_MEMORY // 2), accessories=()))
    third, _ = asked(platform, "third", tree=beside(0, own=ASSUMED_MEMORY // 2))
    await until(platform, lambda: bool(waiting(platform, third)))
    assert "accessory redis declares none and counts as 256.0 MB" in waiting(platform, third)


@story
async def test_an_app_that_is_moved_for_room_has_its_accessory_made_where_it_goes(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    platform.add_host("eu-2")
    platform.world.disk = {HostId("eu-1"): 1000}
    environment = await up(platform, "first", tree=msgspec.structs.replace(beside(GB), regions=EU))
    assert running(platform, environment) == ["v1 web.1 on eu-2"]
    place = records_of(platform.memory, environment)[REDIS.name].place
    assert place is not None
    assert place.host == "eu-2"


@story
async def test_an_app_is_not_moved_to_where_it_does_not_reach_its_accessory(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    platform.add_host("eu-2")
    tree = msgspec.structs.replace(beside(GB), regions=EU)
    environment = await up(platform, "first", tree=tree)
    assert running(platform, environment) == ["v1 web.1 on eu-1"]
    platform.world.disk = {HostId("eu-1"): 1000}
    _, deployment = asked(platform, "first", tree=tree)
    await until(platform, lambda: bool(waiting(platform, environment)))
    await platform.clock.sleep(30)
    assert "disk does not do on host eu-1" in waiting(platform, environment)
    platform.world.disk = {}
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert running(platform, environment) == ["v2 web.1 on eu-1"]


@story
async def test_a_host_that_is_asked_for_has_room_for_the_accessories_too(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    full = msgspec.structs.replace(RESTLESS, regions=EU)
    await up(platform, "first", tree=full)
    await up(platform, "second", tree=full)
    third, _ = asked(platform, "third", tree=msgspec.structs.replace(beside(2 * GB), regions=EU))
    await until(platform, lambda: bool(waiting(platform, third)))
    record = platform.memory.environment(third)
    assert record is not None and record.review is not None and record.review.need is not None
    assert record.review.need.memory == 3 * GB


@story
async def test_an_app_whose_accessory_found_no_room_for_its_image_waits_for_it(platform: FakePlatform) -> None:
    build, is_full = platform.workshop.build, True

    async def guarded(source: Path, settings: BuildSettings, origin: Source, **others: Any) -> Artifact:
        if is_full and not origin.digest:  # of no source
            raise CapacityExceeded("an image needs 2.0 GB of disk, and 1.0 GB are free")
        return await build(source, settings, origin, **others)

    platform.workshop.build = guarded  # type: ignore[method-assign]
    environment, deployment = asked(platform, "first", tree=beside(GB))
    await until(platform, lambda: bool(waiting(platform, environment)))
    assert waiting(platform, environment) == "accessory redis did not come up: an image needs 2.0 GB of disk, and 1.0 GB are free"
    is_full = False
    ended = await platform.end(deployment)
    assert (ended.outcome, ended.error) == (Outcome.SUCCEEDED, "")
    assert redis_of(platform, environment) == ["v1 redis.1"]
    assert waiting(platform, environment) == ""


SLEEPY = msgspec.structs.replace(beside(GB), review=msgspec.structs.replace(SETTINGS, sleep=100.0))


def starts_and_stops(platform: FakePlatform) -> list[str]:
    """From now on."""
    done: list[str] = []

    def look(point: Point) -> None:
        if isinstance(point.subject, InstanceKey) and point.moment is Moment.AFTER and point.name in ("runtime.start", "runtime.stop"):
            done.append(f"{point.name.removeprefix('runtime.')} {point.subject.process}")

    platform.on_point = look
    return done


async def asleep(platform: FakePlatform, environment: EnvironmentId) -> None:
    await until(platform, lambda: running(platform, environment) == redis_of(platform, environment) == [], within=400)


@story
async def test_its_accessory_sleeps_after_the_app_and_is_ready_before_it_wakes(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda spec: Behaviour(ready_after=3.0) if spec.key.process == REDIS.name else Behaviour()
    environment = await up(platform, "first", tree=SLEEPY)
    life = platform.runtime.life(min(platform.running(environment.with_accessory(REDIS.name))))
    assert life is not None
    done = starts_and_stops(platform)
    await asleep(platform, environment)
    assert done == ["stop web", "stop redis"]
    await platform.rest(60)
    assert redis_of(platform, environment) == [], "it stays down"
    assert await visit(platform, environment) == 200
    assert done == ["stop web", "stop redis", "start redis", "start web"]
    woken = platform.runtime.life(min(platform.running(environment.with_accessory(REDIS.name))))
    assert woken is not None
    assert (woken.port, woken.variables) == (life.port, life.variables), "port and secret are kept"
    assert woken.has_answered


@story
async def test_a_deployment_of_one_that_sleeps_finds_its_accessory_ready(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda spec: Behaviour(ready_after=3.0) if spec.key.process == REDIS.name else Behaviour()
    environment = await up(platform, "first", tree=SLEEPY)
    await asleep(platform, environment)
    done = starts_and_stops(platform)
    order = msgspec.structs.replace(platform.order(SLEEPY), origin=Source(digest="d-first", branch="first"))
    ended = await platform.end(platform.submit(environment, order))
    assert (ended.outcome, ended.error) == (Outcome.SUCCEEDED, "")
    assert done[:2] == ["start redis", "start web"]
    assert redis_of(platform, environment) == ["v1 redis.1"]


@story
async def test_one_that_sleeps_gives_up_the_place_of_its_accessory_too(platform: FakePlatform) -> None:
    first = await up(platform, "first", tree=beside(5 * GB))
    await platform.rest(300)
    second = await up(platform, "second", tree=beside(5 * GB))
    assert running(platform, first) == redis_of(platform, first) == []
    assert redis_of(platform, second) == ["v1 redis.1"]


@story
async def test_the_accessory_of_what_is_no_review_app_never_sleeps(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    environment = await up(platform, "first", tree=SLEEPY)
    await asleep(platform, environment)
    assert running(platform, CACHE) == ["v1 redis.1"]
