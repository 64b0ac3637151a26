"""One question, one answer, told as it came; never an exception for a bad one."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

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


async def test_a_command_passes_with_0_in_the_instances_directory_with_its_port(server: Server, tmp_path: Path) -> None:
    check = Check(kind=CheckKind.COMMAND, command="echo $PORT > seen; pwd", timeout=10.0)
    result = await NetworkProber().probe(at(server, directory=str(tmp_path)), check)
    assert (result.passed, result.status, result.said) == (True, 0, str(tmp_path))
    assert (tmp_path / "seen").read_text() == f"{server.port}\n"


async def test_a_command_has_the_environment_of_its_instance(server: Server, tmp_path: Path) -> None:
    instance = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", "print(flush=True); input()", env={"COLOUR": "dark blue"}, stdin=-1, stdout=-1
    )
    assert instance.stdin is not None
    assert instance.stdout is not None
    try:
        await instance.stdout.readline()
        check = Check(kind=CheckKind.COMMAND, command='echo "$COLOUR"', timeout=10.0)
        result = await NetworkProber().probe(at(server, directory=str(tmp_path), pid=instance.pid), check)
        assert result.said == "dark blue"
    finally:
        instance.stdin.close()
        await instance.wait()


async def test_a_command_that_fails_says_its_code_and_its_last_line(server: Server, tmp_path: Path) -> None:
    check = Check(kind=CheckKind.COMMAND, command="echo looking; echo queue is stuck >&2; exit 3", timeout=10.0)
    result = await NetworkProber().probe(at(server, directory=str(tmp_path)), check)
    assert (result.passed, result.status, result.said) == (False, 3, "queue is stuck")


async def test_a_command_past_its_time_is_ended_with_its_children(server: Server, tmp_path: Path) -> None:
    check = Check(kind=CheckKind.COMMAND, command="echo $$ > pid; sleep 3600 & wait", timeout=1.0)
    result = await NetworkProber().probe(at(server, directory=str(tmp_path)), check)
    assert (result.passed, result.said) == (False, "no answer within 1 s")
    group = int((tmp_path / "pid").read_text())
    async with asyncio.timeout(10):
        while has_members(group):
            await asyncio.sleep(0.01)


async def test_a_command_that_floods_its_output_is_heard_to_its_end(server: Server, tmp_path: Path) -> None:
    check = Check(kind=CheckKind.COMMAND, command="head -c 5000000 /dev/zero | tr '\\0' 'x'; echo; echo end", timeout=20.0)
    result = await NetworkProber().probe(at(server, directory=str(tmp_path)), check)
    assert (result.passed, result.said) == (True, "end")


def has_members(group: int) -> bool:
    """Zombies aside: whoever is their parent reaps them in its own time."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if rest[2] == str(group) and rest[0] != "Z":
            return True
    return False
