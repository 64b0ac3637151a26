"""What happens when HAProxy dies or is hindered, and when what was prepared for it is used up. With a real HAProxy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from mooring.drivers.edge.contract import Reloading, Reloads
from mooring.drivers.edge.files import write_whole
from mooring.drivers.edge.haproxy.edge import HaproxyEdge
from mooring.drivers.edge.haproxy.ground import OwnMachine
from mooring.drivers.edge.haproxy.log_space import BLOCK
from mooring.drivers.edge.haproxy.running import Refusal, Running
from mooring.drivers.edge.haproxy.settings import HaproxySettings, Layout
from mooring.errors import InvalidInput, Unavailable
from mooring.model.routing import Endpoint
from mooring.testing.edge_contract import PATIENCE, App, Shop, eventually
from mooring.testing.haproxy import HaproxyPlatform, HaproxyRig

PROXIES = ("haproxy",)


@pytest.fixture
def shop(rig: HaproxyRig) -> Shop:
    return Shop(rig)


@pytest.fixture
def layout(platform: HaproxyPlatform) -> Layout:
    return Layout(platform.directory, platform.run_directory)


@pytest.fixture
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HaproxyRig]:
    """With two prepared backends only."""
    platform = HaproxyPlatform(tmp_path_factory.mktemp("e"), prepared=2)
    platform.start()
    rig = HaproxyRig(platform)
    yield rig
    await rig.close()
    platform.stop()


def _slots(shop: Shop, apps: Sequence[App]) -> list[Endpoint]:
    found = [shop.endpoint(app) for app in apps]
    return [
        msgspec.structs.replace(each, instance=msgspec.structs.replace(each.instance, slot=slot))
        for slot, each in enumerate(found, start=1)
    ]


async def test_what_haproxy_refuses_is_taken_back_everywhere(rig: HaproxyRig, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command that follows from a checked table is refused by HAProxy; so one is garbled on its way."""
    old, new = await rig.listen("old"), await rig.listen("new")
    table = shop.table(shop.endpoint(old))
    await shop.apply(table)
    send = Running.send

    async def garble(self: Running, commands: Sequence[str]) -> None:
        if any("state ready" in command for command in commands):
            monkeypatch.undo()
        await send(self, [command.replace("state ready", "state nonsense") for command in commands])

    monkeypatch.setattr(Running, "send", garble)
    with pytest.raises(Refusal, match="refused a change"):
        await shop.apply(shop.table(shop.endpoint(new, release=2)))
    (view,) = await rig.edge.observe(shop.environment)
    assert (view.table, view.is_acknowledged) == (table, True)
    assert {(await shop.ask()).text for _ in range(5)} == {"old"}


async def test_what_someone_else_changed_is_seen_and_made_good(rig: HaproxyRig, shop: Shop, layout: Layout) -> None:
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    entries = await Running(OwnMachine(layout)).entries(layout.routes)
    backend = entries[f"{shop.hostname}/"].partition("|")[0]
    said = await OwnMachine(layout).hand.ask(f"disable server {backend}/{backend[1:]}.0; del map {layout.routes} {shop.hostname}/")
    assert not said.strip()
    (view,) = await rig.edge.observe(shop.environment)
    assert not view.is_acknowledged

    async def is_acknowledged() -> bool:
        return (await rig.edge.observe(shop.environment))[0].is_acknowledged

    await eventually(is_acknowledged)
    assert (await shop.ask()).text == "one"


async def test_a_table_that_was_kept_but_not_told_is_told_by_the_next_controller(rig: HaproxyRig, shop: Shop, layout: Layout) -> None:
    """The controller died in between."""
    old, new = await rig.listen("old"), await rig.listen("new")
    await shop.apply(shop.table(shop.endpoint(old)))
    wanted = shop.table(shop.endpoint(new, release=2))
    write_whole(layout.table(shop.environment), msgspec.json.encode({"environment": shop.environment, "fence": 1, "table": wanted}))
    await rig.restart_controller()

    async def is_new() -> bool:
        (view,) = await rig.edge.observe(shop.environment)
        return view.is_acknowledged

    await eventually(is_new)
    assert {(await shop.ask()).text for _ in range(5)} == {"new"}


async def test_places_that_cannot_be_read_are_given_anew(rig: HaproxyRig, shop: Shop, layout: Layout) -> None:
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    layout.places.write_bytes(b'{"half": ')
    await rig.restart_controller()

    async def is_acknowledged() -> bool:
        return (await rig.edge.observe(shop.environment))[0].is_acknowledged

    await eventually(is_acknowledged)
    assert (await rig.visit(shop.hostname)).text == "one"
    await rig.restart_edge()
    assert (await rig.visit(shop.hostname)).text == "one"


async def test_a_garbled_certificate_is_made_anew_before_haproxy_reads_it(rig: HaproxyRig, shop: Shop, layout: Layout) -> None:
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    before = (await rig.visit(shop.hostname, is_secure=True)).leaf
    layout.certificate(shop.hostname).write_bytes(b"garbage")
    assert (await rig.visit(shop.hostname, is_secure=True)).leaf == before
    await rig.restart_controller()
    await rig.restart_edge()
    visit = await rig.visit(shop.hostname, is_secure=True)
    strangers = (await rig.visit("stranger.localhost", is_secure=True)).leaf
    assert visit.text == "one"
    assert visit.leaf not in (before, strangers)


async def test_more_instances_than_servers_were_prepared_are_served_and_last(rig: HaproxyRig, shop: Shop) -> None:
    apps = [await rig.listen(f"app{number}") for number in range(5)]
    await shop.apply(shop.table(*_slots(shop, apps)))
    names = {app.name for app in apps}
    assert {(await rig.visit(shop.hostname)).text for _ in range(20)} == names
    await rig.restart_edge()
    assert {(await rig.visit(shop.hostname)).text for _ in range(20)} == names
    (view,) = await rig.edge.observe(shop.environment)
    assert view.is_acknowledged


