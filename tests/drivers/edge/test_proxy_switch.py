"""What a change of routes costs clients with a real Envoy and a real HAProxy: nothing. Load, WebSockets, killed instances."""

from __future__ import annotations

import asyncio
import time

import httpx
import msgspec
import pytest
import websockets
from websockets.asyncio.server import ServerConnection

from mooring.model.routing import RouteTable
from mooring.testing.edge_contract import PATIENCE, App, Shop, eventually
from mooring.testing.proxy import ProxyRig

RATE = 200


@pytest.fixture
def shop(rig: ProxyRig) -> Shop:
    return Shop(rig)


async def _constant_load(rig: ProxyRig, hostname: str, seconds: float) -> list[str]:
    """RATE requests a second on kept-alive connections, each at its own time; what went wrong, and who answered."""
    answers: list[str] = []

    async def one() -> None:
        try:
            response = await rig.client.get("/", headers={"host": hostname})
            answers.append(response.text if response.status_code == 200 else str(response.status_code))
        except httpx.HTTPError as error:
            answers.append(repr(error))

    began, tasks = time.monotonic(), []
    for number in range(int(seconds * RATE)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    return answers


async def test_switching_ten_times_under_load_fails_no_request(rig: ProxyRig, shop: Shop) -> None:
    apps = [await rig.listen("a"), await rig.listen("b")]
    await shop.apply(shop.table(shop.endpoint(apps[0])))
    load = asyncio.create_task(_constant_load(rig, shop.hostname, 2.0))
    for release in range(2, 12):
        old, new = apps[release % 2], apps[(release + 1) % 2]
        leaving = shop.endpoint(old, release=release - 1, draining=True)
        await shop.apply(shop.table(leaving, shop.endpoint(new, release=release)))
        await asyncio.sleep(0.1)
        await shop.apply(shop.table(shop.endpoint(new, release=release)))
        await asyncio.sleep(0.05)
    answers = await load
    assert set(answers) == {"a", "b"}
    assert len(answers) == 2 * RATE


async def test_a_clients_connection_stays_open_over_a_switch(rig: ProxyRig, shop: Shop) -> None:
    old, new = await rig.listen("old"), await rig.listen("new")
    await shop.apply(shop.table(shop.endpoint(old)))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.platform.http_port)
    request = f"GET / HTTP/1.1\r\nhost: {shop.hostname}\r\n\r\n".encode()

    async def ask() -> bytes:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" not in head.lower()
        return await reader.readexactly(3)

    assert await ask() == b"old"
    await shop.apply(shop.table(shop.endpoint(new, release=2)))
    assert await ask() == b"new"
    writer.close()


async def test_a_websocket_lives_on_while_its_instance_drains_and_is_counted(rig: ProxyRig, shop: Shop) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    new = await rig.listen("new")
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        old = App("old", "127.0.0.1", port)
        await shop.apply(shop.table(shop.endpoint(old)))
        host, edge_port = "127.0.0.1", rig.platform.http_port
        async with websockets.connect(f"ws://{shop.hostname}:{edge_port}/", host=host, port=edge_port, proxy=None) as client:
            await client.send("before")
            assert await client.recv() == "before"
            await shop.apply(shop.table(shop.endpoint(old, draining=True), shop.endpoint(new, release=2)))
            await client.send("after")
            assert await client.recv() == "after"
            (view,) = await rig.edge.observe(shop.environment)
            assert (view.streams, view.in_flight) == ({shop.endpoint(old).instance.slug: 1}, {})
            assert (await shop.ask()).text == "new"


