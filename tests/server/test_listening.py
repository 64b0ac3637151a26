"""The sockets: whose they are, how long a head may take, who may listen where."""

from __future__ import annotations

import os
import re
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from server.serving import Served, raw_exchange

from mooring.errors import Forbidden, InvalidInput, Refused, Unavailable
from mooring.server import listening
from mooring.server.callers import TcpPeer, UnixPeer, peer_of
from mooring.server.listening import tcp_socket, unix_socket
from mooring.server.ports import check_free
from mooring.server.settings import Settings, checked


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="m-", dir="/tmp") as directory:
        yield Path(directory) / "run" / "controller.sock"


def test_the_socket_is_for_its_owner_only_and_so_is_its_directory(place: Path) -> None:
    held = os.umask(0)
    try:
        made = unix_socket(place)
    finally:
        os.umask(held)
    made.close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_the_running_api_has_such_a_socket(served: Served) -> None:
    assert stat.S_IMODE(served.socket_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.socket_path.parent.stat().st_mode) == 0o700


def test_a_directory_that_others_may_enter_is_refused(place: Path) -> None:
    place.parent.mkdir(mode=0o755)
    place.parent.chmod(0o755)
    with pytest.raises(Forbidden, match="not a private directory of yours"):
        unix_socket(place)


def test_a_link_in_the_directorys_place_is_refused(place: Path) -> None:
    elsewhere = place.parent.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    place.parent.symlink_to(elsewhere)
    with pytest.raises(Forbidden):
        unix_socket(place)


def test_a_socket_left_by_a_dead_controller_is_replaced_and_a_living_ones_is_not(place: Path) -> None:
    first = unix_socket(place)
    with pytest.raises(Refused, match=r"answers on .* already"):
        unix_socket(place)
    first.close()
    unix_socket(place).close()


def test_what_is_no_socket_is_left_alone(place: Path) -> None:
    place.parent.mkdir(mode=0o700)
    place.write_text("precious")
    with pytest.raises(Refused, match="is no socket"):
        unix_socket(place)
    assert place.read_text() == "precious"


def test_who_is_at_the_other_end_is_told_by_the_kernel(place: Path) -> None:
    made = unix_socket(place)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(place))
        accepted, _ = made.accept()
        assert peer_of(accepted) == UnixPeer(uid=os.getuid(), pid=os.getpid())
        accepted.close()
    made.close()
    listener = tcp_socket("127.0.0.1", 0)
    with socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        assert peer_of(accepted) == TcpPeer(address="127.0.0.1", local="127.0.0.1")
        accepted.close()
    listener.close()


def test_all_taken_ports_are_named_each_with_its_taker_and_another_port() -> None:
    with socket.socket() as http, socket.socket() as https:
        for taker in (http, https):
            taker.bind(("127.0.0.1", 0))
            taker.listen()
        ports = {"--http-port": http.getsockname()[1], "--https-port": https.getsockname()[1]}
        with pytest.raises(InvalidInput) as refused:
            check_free("127.0.0.1", ports)
        for port, said in zip(ports.values(), refused.value.message.split("; "), strict=True):
            assert re.fullmatch(rf"port {port} is taken by .*\(pid {os.getpid()}\)", said)
        instead = re.fullmatch(r"stop it, or choose another: `mooring up --http-port (\d+) --https-port (\d+)`", refused.value.hint)
        assert instead is not None and len({*instead.groups(), *map(str, ports.values())}) == 4
        with pytest.raises(Unavailable, match="cannot listen"):
            tcp_socket("127.0.0.1", ports["--http-port"])


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"nothing can listen on 192\.0\.2\.1"):
        check_free("192.0.2.1", {"--http-port": 1024})


@pytest.mark.parametrize(
    "settings",
    [
        Settings(http_port=0),
        Settings(http_port=70_000),
        Settings(https_port=-1),
        Settings(http_port=9000, https_port=9000),
        Settings(bind="localhost"),
        Settings(api="9000"),
        Settings(api="127.0.0.1:0"),
        Settings(api="example.com:9000"),
        Settings(api="0.0.0.0:9000"),
        Settings(api="192.0.2.1:9000"),
    ],
    ids=repr,
)
def test_settings_that_cannot_be_are_refused(settings: Settings) -> None:
    with pytest.raises(InvalidInput):
        checked(settings)


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(https_port=0), Settings(api="127.0.0.1:9000"), Settings(api="[::1]:9000", bind="0.0.0.0")]
)
def test_settings_that_can_be_are_taken(settings: Settings) -> None:
    assert checked(settings) == settings


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_come_ends_the_connection(served: Served, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(listening, "HEADER_TIMEOUT", 0.3)
    began = time.monotonic()
    try:
        raw_exchange(served, sent)
    except ConnectionResetError:
        pass
    assert time.monotonic() - began < 10.0


def test_a_second_head_that_does_not_come_ends_the_connection_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEADER_TIMEOUT", 0.3)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(15)
        connection.connect(str(served.socket_path))
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /hea")
        with suppress(ConnectionResetError):
            assert connection.recv(65_536) == b""


def test_a_head_without_end_is_refused(served: Served) -> None:
    sent = b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: " + b"x" * 200_000
    with suppress(ConnectionResetError):  # as good: it was not read to its end
        assert raw_exchange(served, sent).startswith(b"HTTP/1.1 431")


def test_several_requests_on_one_connection_are_answered_in_order(served: Served) -> None:
    asked = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw_exchange(served, asked).count(b"HTTP/1.1 200") == 4
