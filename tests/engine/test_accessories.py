"""Accessories beside an app: made by a deploy when they are missing, and by nothing else than a person's word stopped or changed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from engine.stories import QUICK, SHOP, check_order, deployed, running, story, until

from mooring.engine import accessories
from mooring.engine.orders import AccessoryOrder, DestroyOrder, Order, RestartOrder, ScaleOrder, encode_order
from mooring.engine.variables import access_to
from mooring.errors import LeaseHeld, Unavailable
from mooring.model.accessory import Accessory
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, CheckKind, Checks
from mooring.model.instance import InstanceKey
from mooring.model.lease import Lock
from mooring.model.names import LOCAL, AccessoryName, DeploymentId, HostId, ProcessName, RegionName, VariableName
from mooring.model.placement import Region
from mooring.model.secret import Secret
from mooring.planner.accessories import Condition
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import Crash, FakePlatform, play
from mooring.testing.workshop import Tree, process

_ASKED = Check(kind=CheckKind.TCP, interval=0.1)
CHECKS = Checks(startup=_ASKED, readiness=msgspec.structs.replace(_ASKED, interval=0.5))
REDIS = Accessory(
    name=AccessoryName("redis"),
    command="redis-server --port $PORT",
    secrets=(VariableName("PASSWORD"),),
    url="redis://:{PASSWORD}@{address}:{port}/0",
    checks=CHECKS,
)
CACHE = SHOP.with_accessory(REDIS.name)
NAME = ProcessName("redis")
WITH_REDIS = Tree(processes=(process("web", count=2),), policy=QUICK, accessories=(REDIS,))
LARGER = msgspec.structs.replace(REDIS, memory=64_000_000)
WITH_LARGER = msgspec.structs.replace(WITH_REDIS, accessories=(LARGER,))
WITHOUT = msgspec.structs.replace(WITH_REDIS, accessories=())


def acts(platform: FakePlatform) -> list[str]:
    """What is done to the accessory from now on."""
    done: list[str] = []

    def look(point: Point) -> None:
        if isinstance(point.subject, InstanceKey) and point.subject.environment == CACHE and point.moment is Moment.AFTER:
            done.append(f"{point.name.removeprefix('runtime.')} {point.subject}")

    platform.on_point = look
    return done


def redis(platform: FakePlatform) -> str:
    return ", ".join(sorted(str(key) for key in platform.running(CACHE)))


def variables(platform: FakePlatform, key: InstanceKey) -> dict[str, str]:
    life = platform.runtime.life(key)
    assert life is not None
    return life.variables


async def apply(platform: FakePlatform, accessory: Accessory) -> Deployment:
    return await platform.run(CACHE, AccessoryOrder(accessory=accessory, beside=LOCAL))


async def in_order(platform: FakePlatform) -> None:
    await check_order(platform)
    assert platform.disorder(CACHE) == []


@story
async def test_a_deploy_makes_what_is_missing_before_the_app_and_tells_the_app_where_it_is(platform: FakePlatform) -> None:
    order: list[str] = []

    def look(point: Point) -> None:
        if point.name == "runtime.start" and point.moment is Moment.AFTER and isinstance(point.subject, InstanceKey):
            order.append(str(point.subject.process))

    platform.on_point = look
    await deployed(platform, WITH_REDIS)
    assert order == ["redis", "web", "web"]
    web = min(platform.running(SHOP))
    life = platform.runtime.life(InstanceKey(CACHE, NAME, 1, 1))
    assert life is not None
    password = life.variables["PASSWORD"]
    assert len(password) == 64, "made up"
    assert variables(platform, web)["REDIS_HOST"] == "127.0.0.1"
    assert variables(platform, web)["REDIS_PORT"] == str(life.port)
    assert variables(platform, web)["REDIS_URL"] == f"redis://:{password}@127.0.0.1:{life.port}/0"
    assert variables(platform, web).keys().isdisjoint({"PASSWORD"}), "but in the address"
    assert platform.edge.table(CACHE) is None, "nothing routes to it"
    await in_order(platform)


@story
async def test_no_deploy_of_the_app_touches_one_that_there_is(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    done = acts(platform)
    await deployed(platform, WITH_REDIS)
    await deployed(platform, WITH_LARGER)
    await platform.run(SHOP, RestartOrder())
    await deployed(platform, WITHOUT)
    assert done == []
    assert redis(platform) == "v1 redis.1"
    await in_order(platform)


@story
async def test_what_a_deploy_leaves_to_a_person_is_said_with_what_to_do(platform: FakePlatform) -> None:
    preview = await platform.controller.preview(SHOP, platform.order(WITH_REDIS))
    assert (
        "accessory redis is declared and missing: a deploy starts it before the app, from the command redis-server --port $PORT"
        in preview.notes
    )
    await deployed(platform, WITH_REDIS)
    preview = await platform.controller.preview(SHOP, platform.order(WITH_LARGER))
    changed = (
        "accessory redis is declared otherwise than it runs (memory none → 64.0 MB): `mooring accessory apply redis` changes it",
        "accessory redis is not declared and goes on: `mooring accessory rm redis` removes it",
    )
    assert f"{changed[0]}, once this is deployed" in preview.notes
    assert changed[1] in (await platform.controller.preview(SHOP, platform.order(WITHOUT))).notes
    deployment = await deployed(platform, WITH_LARGER)
    assert changed[0] in [event.fields.get("line") for event in platform.events(deployment=deployment.id)], "told when it is deployed too"


@story
async def test_a_change_is_applied_when_a_person_says_so_and_never_are_there_two_on_one_volume(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(stop_takes=3.0)
    await deployed(platform, WITH_REDIS)
    port = platform.runtime.lives()[0].port
    done = acts(platform)
    assert (await apply(platform, LARGER)).outcome is Outcome.SUCCEEDED
    assert done == ["stop v1 redis.1", "start v2 redis.1"]
    life = platform.runtime.life(InstanceKey(CACHE, NAME, 1, 2))
    assert life is not None
    assert (life.port, life.spec.memory) == (port, 64_000_000), "where it was, so that the app still finds it"
    assert life.variables["PASSWORD"] == revealed(platform), "with the secret that its volume knows"
    await in_order(platform)


def revealed(platform: FakePlatform) -> str:
    url = access_to(platform.memory, CACHE)["URL"]
    assert isinstance(url, Secret)
    return url.reveal().partition(":@")[0].rpartition("redis://:")[2].partition("@")[0]


@story
async def test_a_change_that_does_not_come_up_makes_way_for_what_ran_before(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    platform.runtime.behave = lambda spec: Behaviour(exits_after=0.05) if spec.key.release == 2 else Behaviour()
    assert (await apply(platform, LARGER)).outcome is Outcome.FAILED
    assert redis(platform) == "v1 redis.1"
    await in_order(platform)


@story
async def test_an_app_whose_accessory_does_not_come_up_is_not_touched(platform: FakePlatform) -> None:
    await deployed(platform, WITHOUT)
    platform.runtime.behave = lambda spec: Behaviour(exits_after=0.05) if spec.key.environment == CACHE else Behaviour()
    failed = await platform.end(platform.deploy(SHOP, WITH_REDIS))
    assert failed.outcome is Outcome.FAILED
    assert failed.error.startswith("accessory redis did not come up: ")
    assert failed.hint == "`mooring accessory logs redis` shows what it said"
    assert running(platform) == ["v1 web.1", "v1 web.2"]
    platform.runtime.behave = lambda _: Behaviour()
    await deployed(platform, WITH_REDIS)
    assert redis(platform), "and is made by the next deploy"
    await in_order(platform)


@story
async def test_one_that_is_stopped_stays_so_over_deploys_until_it_is_started(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    await platform.run(CACHE, ScaleOrder(counts={NAME: 0}))
    await deployed(platform, WITH_REDIS)
    assert redis(platform) == ""
    [judgement] = accessories.judgements(platform.memory, SHOP, (REDIS,))
    assert judgement.condition is Condition.STOPPED
    assert judgement.reason == "accessory redis is stopped: `mooring accessory start redis` starts it"
    await platform.run(CACHE, ScaleOrder(counts={NAME: 1}))
    assert redis(platform) == "v1 redis.1"
    await in_order(platform)


@story
async def test_one_that_died_or_lost_its_host_comes_back_where_it_was(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    key = InstanceKey(CACHE, NAME, 1, 1)
    [before] = [life.port for life in platform.runtime.lives() if life.spec.key == key]
    platform.runtime.lose_host([key])
    await until(platform, lambda: redis(platform) == "v1 redis.1")
    life = platform.runtime.life(key)
    assert life is not None
    assert life.port == before
    await until(platform, lambda: platform.disorder(SHOP) == [])


@story
async def test_what_is_removed_leaves_its_volume_and_its_secret_unless_the_volume_is_to_go_too(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    password = variables(platform, InstanceKey(CACHE, NAME, 1, 1))["PASSWORD"]
    assert (await platform.run(CACHE, DestroyOrder(keeps_volume=True))).outcome is Outcome.SUCCEEDED
    assert redis(platform) == ""
    assert CACHE in platform.runtime.volumes
    assert access_to(platform.memory, CACHE) == {}, "nobody is sent there"
    await deployed(platform, WITH_REDIS)
    again = next(iter(platform.running(CACHE)))
    assert variables(platform, again)["PASSWORD"] == password, "what it kept is of use only with the secret it was made with"
    assert (await platform.run(CACHE, DestroyOrder())).outcome is Outcome.SUCCEEDED
    assert platform.runtime.volumes == {}
    assert platform.memory.environment(CACHE) is None
    await in_order(platform)


@story
async def test_a_destroyed_environment_takes_its_accessories_with_it_their_volumes_too(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    assert (await platform.run(SHOP, DestroyOrder())).outcome is Outcome.SUCCEEDED
    assert platform.runtime.lives() == ()
    assert platform.runtime.volumes == {}
    assert platform.memory.environments() == ()


@story
async def test_a_lock_of_the_app_is_one_of_its_accessories(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)
    platform.memory.save_lock(Lock(environment=SHOP, by="ann", since=0.0, reason="moving"))
    with pytest.raises(LeaseHeld, match="shop/production was locked by ann: moving"):
        platform.submit(CACHE, RestartOrder())


@story
async def test_an_accessory_goes_to_the_emptiest_host_of_its_region_and_stays_there(platform: FakePlatform) -> None:
    platform.add_host("h1")
    platform.add_host("h2")
    regions = (Region(name=RegionName("eu"), hosts=(HostId("h1"),)),)
    placed = msgspec.structs.replace(REDIS, region=RegionName("eu"))
    tree = msgspec.structs.replace(WITH_REDIS, regions=regions, accessories=(placed,))
    await deployed(platform, tree)
    assert redis(platform) == "v1 redis.1 on h1"
    await platform.run(CACHE, ScaleOrder(counts={NAME: 0}))
    [host] = [each for each in platform.memory.hosts() if each.name == "h1"]
    platform.memory.save_host(msgspec.structs.replace(host, is_draining=True))
    await platform.run(CACHE, ScaleOrder(counts={NAME: 1}))
    assert redis(platform) == "v1 redis.1 on h1", "what it kept is there"


@story
async def test_an_app_that_could_not_reach_it_is_refused_before_anything_of_it_runs(platform: FakePlatform) -> None:
    platform.add_host("h1")
    tree = msgspec.structs.replace(WITH_REDIS, regions=(Region(name=RegionName("eu")),))
    at_home = msgspec.structs.replace(tree, accessories=(msgspec.structs.replace(REDIS, host=LOCAL),))
    failed = await platform.end(platform.deploy(SHOP, at_home))
    assert failed.outcome is Outcome.FAILED
    assert failed.error == "accessory redis listens on the loopback of the controller's machine, and the app runs on h1"
    assert running(platform) == []


@story
async def test_an_environment_is_not_called_destroyed_while_an_accessory_of_it_is_left(platform: FakePlatform) -> None:
    await deployed(platform, WITH_REDIS)

    def refuse(point: Point) -> None:
        if isinstance(point.subject, InstanceKey) and (point.name, point.subject.environment) == ("runtime.stop", CACHE):
            raise Unavailable("it cannot be stopped")

    platform.on_point = refuse
    ended = await platform.run(SHOP, DestroyOrder())
    assert (ended.outcome, ended.hint) == (Outcome.NEEDS_PERSON, "`mooring destroy` once more removes it")
    assert {record.environment for record in platform.memory.environments()} == {SHOP, CACHE}
    platform.on_point = None
    assert (await platform.run(SHOP, DestroyOrder())).outcome is Outcome.SUCCEEDED
    assert platform.runtime.lives() == ()
    assert platform.memory.environments() == ()


@dataclass(frozen=True)
class Interrupted:
    """An order that a controller dies in the middle of, and what holds when its successors have ended it."""

    name: str
    deploys: int  # before it
    about: EnvironmentId
    order: Callable[[FakePlatform], Order]
    holds: Callable[[FakePlatform], bool]

    def __str__(self) -> str:
        return self.name


def serves_beside(accessory: str) -> Callable[[FakePlatform], bool]:
    """Two of one release, and the accessory once."""
    return lambda platform: (
        redis(platform).endswith(accessory) and [each.partition(" ")[2] for each in running(platform)] == ["web.1", "web.2"]
    )


INTERRUPTED = (
    Interrupted("the first deploy", 0, SHOP, lambda platform: platform.order(WITH_REDIS), serves_beside("redis.1")),
    Interrupted("apply", 1, CACHE, lambda _: AccessoryOrder(accessory=LARGER, beside=LOCAL), serves_beside("redis.1")),
    Interrupted(
        "destroy", 1, SHOP, lambda _: DestroyOrder(), lambda platform: not platform.runtime.lives() and not platform.runtime.volumes
    ),
)


@pytest.mark.parametrize("interrupted", INTERRUPTED, ids=str)
def test_a_controller_that_dies_at_any_point_leaves_what_its_successor_brings_to_its_end(interrupted: Interrupted) -> None:
    points: list[str] = []
    play(lambda platform: _lived(interrupted, platform, points, crash_at=0))
    assert any("production.redis" in point or "redis.1" in point for point in points), "the accessory is in it"
    for count in range(1, len(points) + 1):
        passed: list[str] = []
        try:
            play(functools.partial(_outlived, interrupted, passed, count))
        except BaseException as error:
            error.add_note(f"crashed at point {count}: {passed[count - 1] if count <= len(passed) else 'never'}")
            raise


async def _outlived(interrupted: Interrupted, passed: list[str], count: int, platform: FakePlatform) -> None:
    await _lived(interrupted, platform, passed, crash_at=count)


async def _lived(interrupted: Interrupted, platform: FakePlatform, passed: list[str], *, crash_at: int) -> None:
    for _ in range(interrupted.deploys):
        await deployed(platform, WITH_REDIS)

    def look(point: Point) -> None:
        passed.append(str(point))
        if len(passed) == crash_at:
            platform.crash()

    order = interrupted.order(platform)
    platform.on_point = look
    identity = await _submitted(platform, interrupted.about, order)
    if identity is not None:
        ended = await platform.end(identity)
        assert ended.outcome is Outcome.SUCCEEDED, ended.error
    platform.on_point = None
    await platform.rest()
    assert interrupted.holds(platform)
    assert [each for environment in (SHOP, CACHE) for each in platform.disorder(environment)] == []


async def _submitted(platform: FakePlatform, environment: EnvironmentId, order: Order) -> DeploymentId | None:
    """Once more where the controller died before it was taken; None where it was done meanwhile."""
    try:
        return platform.submit(environment, order)
    except Crash:
        await platform.rest(0.0)
        known = [each.id for each in platform.memory.unfinished_deployments() if each.environment == environment]
        asked = [each.id for each in platform.memory.deployments(environment) if each.order == encode_order(order)]
        if platform.memory.environment(environment) is None and isinstance(order, DestroyOrder):
            return None
        return next(iter([*known, *asked]), None) or platform.submit(environment, order)
