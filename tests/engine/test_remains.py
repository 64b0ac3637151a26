"""What a review app leaves behind: looked for at its end, whatever ended it, and put on record kind by kind, also over a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from engine.stories import QUICK, story, told, until
from engine.test_accessories import REDIS
from engine.test_assets import SETTINGS
from engine.test_reviews import ONE, RULES, found, until_gone
from engine.test_services import WISH

from mooring.drivers.runtime.contract import LogQuery
from mooring.engine.orders import DestroyOrder
from mooring.engine.remains import SPARED
from mooring.errors import Unavailable
from mooring.model.assets import KEY_ID, KEY_SECRET
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.instance import LogLine
from mooring.model.names import HostId, RegionName
from mooring.model.placement import Region
from mooring.model.release import Source
from mooring.model.secret import Secret
from mooring.model.trace import Trace
from mooring.testing.bucket import Stored
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

TREE = Tree(
    processes=(process("web"),),
    policy=QUICK,
    review=RULES,
    builder="dockerfile",
    services=(WISH,),
    accessories=(REDIS,),
    assets=SETTINGS,
    files={"app-1.js": b"one"},
)
KINDS = ["instance", "route", "certificate", "service", "database", "role", "accessory", "volume", "artifact", "image", "assets", "log"]
CACHE = ONE.with_accessory(REDIS.name)


async def up(platform: FakePlatform, tree: Tree = TREE) -> None:
    """With all that one can have."""
    platform.add_server()
    platform.buckets.add(SETTINGS)
    found(platform)
    keys = {KEY_ID: Secret("key"), KEY_SECRET: Secret("sesame"), "REVIEW_PASSWORD": Secret("a password of sixteen and more")}
    platform.memory.put_config(ONE, changes=keys, unset=frozenset(), by="ann", at=1.0)
    order = msgspec.structs.replace(platform.order(tree), origin=Source(digest="d", branch="one"))
    deployment = await platform.run(ONE, order)
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error


def go(platform: FakePlatform) -> None:
    platform.controller.reviews.tear_down(ONE, "the test asks for it", by="ann")


def listings(platform: FakePlatform, environment: EnvironmentId = ONE) -> list[tuple[Trace, ...]]:
    """As they are on record, oldest first."""
    return [msgspec.convert(event.fields["traces"], tuple[Trace, ...]) for event in told(platform, EventKind.TRACES, environment)]


def left(platform: FakePlatform) -> dict[str, Trace]:
    """By kind, of all that is not gone, in the newest listing."""
    return {trace.kind: trace for trace in listings(platform)[-1] if not trace.is_gone}


def alarms(platform: FakePlatform) -> list[str]:
    messages = [str(event.fields["message"]) for event in platform.events() if event.kind is EventKind.PLATFORM]
    return [message for message in messages if "not all of it is known to be gone" in message]


@story
async def test_one_whose_time_is_over_leaves_its_listing_on_record_and_nothing_else(platform: FakePlatform) -> None:
    await up(platform)
    assert platform.runtime.volumes and platform.workshop.elsewhere
    await platform.rest(1100)
    await until_gone(platform)
    (listing,) = listings(platform)
    assert [trace.kind for trace in listing] == KINDS
    assert all(trace.is_gone for trace in listing), listing
    assert (platform.runtime.volumes, platform.workshop.elsewhere) == ({}, set())
    (event,) = told(platform, EventKind.TRACES, ONE)
    assert event.fields["message"] == f"gone: {', '.join(KINDS)}"
    ends = [each for each in platform.events(deployment=event.deployment) if each.kind is EventKind.DEPLOYMENT_ENDED]
    assert ends[0].sequence > event.sequence, "who follows the deployment to its end has seen it"
    assert alarms(platform) == []


@story
async def test_it_is_not_gone_before_its_volume_is(platform: FakePlatform) -> None:
    await up(platform)
    volumes = dict(platform.runtime.volumes)

    def keep(point: Point) -> None:
        if point.name == "runtime.forget" and point.moment is Moment.AFTER and point.subject == ONE:
            platform.runtime.volumes.update(volumes)

    platform.on_point = keep
    go(platform)
    await until(platform, lambda: bool(listings(platform)))
    await platform.rest(5)
    assert left(platform) == {"volume": Trace(kind="volume", left=(f"{CACHE} on local",))}
    (ended,) = platform.memory.deployments(ONE, limit=1)
    assert ended.outcome is Outcome.NEEDS_PERSON
    assert f"stays: volume {CACHE} on local (it should be gone)" in ended.error
    platform.on_point = None
    await until_gone(platform)
    assert left(platform) == {}


PLAIN = msgspec.structs.replace(TREE, services=(), accessories=(), assets=None)
IN_EU = (Region(name=RegionName("eu"), hosts=(HostId("eu-1"),)),)


@story
async def test_what_others_use_stays_on_every_host_that_has_it_and_their_names_are_told(platform: FakePlatform) -> None:
    host = platform.add_host("eu-1")
    tree = msgspec.structs.replace(PLAIN, regions=IN_EU)
    order = msgspec.structs.replace(platform.order(tree), origin=Source(digest="d"))
    staging = EnvironmentId.parse("shop/staging")
    assert (await platform.run(staging, order)).outcome is Outcome.SUCCEEDED
    await up(platform, tree)
    go(platform)
    await until_gone(platform)
    why = "used by shop/staging"
    assert left(platform) == {
        "artifact": Trace(kind="artifact", left=("artifact-d on local",), reason=why),
        "image": Trace(kind="image", left=("artifact-d on local", "artifact-d on eu-1"), reason=why),
    }
    assert list(host.delivered) == ["artifact-d"]
    assert alarms(platform) == []


@story
async def test_on_another_host_nothing_of_it_is_left(platform: FakePlatform) -> None:
    host = platform.add_host("eu-1")
    await up(platform, msgspec.structs.replace(TREE, regions=IN_EU))
    assert host.delivered and host.volumes
    go(platform)
    await until_gone(platform)
    assert (left(platform), host.delivered, host.volumes) == ({}, {}, {})


@story
async def test_what_was_used_a_moment_ago_goes_later_and_what_an_engine_does_not_let_go_of_is_an_alarm(platform: FakePlatform) -> None:
    await up(platform, PLAIN)
    built = str(platform.memory.releases(ONE)[0].artifact.id)
    platform.workshop.spared, platform.workshop.stuck = {built}, {built}
    go(platform)
    await until_gone(platform)
    assert {kind: trace.reason for kind, trace in left(platform).items()} == {"artifact": SPARED, "image": SPARED}
    assert alarms(platform) == []

    await up(platform, PLAIN)
    platform.workshop.spared = set()
    go(platform)
    await until_gone(platform)
    assert left(platform) == {"image": Trace(kind="image", left=(f"{built} on local",))}
    said = f"stays: image {built} on local (it should be gone)"
    assert alarms(platform) == [f"{ONE} is destroyed, but not all of it is known to be gone: {said}"]


@story
async def test_what_nobody_could_look_for_is_not_told_to_be_gone(platform: FakePlatform) -> None:
    server = platform.add_server()

    def fall_silent(point: Point) -> None:
        server.is_down = server.is_down or str(point) == "after memory.forget_service"

    await up(platform)
    platform.on_point = fall_silent
    go(platform)
    await until_gone(platform)
    assert {kind: trace.left for kind, trace in left(platform).items()} == {"database": (), "role": ()}
    assert "main: " in left(platform)["role"].unseen
    (alarm,) = alarms(platform)
    assert "could not be looked for: database (main: " in alarm


async def attempt(platform: FakePlatform) -> Deployment:
    """One tear-down, to an end that is none: its listing is on record before it has ended, and one alone."""
    before = len(listings(platform))
    platform.controller.reviews.tear_down(ONE, "the test asks for it", by="ann")
    (going,) = platform.memory.deployments(ONE, limit=1)
    ended = await platform.end(going.id)
    assert (ended.outcome, ended.error_code) == (Outcome.NEEDS_PERSON, "driver-error")
    events = [event for event in platform.events(deployment=ended.id) if event.kind in (EventKind.TRACES, EventKind.DEPLOYMENT_ENDED)]
    assert [event.kind for event in events] == [EventKind.TRACES, EventKind.DEPLOYMENT_ENDED]
    assert len(listings(platform)) == before + 1
    assert list(dict.fromkeys(trace.kind for trace in listings(platform)[-1])) == KINDS
    return ended


async def goes_then(platform: FakePlatform) -> None:
    """What stood in its way is mended: the keeper's next try leaves nothing."""
    await until_gone(platform)
    assert left(platform) == {}


