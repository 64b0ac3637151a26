"""A disk that is nearly full: no review app starts or wakes there, says why, and goes elsewhere where there is an elsewhere."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from engine.stories import QUICK, SHOP, deployed, running, story, told, until
from engine.test_capacity import EU, lending, loan
from engine.test_room import SETTINGS, asked, up, visit, waiting

from mooring.engine.waits import LONGEST_WAIT
from mooring.errors import CapacityExceeded
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.names import LOCAL, EnvironmentName, HostId, ServerName, ServiceName
from mooring.model.secret import Secret
from mooring.model.service import ServiceKind, ServiceServer, ServiceWish
from mooring.planner.hosts import LEAST_DISK
from mooring.testing.lending import LendingPlatform
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

TREE = Tree(processes=(process("web"),), policy=QUICK, review=SETTINGS)
ON_HOSTS = msgspec.structs.replace(TREE, regions=(EU,))
LITTLE = 300_000_000
WISH = ServiceWish(name=ServiceName("db"), kind=ServiceKind.POSTGRES, prefix="DATABASE")


@story
async def test_a_new_one_waits_with_the_figures_until_there_is_disk_and_nobody_sleeps_for_it(platform: FakePlatform) -> None:
    first = await up(platform, "first", tree=TREE)
    await platform.rest(300)
    platform.world.disk[LOCAL] = LITTLE
    second, deployment = asked(platform, "second", tree=TREE)
    await platform.rest(60)
    assert waiting(platform, second) == "disk does not do on this host: 300.0 MB are free, and 1.0 GB have to be"
    assert (running(platform, first), running(platform, second)) == (["v1 web.1"], [])
    platform.world.disk[LOCAL] = LEAST_DISK
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert waiting(platform, second) == ""


@story
async def test_the_wait_for_disk_has_an_end_and_what_is_no_review_app_is_not_kept_waiting(platform: FakePlatform) -> None:
    platform.world.disk[LOCAL] = LITTLE
    await deployed(platform)
    environment, deployment = asked(platform, "first", tree=TREE)
    ended = await platform.end(deployment, within=LONGEST_WAIT + 60)
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, CapacityExceeded.code)
    assert "there was no room for 30 minutes: disk does not do on this host: 300.0 MB are free" in ended.error
    assert (waiting(platform, environment), len(running(platform, SHOP))) == ("", 2)


@story
async def test_one_that_sleeps_wakes_for_its_visitor_when_there_is_disk(platform: FakePlatform) -> None:
    first = await up(platform, "first", tree=msgspec.structs.replace(TREE, review=msgspec.structs.replace(SETTINGS, sleep=120.0)))
    await platform.rest(200)
    assert running(platform, first) == []
    platform.world.disk[LOCAL] = LITTLE
    visiting = asyncio.create_task(visit(platform, first))
    await until(platform, lambda: waiting(platform, first).startswith("disk does not do on this host"))
    assert running(platform, first) == []
    platform.world.disk[LOCAL] = LEAST_DISK
    assert await visiting == 200
    assert waiting(platform, first) == ""


@story
async def test_what_nobody_may_want_any_more_goes_first_and_then_it_does_not_wait(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.world.disk[LOCAL] = LITTLE
    prune = platform.workshop.prune

    def freed(keep: frozenset[str]) -> int:
        platform.world.disk[LOCAL] = LEAST_DISK
        return prune(keep)

    monkeypatch.setattr(platform.workshop, "prune", freed)
    first = await up(platform, "first", tree=TREE)
    assert not [each for each in told(platform, EventKind.ENVIRONMENT_CHANGED, first) if "it waits" in str(each.fields["message"])]


@story
async def test_it_is_placed_on_a_host_of_its_region_with_disk(platform: FakePlatform) -> None:
    platform.add_host("eu-1")
    platform.add_host("eu-2")
    platform.world.disk[HostId("eu-1")] = LITTLE
    assert running(platform, await up(platform, "first", tree=ON_HOSTS)) == ["v1 web.1 on eu-2"]


@lending
async def test_where_no_host_of_its_region_has_disk_one_more_is_borrowed(platform: LendingPlatform) -> None:
    platform.world.disk[HostId("eu-1")] = LITTLE
    first, deployment = asked(platform, "first", tree=ON_HOSTS)
    await until(platform, lambda: waiting(platform, first).startswith("disk does not do on host eu-1: 300.0 MB are free"))
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert running(platform, first) == [f"v1 web.1 on {loan(platform).host}"]


@pytest.mark.parametrize(("place", "waits"), [("127.0.0.1:5432", True), ("db.internal:5432", False)])
@story
async def test_a_copy_of_a_template_on_a_server_of_this_machine_needs_its_size_besides(
    platform: FakePlatform, place: str, waits: bool
) -> None:
    server = platform.add_server()
    address = Secret("postgresql://admin:sesame@main.test:5432/postgres")
    platform.memory.save_service_server(ServiceServer(name=ServerName("main"), kind=ServiceKind.POSTGRES, place=place), address)
    tree = msgspec.structs.replace(TREE, services=(msgspec.structs.replace(WISH, source=EnvironmentName("template")),))
    await deployed(platform, msgspec.structs.replace(tree, services=(WISH,)), EnvironmentId.parse("shop/template"))
    (stored,) = server.stored.values()
    stored.content["a"] = "x" * 999
    platform.world.disk[LOCAL] = LEAST_DISK + 500
    first, deployment = asked(platform, "first", tree=tree)
    await platform.rest(30)
    assert ("the copy of its data takes 1.0 kB" in waiting(platform, first)) is waits
    assert (len(server.stored) == 1) is waits, "nothing of it was made"
    platform.world.disk[LOCAL] = LEAST_DISK + 1_000
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
