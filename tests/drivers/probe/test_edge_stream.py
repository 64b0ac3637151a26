"""The probe stream counts as a strict client does: constant rate, no retries, each failure with its reason."""

from __future__ import annotations

import asyncio

from mooring.drivers.probe.stream import EdgeStreams
from mooring.model.receipt import ProbeStream

from .conftest import OK, Server
from .test_network_prober import answering, free_port


async def counted(port: int, *, seconds: float = 0.5, rate: float = 50.0) -> ProbeStream:
    stream = await EdgeStreams(port=port).open(hostname="shop.localhost", path="/up", rate=rate)
    await asyncio.sleep(seconds)
    return await stream.close()


async def test_requests_go_out_at_the_rate_and_every_answer_counts(server: Server) -> None:
    count = await counted(server.port)
    assert 20 <= count.sent <= 27
    assert (count.answered, count.failed, count.failures) == (count.sent, 0, ())
    assert 0 < count.slowest < 5
    assert count.rate == 50.0


async def test_connections_are_kept_alive(server: Server) -> None:
    count = await counted(server.port)
    assert count.sent > 10
    assert server.connections <= 3


async def test_the_hostname_is_asked_for_and_mooring_is_named(server: Server) -> None:
    await counted(server.port, seconds=0.1)
    assert server.heads[0].startswith("GET /up HTTP/1.1\r\nHost: shop.localhost\r\nUser-Agent: mooring-probe\r\n")


async def test_an_error_of_the_apps_own_is_an_answer(server: Server) -> None:
    server.answer = lambda _: answering(500)
    count = await counted(server.port, seconds=0.2)
    assert count.sent > 0
    assert (count.answered, count.failed) == (count.sent, 0)


async def test_an_error_that_the_edge_made_is_a_failure_with_its_reason(server: Server) -> None:
    server.answer = lambda _: answering(503, "X-Mooring-Edge: no-upstream")
    count = await counted(server.port, seconds=0.2)
    assert count.failed == count.sent > 0
    assert count.failures[0].endswith("the edge answered 503 (no-upstream)")


async def test_a_redirect_that_the_edge_made_is_an_answer(server: Server) -> None:
    server.answer = lambda _: answering(308, "X-Mooring-Edge: https")
    assert (await counted(server.port, seconds=0.2)).failed == 0


async def test_an_answer_that_never_comes_is_a_failure_and_holds_up_no_other_request(server: Server) -> None:
    silent = iter([True])
    server.answer = lambda _: None if next(silent, False) else OK
    stream = await EdgeStreams(port=server.port).open(hostname="shop.localhost", path="/", rate=50)
    await asyncio.sleep(0.3)
    stream.last_patience = 0.2
    count = await stream.close()
    assert count.failed == 1
    assert count.answered == count.sent - 1 > 5
    assert count.failures[0].endswith("no answer until the stream was closed")


async def test_an_edge_that_is_gone_fails_every_request() -> None:
    count = await counted(free_port(), seconds=0.2)
    assert count.failed == count.sent > 0
    assert count.answered == 0
    assert count.failures[0].endswith("connection refused")


async def test_a_connection_cut_within_an_answer_is_a_failure_and_is_not_asked_again(server: Server) -> None:
    server.answer = lambda _: b""
    count = await counted(server.port, seconds=0.2)
    assert count.failed == count.sent == len(server.heads) > 0


async def test_a_connection_that_the_edge_closed_while_idle_is_replaced(server: Server) -> None:
    stream = await EdgeStreams(port=server.port).open(hostname="shop.localhost", path="/", rate=4)
    async with asyncio.timeout(10):
        while not server.heads:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    server.hang_up()
    async with asyncio.timeout(10):
        while len(server.heads) < 3:
            await asyncio.sleep(0.01)
    count = await stream.close()
    assert count.failed == 0
    assert server.connections == 2


async def test_only_the_first_failures_are_told_though_all_are_counted() -> None:
    count = await counted(free_port(), seconds=0.3, rate=200)
    assert count.failed > 20
    assert len(count.failures) == 20