@story
async def test_while_the_server_of_its_services_is_down_what_is_left_is_named_each_time(platform: FakePlatform) -> None:
    server = platform.add_server()
    await up(platform)
    server.is_down = True
    for _ in range(2):
        ended = await attempt(platform)
        why = left(platform)["service"].stuck
        assert why.startswith("it is stopped, but its services are not all removed: ")
        assert ended.error.startswith(f"{why}; stays: service db (postgres on main) (it should be gone)")
        assert "could not be looked for: database (main: " in ended.error
        assert {kind: trace.left for kind, trace in left(platform).items() if trace.unseen} == {"database": (), "role": ()}
    server.is_down = False
    await goes_then(platform)


@story
async def test_where_the_bucket_refuses_its_assets_are_named_and_so_is_what_was_to_go_after_them(platform: FakePlatform) -> None:
    await up(platform)
    removed: list[str] = []

    def refuse(point: Point) -> None:
        if point.name == "bucket.remove" and point.moment is Moment.BEFORE:
            removed.append(str(point))
            raise Unavailable("the bucket does not let go")

    platform.on_point = refuse
    ended = await attempt(platform)
    assert removed
    told_of = left(platform)
    assert f"{ONE.app}/{ONE.environment}/app-1.js in {SETTINGS.place}" in told_of["assets"].left
    assert told_of["service"].left and told_of["database"].left, "they go after the assets"
    assert "the bucket does not let go" in told_of["assets"].stuck == told_of["database"].stuck
    assert f"assets {', '.join(told_of['assets'].left)} (it should be gone)" in ended.error
    platform.on_point = None
    await goes_then(platform)


