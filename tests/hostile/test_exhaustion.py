"""Made to take all memory or all connections: the controller grows by less than 100 MB under each, answers meanwhile, and is well after.

Its peak is the kernel's own (VmHWM of /proc/PID/status), reset before each attack.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from e2e.platform import Platform, eventually
from hostile.desk import BASE, Desk, furnished, memory

LARGEST_GROWTH = 100_000_000  # bytes
KEEP = b"Host: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def desk(platform: Platform) -> Iterator[Desk]:
    here = furnished(platform)
    yield here
    assert "Traceback" not in here.logged()
    assert here.server_errors() == []


@contextmanager
def bounded(desk: Desk, record: Callable[[str, object], None]) -> Iterator[None]:
    """Whatever is done inside: the controller is the same process after, it answers, and its peak since it was at rest was bounded."""
    pid = desk.controller()
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    yield
    with desk.http as http:
        assert http.get("/health").status_code == 200
    assert desk.controller() == pid
    grown = memory(pid, "VmHWM") - desk.resting
    record("megabytes", round(grown / 1e6, 1))
    assert grown < LARGEST_GROWTH


def connected(desk: Desk, stack: ExitStack) -> socket.socket:
    connection = stack.enter_context(socket.socket(socket.AF_UNIX))
    connection.settimeout(5)
    eventually(lambda: connection.connect_ex(str(desk.socket_path)) == 0)
    return connection


def send(connection: socket.socket, content: bytes) -> None:
    """As much as the other side takes before it has had enough."""
    try:
        connection.sendall(content)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass


def test_connections_that_never_finish_their_head(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    with bounded(desk, record_property), ExitStack() as stack:
        for _ in range(450):
            send(connected(desk, stack), b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        with desk.http as http:
            assert http.get("/health").status_code == 200


def test_more_connections_than_there_may_be(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    """Those beyond are closed at once; when the others go, there is room again."""
    with bounded(desk, record_property), ExitStack() as stack:
        held = [connected(desk, stack) for _ in range(700)]
        closed = [connection for connection in held[-100:] if is_closed(connection)]
        assert len(closed) >= 90
    with desk.http as http:
        assert http.get("/health").status_code == 200


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except (TimeoutError, ConnectionResetError) as error:
        return isinstance(error, ConnectionResetError)


def test_heads_as_large_as_they_may_be_on_many_connections(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    filling = b"X-Fill: " + b"x" * 60_000
    with bounded(desk, record_property), ExitStack() as stack:
        for _ in range(450):
            send(connected(desk, stack), b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + filling)


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "in pieces"])
def test_a_hundred_megabytes_of_json(desk: Desk, record_property: Callable[[str, object], None], is_announced: bool) -> None:
    piece = b'{"counts": {' + b" " * 999_988
    frame = piece if is_announced else b"%x\r\n%b\r\n" % (len(piece), piece)
    length = b"Content-Length: 100000000\r\n\r\n" if is_announced else b"Transfer-Encoding: chunked\r\n\r\n"
    with bounded(desk, record_property), ExitStack() as stack:
        for _ in range(20):
            connection = connected(desk, stack)
            send(connection, f"POST {BASE}/scale HTTP/1.1\r\n".encode() + KEEP + length)
            for _ in range(5):
                send(connection, frame)
            answer = connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 413 "), answer


def test_bodies_that_never_end_on_many_connections(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    """Each just below what one may have."""
    head = f"POST {BASE}/scale HTTP/1.1\r\n".encode() + KEEP + b"Content-Length: 999999\r\n\r\n"
    with bounded(desk, record_property), ExitStack() as stack:
        for _ in range(400):
            send(connected(desk, stack), head + b" " * 990_000)
        with desk.http as http:
            assert http.post(f"{BASE}/scale", json={"counts": {}}).status_code == 400, "a small body still finds room"


def test_json_as_deep_and_as_wide_as_a_body_may_be(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    wide = json.dumps({"counts": {f"p{number}": 1 for number in range(60_000)}})
    bodies = ["[" * 990_000, '{"a":' * 190_000, wide]
    with bounded(desk, record_property), desk.http as http:
        for body in bodies * 5:
            for path in ("scale", "rollback", "plan"):
                answer = http.post(f"{BASE}/{path}", content=body, headers={"Content-Type": "application/json"})
                assert answer.status_code == 400, answer.text


def test_an_upload_that_is_refused_half_way(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    """200 MB of an archive whose first block is none: kept on disk, never in memory, and gone afterwards."""
    with bounded(desk, record_property), desk.http as http:
        content = (os.urandom(1_000_000) for _ in range(200))
        answer = http.post(f"{BASE}/plan", content=content, headers={"Content-Type": "application/x-tar"})
    assert answer.status_code == 400
    assert [*(desk.platform.state / "uploads").iterdir()] == []


def test_a_flood_of_output_with_followers_that_do_not_read(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    desk.shop.write("Procfile", "web: TROUBLE=floods-output=40000 python3 server.py\n")
    desk.shop.commit("a flood")
    ask = f"GET {BASE}/logs?follow=true&lines=100000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with bounded(desk, record_property), ExitStack() as stack:
        assert desk.shop.deploy().code == 0
        deaf = [connected(desk, stack) for _ in range(20)]
        for connection in deaf:
            send(connection, ask)
        log = desk.platform.state / "processes" / "logs"
        size = written(log)
        eventually(lambda: written(log) > size + 50_000_000, within=90)
        answer = desk.shop.mooring("logs", "-n", "2000", "--json")
        assert len(answer.lines) >= 2000
    desk.shop.write("Procfile", "web: python3 server.py\n")
    desk.shop.commit("quiet again")
    assert desk.shop.deploy().code == 0


def written(directory: Path) -> int:
    """Bytes ever written below it: what was given back to the disk counts in a file's nominal size."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_events_asked_for_by_many_at_once(desk: Desk, record_property: Callable[[str, object], None]) -> None:
    ask = b"GET /v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    with bounded(desk, record_property), ExitStack() as stack:
        for _ in range(200):
            send(connected(desk, stack), ask)
        with desk.http as http:
            assert json.loads(http.get("/v1/events", params={"limit": 10}).content)