async def test_a_server_that_still_answers_is_not_given_to_another_instance(rig: HaproxyRig, shop: Shop) -> None:
    """Its request would be counted, and put down in the log, as the other's."""
    slow, others = await rig.listen("slow"), [await rig.listen(f"app{number}") for number in range(4)]
    await shop.apply(shop.table(shop.endpoint(slow)))
    since = rig.wall()
    asking = asyncio.create_task(shop.ask("/slow"))

    async def is_flying() -> bool:
        return bool((await rig.edge.observe(shop.environment))[0].in_flight)

    await eventually(is_flying)
    for release, app in enumerate(others, start=2):
        await shop.apply(shop.table(shop.endpoint(app, release=release)))
        assert (await rig.edge.observe(shop.environment))[0].in_flight == {}
    slow.released.set()
    assert (await asking).text == "slow"
    traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
    assert (traffic.requests, traffic.failed) == (1, 0)


async def test_when_the_prepared_backends_are_used_up_a_reload_makes_more_and_loses_nothing(small: HaproxyRig) -> None:
    shops = [Shop(small) for _ in range(3)]
    apps = [await small.listen(f"app{number}") for number in range(3)]
    for shop, app in zip(shops[:2], apps[:2], strict=True):
        await shop.apply(shop.table(shop.endpoint(app)))
    assert small.edge.reloads == Reloads()
    asking = asyncio.create_task(shops[0].ask("/slow"))
    slug = shops[0].endpoint(apps[0]).instance.slug

    async def is_flying() -> bool:
        return (await small.edge.observe(shops[0].environment))[0].in_flight == {slug: 1}

    await eventually(is_flying)
    await shops[2].apply(shops[2].table(shops[2].endpoint(apps[2])))
    assert small.edge.reloads.count == 1
    assert small.edge.reloads.last_at > 0
    assert isinstance(small.edge, Reloading), "it is told of in `mooring status`"
    assert await is_flying(), "the process that finishes what it began is counted too"
    assert [(await small.visit(shop.hostname)).text for shop in shops] == ["app0", "app1", "app2"]
    apps[0].released.set()
    assert (await asking).text == "app0"


async def test_a_place_that_became_free_is_given_again(small: HaproxyRig) -> None:
    for number in range(5):
        shop, app = Shop(small), await small.listen(f"app{number}")
        await shop.apply(shop.table(shop.endpoint(app)))
        assert (await shop.ask()).text == app.name
        await shop.remove()
    assert small.edge.reloads == Reloads()


async def test_a_full_log_is_cut_and_what_is_kept_still_counts(rig: HaproxyRig, shop: Shop, layout: Layout) -> None:
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    since = rig.wall()
    for _ in range(20):
        await asyncio.gather(*(shop.ask("/" + "x" * 400) for _ in range(10)))
    before = (await rig.edge.traffic(shop.environment, since=since, until=rig.wall())).requests
    small = msgspec.structs.replace(rig.platform.settings, log_bytes=20_000)
    tending = HaproxyEdge.here(rig.platform.directory, rig.platform.run_directory, small)
    tending.prepare()
    await tending.tend()
    assert layout.access_log.stat().st_blocks * BLOCK < 40_000
    kept = (await rig.edge.traffic(shop.environment, since=since, until=rig.wall())).requests
    assert before == 200
    assert 10 < kept < 50
    await shop.ask()
    assert (await rig.edge.traffic(shop.environment, since=since, until=rig.wall())).requests == kept + 1


async def test_a_port_that_another_program_has_is_named(rig: HaproxyRig, shop: Shop) -> None:
    rig.platform.kill("edge")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        async def is_taken() -> bool:
            """As soon as the process that served has seen that its master is gone."""
            try:
                stranger.bind(("127.0.0.1", rig.platform.http_port))
            except OSError:
                return False
            return True

        await eventually(is_taken)
        stranger.listen()
        rig.platform.start_program(rig.platform.program("edge"))
        await asyncio.to_thread(rig.platform.processes["edge"].wait, PATIENCE)
        with pytest.raises(Unavailable, match=f"port {rig.platform.http_port}"):
            await rig.edge.check()
        with pytest.raises(Unavailable, match="does not run"):
            await shop.apply(shop.table())
    rig.platform.start_program(rig.platform.program("edge"))
    await asyncio.to_thread(rig.platform.wait_until_listening)
    await rig.edge.check()


def test_a_directory_too_deep_for_sockets_is_refused_in_words(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with pytest.raises(InvalidInput, match="choose a shorter directory"):
        HaproxyEdge.here(tmp_path, deep, HaproxySettings()).prepare()


async def test_what_only_a_new_process_reads_is_read_after_an_update_without_a_request_lost(small: HaproxyRig) -> None:
    shop, app = Shop(small), await small.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    asking = asyncio.create_task(shop.ask("/slow"))

    async def is_flying() -> bool:
        return bool((await small.edge.observe(shop.environment))[0].in_flight)

    await eventually(is_flying)
    layout = Layout(small.platform.directory, small.platform.run_directory)
    before = await Running(OwnMachine(layout)).worker()
    updated = HaproxyEdge.here(
        small.platform.directory, small.platform.run_directory, msgspec.structs.replace(small.platform.settings, max_held=41)
    )
    updated.prepare()
    await updated.tend()
    after = await Running(OwnMachine(layout)).worker()
    assert after != before
    await updated.tend()
    assert await Running(OwnMachine(layout)).worker() == after
    app.released.set()
    assert (await asking).text == "one"