async def test_an_event_stream_drains_apart_from_a_request_that_takes_long(rig: ProxyRig, shop: Shop) -> None:
    async def respond(head: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "text/event-stream" in head:
            writer.write(b"HTTP/1.1 200 Fine\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n")
            await writer.drain()
        await asyncio.sleep(PATIENCE)

    old = await rig.listen_raw(respond)
    await shop.apply(shop.table(shop.endpoint(old)))
    slow = asyncio.create_task(shop.ask("/slow"))
    async with rig.client.stream("GET", "/", headers={"host": shop.hostname, "accept": "text/event-stream"}) as events:
        pieces = events.aiter_text()
        assert await anext(pieces) == "data: 1\n\n"
        await shop.apply(shop.table(shop.endpoint(old, draining=True)))

        async def are_told_apart() -> bool:
            (view,) = await rig.edge.observe(shop.environment)
            slug = shop.endpoint(old).instance.slug
            return (view.streams, view.in_flight) == ({slug: 1}, {slug: 1})

        await eventually(are_told_apart)
    slow.cancel()


async def test_a_websocket_passes_more_than_a_request_may(rig: ProxyRig, shop: Shop) -> None:
    async def measure(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(str(len(message)))

    async with websockets.serve(measure, "127.0.0.1", 0) as server:
        app = App("sizes", "127.0.0.1", server.sockets[0].getsockname()[1])
        await shop.apply(msgspec.structs.replace(shop.table(shop.endpoint(app)), max_request_bytes=1000))
        host, port = "127.0.0.1", rig.platform.http_port
        async with websockets.connect(f"ws://{shop.hostname}:{port}/", host=host, port=port, proxy=None) as client:
            await client.send("x" * 100_000)
            assert await client.recv() == "100000"


async def test_a_silent_websocket_is_closed_after_its_own_time_and_not_that_of_requests(rig: ProxyRig, shop: Shop) -> None:
    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with websockets.serve(wait, "127.0.0.1", 0, ping_interval=None) as server:
        app = App("silent", "127.0.0.1", server.sockets[0].getsockname()[1])
        table = msgspec.structs.replace(shop.table(shop.endpoint(app)), request_timeout=0.2, stream_idle_timeout=1.5)
        await shop.apply(table)
        host, port = "127.0.0.1", rig.platform.http_port
        address = f"ws://{shop.hostname}:{port}/"
        async with websockets.connect(address, host=host, port=port, proxy=None, ping_interval=None) as client:
            began = time.monotonic()
            await asyncio.wait_for(client.wait_closed(), PATIENCE)
            assert time.monotonic() - began > 1.0


async def test_requests_for_a_killed_instance_wait_for_its_restart(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("first")
    await shop.apply(shop.table(shop.endpoint(app), hold=PATIENCE))
    assert (await shop.ask()).text == "first"
    await rig.silence(app)
    asking = [asyncio.create_task(shop.ask()) for _ in range(20)]
    await asyncio.sleep(0.5)
    assert not any(task.done() for task in asking)
    again = await rig.listen("again", app.port)
    assert {reply.text for reply in await asyncio.gather(*asking)} == {"again"}
    assert again.asked == 20


async def test_a_post_to_a_killed_instance_is_sent_once_when_it_is_back(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("first")
    await shop.apply(shop.table(shop.endpoint(app), hold=PATIENCE))
    await rig.silence(app)
    posting = asyncio.create_task(rig.client.post("/", headers={"host": shop.hostname}, content=b"x" * 200_000))
    await asyncio.sleep(0.3)
    again = await rig.listen("again", app.port)
    response = await posting
    assert (response.status_code, response.text, again.asked) == (200, "again", 1)


async def test_a_request_that_an_instance_has_seen_is_never_sent_again(rig: ProxyRig, shop: Shop) -> None:
    dying, other = await rig.listen_and_die(), await rig.listen("other")
    second = msgspec.structs.replace(shop.endpoint(other), instance=msgspec.structs.replace(shop.endpoint(other).instance, slot=2))
    await shop.apply(shop.table(shop.endpoint(dying), hold=1.0))
    since = time.time()
    response = await rig.client.post("/", headers={"host": shop.hostname}, content=b"order")
    assert (response.status_code, response.headers["x-mooring-edge"]) == (503, "instance-failed")
    assert dying.asked == 1
    await shop.apply(shop.table(shop.endpoint(dying), second, hold=1.0))
    traffic = await rig.edge.traffic(shop.environment, since=since, until=time.time())
    assert traffic.failed == 1
    assert "closed the connection" in traffic.failures[0]


async def test_a_dead_instance_beside_a_living_one_fails_nothing(rig: ProxyRig, shop: Shop) -> None:
    dead, alive = await rig.listen("dead"), await rig.listen("alive")
    await rig.silence(dead)
    second = msgspec.structs.replace(shop.endpoint(alive), instance=msgspec.structs.replace(shop.endpoint(alive).instance, slot=2))
    await shop.apply(shop.table(shop.endpoint(dead), second))
    assert {(await shop.ask()).text for _ in range(30)} == {"alive"}


async def test_a_held_upload_too_large_to_be_kept_gets_an_honest_page_or_is_not_kept_but_awaited(
    rig: ProxyRig, shop: Shop, proxy: str
) -> None:
    """Envoy keeps what it sends again; HAProxy reads no more of it than it can pass on."""
    await shop.apply(shop.table(hold=PATIENCE))
    posting = asyncio.create_task(rig.client.post("/", headers={"host": shop.hostname}, content=b"x" * 5_000_000))
    await asyncio.sleep(0.3)
    app = await rig.listen("late")
    await shop.apply(shop.table(shop.endpoint(app), hold=PATIENCE))
    response = await posting
    if proxy == "haproxy":
        assert (response.status_code, response.text, app.asked) == (200, "late", 1)
        return
    assert response.status_code == 503
    assert "send it again" in response.text
    assert "x-mooring-retry" not in response.headers
    assert app.asked == 0


async def test_a_client_that_leaves_while_it_is_held_is_no_failure(rig: ProxyRig, shop: Shop) -> None:
    await shop.apply(shop.table(hold=PATIENCE))
    since = time.time()
    with pytest.raises(httpx.ReadTimeout):
        await rig.client.get("/", headers={"host": shop.hostname}, timeout=0.3)

    async def is_logged() -> bool:
        return (await rig.edge.traffic(shop.environment, since=since, until=time.time())).requests == 1

    await eventually(is_logged)
    traffic = await rig.edge.traffic(shop.environment, since=since, until=time.time())
    assert (traffic.cancelled, traffic.failed) == (1, 0)


async def test_maintenance_that_begins_answers_those_who_are_held(rig: ProxyRig, shop: Shop) -> None:
    table: RouteTable = shop.table(hold=PATIENCE)
    await shop.apply(table)
    asking = asyncio.create_task(shop.ask())
    await asyncio.sleep(0.2)
    await shop.apply(msgspec.structs.replace(table, is_maintenance=True))
    assert "closed for maintenance" in (await asyncio.wait_for(asking, PATIENCE)).text


async def test_connections_are_closed_by_the_edge_before_the_app_closes_them(rig: ProxyRig, shop: Shop) -> None:
    """An app server closes an idle connection after 2 s or more; a request sent in that moment would be lost."""
    app = await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    await shop.ask()
    assert rig.open_connections == 1

    async def is_closed() -> bool:
        return rig.open_connections == 0

    began = time.monotonic()
    await eventually(is_closed)
    assert time.monotonic() - began < 1.9
