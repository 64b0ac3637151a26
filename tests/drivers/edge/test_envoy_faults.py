"""What happens when the edge's parts die or are hindered: nothing that was served is lost. With a real Envoy."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import msgspec
import pytest

from mooring.drivers.edge.envoy.edge import EnvoyEdge
from mooring.drivers.edge.envoy.publisher import Publisher, Refusal, publication
from mooring.drivers.edge.envoy.settings import EnvoySettings, Layout
from mooring.drivers.edge.files import write_whole
from mooring.drivers.edge.ledger import Ledger
from mooring.errors import InvalidInput, Unavailable
from mooring.testing.edge_contract import Shop, eventually
from mooring.testing.envoy import EnvoyRig

PROXIES = ("envoy",)


@pytest.fixture
def shop(rig: EnvoyRig) -> Shop:
    return Shop(rig)


async def test_what_envoy_refuses_is_taken_back_everywhere(rig: EnvoyRig, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table that passes the checks is refused by Envoy; so one is garbled on its way."""
    app, other = await rig.listen("one"), Shop(rig)
    table = shop.table(shop.endpoint(app))
    await shop.apply(table)
    await other.apply(other.table(other.endpoint(await rig.listen("two"))))
    garbled = publication(Layout(rig.platform.directory, rig.platform.run_directory).routes, ("http.edge.rds.apps",), [{"@type": "x"}])
    monkeypatch.setattr(rig.edge, "_routes", lambda: garbled)
    with pytest.raises(Refusal, match=r"refused routes\.json"):
        await shop.apply(shop.table())
    monkeypatch.undo()
    (view,) = await rig.edge.observe(shop.environment)
    assert (view.table, view.is_acknowledged) == (table, True)
    assert ((await shop.ask()).text, (await other.ask()).text) == ("one", "two")
    await shop.apply(table)


async def test_without_its_attendant_the_edge_serves_what_is_ready(rig: EnvoyRig, shop: Shop) -> None:
    app = await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    rig.platform.kill("edge-attendant")
    try:
        assert (await shop.ask()).text == "one"
        await shop.apply(shop.table())
        reply = await shop.ask()
        assert (reply.status, reply.edge) == (503, "instance-failed")
    finally:
        rig.platform.start_program(rig.platform.program("edge-attendant"))

    async def is_back() -> bool:
        return "is starting" in (await shop.ask()).text

    await eventually(is_back)


async def test_a_garbled_table_is_left_out_and_named_and_the_others_are_routed(rig: EnvoyRig, shop: Shop) -> None:
    app, other = await rig.listen("one"), Shop(rig)
    await shop.apply(shop.table(shop.endpoint(app)))
    await other.apply(other.table(other.endpoint(app, draining=True)))
    path = Layout(rig.platform.directory, rig.platform.run_directory).table(other.environment)
    path.write_bytes(b'{"half": ')
    edge = EnvoyEdge(rig.platform.directory, rig.platform.run_directory, rig.platform.settings)
    (damage,) = edge.prepare()
    assert str(path) in str(damage)
    assert (await shop.ask()).text == "one"
    path.unlink()


async def test_a_table_that_was_kept_but_not_published_is_published_at_the_next_start(rig: EnvoyRig, shop: Shop) -> None:
    """The controller died in between."""
    old, new = await rig.listen("old"), await rig.listen("new")
    await shop.apply(shop.table(shop.endpoint(old)))
    ledger = Ledger(Layout(rig.platform.directory, rig.platform.run_directory).tables)
    ledger.load()
    wanted = shop.table(shop.endpoint(new, release=2))
    entry = json.loads(msgspec.json.encode({"environment": shop.environment, "fence": 1, "table": wanted}))
    write_whole(Layout(rig.platform.directory, rig.platform.run_directory).table(shop.environment), msgspec.json.encode(entry))
    await rig.restart_controller()

    async def is_new() -> bool:
        return (await shop.ask()).text == "new"

    await eventually(is_new)


async def test_a_lost_notification_is_made_good_by_looking(rig: EnvoyRig, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that Envoy missed is written again when it is seen that Envoy has another version."""
    app = await rig.listen("one")
    table = shop.table(shop.endpoint(app))
    with monkeypatch.context() as patched:

        async def lost(self: Publisher, wanted: object) -> None:
            return None

        patched.setattr(Publisher, "publish", lost)
        await shop.apply(table)
    (view,) = await rig.edge.observe(shop.environment)
    assert not view.is_acknowledged

    async def is_acknowledged() -> bool:
        return (await rig.edge.observe(shop.environment))[0].is_acknowledged

    await eventually(is_acknowledged)
    assert (await shop.ask()).text == "one"


async def test_a_full_log_is_rotated_and_all_of_it_still_counts(rig: EnvoyRig, shop: Shop) -> None:
    app = await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    since = rig.wall()
    await shop.ask()
    await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
    small = msgspec.structs.replace(rig.platform.settings, log_segment_bytes=100)
    tending = EnvoyEdge(rig.platform.directory, rig.platform.run_directory, small)
    tending.prepare()
    await tending.tend()
    await shop.ask()
    traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
    assert traffic.requests == 2
    assert (rig.platform.directory / "log" / "access.log.1").exists()


async def test_a_port_that_another_program_has_is_named(rig: EnvoyRig, shop: Shop) -> None:
    rig.platform.kill("edge")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", rig.platform.settings.http_port))
        stranger.listen()
        rig.platform.start_program(rig.platform.program("edge"))

        async def answers() -> bool:
            try:
                await rig.edge.check()
            except Unavailable as error:
                return f"port {rig.platform.settings.http_port}" in str(error)
            return False

        await eventually(answers)
        with pytest.raises(Unavailable, match="another program may have a port"):
            await shop.apply(shop.table())
    await rig.restart_edge()
    await rig.edge.check()


def test_a_directory_too_deep_for_sockets_is_refused_in_words(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with pytest.raises(InvalidInput, match="choose a shorter directory"):
        EnvoyEdge(tmp_path, deep, EnvoySettings()).prepare()


async def test_an_upload_too_large_to_be_kept_is_told_so_when_its_instance_is_dead(rig: EnvoyRig, shop: Shop) -> None:
    app = await rig.listen("dead")
    await shop.apply(shop.table(shop.endpoint(app)))
    await rig.silence(app)
    response = await rig.client.post("/", headers={"host": shop.hostname, "accept": "application/json"}, content=b"x" * 5_000_000)
    assert response.status_code == 503
    assert response.headers["x-mooring-edge"]
    assert response.json()["title"]