@story
async def test_where_the_bucket_does_not_let_mooring_in_nobody_says_that_its_assets_are_gone(platform: FakePlatform) -> None:
    await up(platform)
    admitted, platform.buckets.admitted = platform.buckets.admitted, (Secret("another"), Secret("key"))
    ended = await attempt(platform)
    assert "the bucket does not let Mooring in" in left(platform)["assets"].unseen
    assert "its assets are not all removed: " in ended.error and "could not be looked for: assets (" in ended.error
    platform.buckets.admitted = admitted
    await goes_then(platform)


@story
async def test_an_accessory_that_does_not_go_is_named_with_what_it_said(platform: FakePlatform) -> None:
    await up(platform)

    def keep(point: Point) -> None:
        if point.name == "runtime.forget" and point.moment is Moment.BEFORE and point.subject == CACHE:
            raise Unavailable("its volume is in use")

    platform.on_point = keep
    ended = await attempt(platform)
    accessory = left(platform)["accessory"]
    assert accessory.left == (str(CACHE),)
    assert accessory.stuck.startswith(f"it is stopped, but its accessories are not all removed: {CACHE}: it is stopped, but ")
    assert "its volume is in use" in accessory.stuck and accessory.stuck in ended.error
    assert left(platform)["volume"].left == (f"{CACHE} on local",)
    (own,) = listings(platform, CACHE)
    assert {trace.kind: trace.left for trace in own if trace.left}["volume"] == (f"{CACHE} on local",)
    platform.on_point = None
    await goes_then(platform)


@story
async def test_on_a_host_that_is_silent_nothing_is_told_to_be_gone(platform: FakePlatform) -> None:
    host = platform.add_host("eu-1")
    await up(platform, msgspec.structs.replace(TREE, regions=IN_EU))
    host.faults.is_down = True
    ended = await attempt(platform)
    unseen = {kind for kind, trace in left(platform).items() if "eu-1" in trace.unseen}
    assert unseen == {"instance", "volume", "artifact", "image", "log"}
    assert ended.error.startswith("what it runs could not be stopped, or its routes not be removed, in time; stays: ")
    assert "could not be looked for: instance (eu-1: " in ended.error
    assert left(platform)["instance"].unseen.endswith("; last seen: v1 web.1 on eu-1")
    host.faults.is_down = False
    await goes_then(platform)


