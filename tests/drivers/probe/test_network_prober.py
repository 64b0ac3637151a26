"""One question, one answer, told as it came; never an exception for a bad one."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from mooring.drivers.probe.network import NetworkProber
from mooring.model.health import Check, CheckKind, ProbeTarget

from .conftest import OK, Server

HTTP = Check(kind=CheckKind.HTTP, paths=("/up", "/health", "/"), timeout=5.0)
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def at(server: Server, **fields: object) -> ProbeTarget:
    return ProbeTarget(address="127.0.0.1", port=server.port, hostname="shop.localhost", **fields)  # type: ignore[arg-type]  # plain fields


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def answering(status: int, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", body]).encode()


async def test_a_two_hundred_passes_with_its_path_status_and_latency(server: Server) -> None:
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.path, result.status, result.said) == (True, "/up", 200, "answered 200 OK")
    assert 0 < result.latency < 5
    assert result.at > 1_700_000_000


async def test_the_request_carries_the_hostname_and_says_who_asks(server: Server) -> None:
    await NetworkProber().probe(at(server), HTTP)
    assert "\r\nHost: shop.localhost\r\n" in server.heads[0]
    assert "\r\nUser-Agent: mooring-probe\r\n" in server.heads[0]


async def test_the_checks_own_host_stands_above_the_hostname(server: Server) -> None:
    await NetworkProber().probe(at(server), Check(kind=CheckKind.HTTP, paths=("/",), host="internal"))
    assert "\r\nHost: internal\r\n" in server.heads[0]


async def test_paths_are_tried_in_order_past_a_404(server: Server) -> None:
    server.answer = lambda path: OK if path == "/health" else NOT_FOUND
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.path) == (True, "/health")
    assert [head.split(" ")[1] for head in server.heads] == ["/up", "/health"]


async def test_404_on_every_path_fails_with_the_last_one(server: Server) -> None:
    server.answer = lambda _: NOT_FOUND
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.path, result.status) == (False, "/", 404)


@pytest.mark.parametrize(
    ("status", "passes"), [(204, True), (302, True), (399, True), (400, False), (401, False), (500, False), (503, False)]
)
async def test_2xx_and_3xx_pass_and_nothing_else(server: Server, status: int, passes: bool) -> None:
    server.answer = lambda _: answering(status)
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.status) == (passes, status)


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.answer = lambda _: answering(302, "Location: http://169.254.169.254/")
    await NetworkProber().probe(at(server), HTTP)
    assert len(server.heads) == 1


async def test_nobody_listening_is_said_to_be_refused() -> None:
    target = ProbeTarget(address="127.0.0.1", port=free_port(), hostname="shop.localhost")
    result = await NetworkProber().probe(target, HTTP)
    assert (result.passed, result.status, result.path, result.said) == (False, 0, "/up", "connection refused")


async def test_silence_ends_at_the_timeout(server: Server) -> None:
    server.answer = lambda _: None
    result = await NetworkProber().probe(at(server), Check(kind=CheckKind.HTTP, paths=("/up",), timeout=0.2))
    assert (result.passed, result.said) == (False, "no answer within 0.2 s")
    assert result.latency >= 0.2


async def test_hanging_up_without_an_answer_is_told(server: Server) -> None:
    server.answer = lambda _: b""
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.said) == (False, "the connection was closed before an answer")


async def test_what_is_not_http_is_told(server: Server) -> None:
    server.answer = lambda _: b"220 smtp.example.com ESMTP\r\n\r\n"
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.said) == (False, "answered with something that is not HTTP")


async def test_endless_headers_are_not_read_for_ever(server: Server) -> None:
    server.answer = lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000
    result = await NetworkProber().probe(at(server), HTTP)
    assert (result.passed, result.said) == (False, "answered with more headers than are read")


async def test_a_path_cannot_smuggle_a_header(server: Server) -> None:
    await NetworkProber().probe(at(server), Check(kind=CheckKind.HTTP, paths=("/a\r\nX-Evil: 1 b",)))
    assert "X-Evil: " not in server.heads[0]
    assert len(server.heads) == 1


async def test_tcp_passes_when_somebody_accepts_and_fails_when_nobody_does(server: Server) -> None:
    check = Check(kind=CheckKind.TCP)
    assert (await NetworkProber().probe(at(server), check)).passed
    refused = await NetworkProber().probe(ProbeTarget(address="127.0.0.1", port=free_port(), hostname=""), check)
    assert (refused.passed, refused.said) == (False, "connection refused")


async def test_alive_looks_at_the_process_and_a_zombie_is_not_alive() -> None:
    prober, target = NetworkProber(), ProbeTarget(address="127.0.0.1", port=0, hostname="", pid=os.getpid())
    assert (await prober.probe(target, Check())).passed
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        async with asyncio.timeout(10):
            while (await prober.probe(ProbeTarget(address="", port=0, hostname="", pid=child), Check())).passed:
                await asyncio.sleep(0.01)
    finally:
        os.waitpid(child, 0)
    assert not (await prober.probe(ProbeTarget(address="", port=0, hostname="", pid=0), Check())).passed