@story
async def test_a_host_that_never_tells_its_lines_holds_no_listing_up(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    host = platform.add_host("eu-1")
    await up(platform, msgspec.structs.replace(TREE, regions=IN_EU))

    async def hangs(query: LogQuery) -> AsyncIterator[LogLine]:
        await asyncio.Event().wait()
        yield LogLine(at=0.0, source="web.1", release=1, stream="stdout", text="never said")

    monkeypatch.setattr(host, "logs", hangs)
    go(platform)
    await until_gone(platform)
    assert left(platform) == {"log": Trace(kind="log", unseen="not every host has told its lines within 10 seconds")}


@story
async def test_of_two_servers_that_may_have_it_and_are_silent_both_are_named(platform: FakePlatform) -> None:
    await up(platform)
    for name in ("main", "second"):
        platform.add_server(name).is_down = True
    await attempt(platform)
    first, second = left(platform)["role"].unseen.split("; second: ")
    assert first.startswith("main: ") and "does not answer" in first and "does not answer" in second
    for name in ("main", "second"):
        platform.add_server(name).is_down = False
    await goes_then(platform)


@story
async def test_what_a_host_and_its_edge_said_last_proves_nothing_once_they_are_silent(platform: FakePlatform) -> None:
    host, edge = platform.add_host("eu-1"), platform.add_edge("eu-1")
    await up(platform, msgspec.structs.replace(TREE, regions=IN_EU))

    def fall_silent(point: Point) -> None:
        if str(point) == "after memory.forget_service":
            host.faults.is_down = edge.faults.is_down = True

    platform.on_point = fall_silent
    go(platform)
    await until_gone(platform)
    assert {kind for kind, trace in left(platform).items() if "eu-1" in trace.unseen} >= {"instance", "route", "volume"}
    assert {kind for kind, trace in left(platform).items() if trace.left} == set(), "as they were seen last nothing was there"
    (alarm,) = alarms(platform)
    assert "could not be looked for: instance (eu-1: " in alarm and "route (eu-1: " in alarm


@story
async def test_a_file_that_somebody_else_put_beside_its_assets_is_left_and_told(platform: FakePlatform) -> None:
    await up(platform)
    key = f"{ONE.app}/{ONE.environment}/notes.txt"
    platform.buckets.add(SETTINGS)[key] = Stored(b"mine", "text/plain", "")
    go(platform)
    await until_gone(platform)
    (trace,) = left(platform).values()
    assert (trace.kind, trace.left) == ("assets", (f"{key} in {SETTINGS.place}",))
    assert "somebody else's" in trace.reason and alarms(platform) == []
    assert list(platform.buckets.add(SETTINGS)) == [key]


@story
async def test_of_what_is_destroyed_without_its_services_they_are_told_to_stay(platform: FakePlatform) -> None:
    await up(platform)
    await platform.run(ONE, DestroyOrder())
    assert {kind: len(trace.left) for kind, trace in left(platform).items()} == {"service": 1, "database": 1}
    assert all("`mooring service rm`" in trace.reason for trace in left(platform).values())
    assert alarms(platform) == []


def test_a_controller_that_dies_at_any_point_of_the_end_leaves_the_whole_listing() -> None:
    count = 1
    while _dies_at(count):
        count += 1
    assert count > 40


def _dies_at(count: int) -> bool:
    """Whether the end was long enough for it."""
    passed: list[Point] = []

    async def dying(platform: FakePlatform) -> None:
        def look(point: Point) -> None:
            passed.append(point)
            if len(passed) == count:
                platform.crash()

        await up(platform)
        platform.on_point = look
        go(platform)
        await until_gone(platform)
        platform.on_point = None
        assert [trace.kind for trace in listings(platform)[-1]] == KINDS, f"died at {passed[count - 1]}"
        assert left(platform) == {}
        assert alarms(platform) == []

    play(dying)
    return len(passed) >= count
