"""What the client makes of a platform that is absent, strange, gone in the middle, or speaks of errors it has never heard of."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from mooring import errors
from mooring.client import asking, streams
from mooring.client.client import Client
from mooring.client.location import check_private, controller_socket, run_directory, state_directory
from mooring.client.problems import document_of, error_of
from mooring.errors import (
    Forbidden,
    InvalidInput,
    ManifestInvalid,
    MooringError,
    NeedsPerson,
    OutcomeUnknown,
    PlatformNotRunning,
    Refused,
)
from mooring.model.environment import EnvironmentId
from mooring.model.problem import Problem
from mooring.model.secret import Secret

SHOP = EnvironmentId.parse("shop")
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{"status":"ok","version":"1.2.3"}\n'


def all_errors(kind: type[MooringError] = MooringError) -> Iterator[type[MooringError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from all_errors(below)


OURS = sorted({kind for kind in all_errors() if kind.__module__ == errors.__name__} - {ManifestInvalid}, key=lambda kind: kind.code)


class Impostor:
    """A socket that answers each connection with the next of the given answers, as a broken or strange platform would."""

    def __init__(self, *answers: bytes | None) -> None:
        self.directory = tempfile.mkdtemp(prefix="m-", dir="/tmp")
        self.path = Path(self.directory) / "controller.sock"
        self.asked: list[bytes] = []
        self._answers = list(answers)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed by the test
            with connection:
                self.asked.append(connection.recv(65_536))
                if answer is not None:
                    connection.sendall(answer)

    @property
    def client(self) -> Client:
        return Client(self.path)

    def close(self) -> None:
        self._listener.close()
        self.path.unlink(missing_ok=True)
        os.rmdir(self.directory)


@pytest.fixture
def impostor() -> Iterator[Callable[..., Impostor]]:
    made: list[Impostor] = []

    def make(*answers: bytes | None) -> Impostor:
        made.append(Impostor(*answers))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asking, streams):
        monkeypatch.setattr(module, "_PAUSE", 0.01)
        monkeypatch.setattr(module, "_PATIENCE", 0.5)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.code)
def test_every_error_arrives_as_the_class_that_was_raised(kind: type[MooringError]) -> None:
    sent = kind("what was wrong", hint="what to do", where="mooring.toml:3")
    arrived = error_of(msgspec.json.encode(document_of(sent, instance="/v1/x")), status=sent.status)
    assert type(arrived) is kind
    assert (arrived.message, arrived.hint, arrived.where, arrived.exit_code) == (sent.message, sent.hint, sent.where, sent.exit_code)


def test_the_problems_of_a_manifest_arrive_as_values() -> None:
    problems = (Problem(file="Procfile", line=2, key="", message="no", hint="yes"),)
    arrived = error_of(msgspec.json.encode(document_of(ManifestInvalid(problems), instance="")), status=422)
    assert isinstance(arrived, ManifestInvalid)
    assert arrived.problems == problems


@pytest.mark.parametrize(("status", "kind"), [(418, Refused), (599, NeedsPerson)])
def test_an_error_of_a_newer_server_keeps_its_words(status: int, kind: type[MooringError]) -> None:
    document = {
        "type": "x",
        "title": "X",
        "status": status,
        "detail": "something new",
        "instance": "/",
        "code": "from-tomorrow",
        "hint": "upgrade",
    }
    arrived = error_of(msgspec.json.encode(document), status=status)
    assert (type(arrived), arrived.message, arrived.hint) == (kind, "something new", "upgrade")


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"{}", b"\xff"])
def test_an_error_without_a_problem_document_says_so(body: bytes) -> None:
    assert "HTTP status 502" in error_of(body, status=502).message


def test_no_platform_is_told_with_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(PlatformNotRunning) as absent:
        Client(tmp_path / "none.sock").status()
    assert absent.value.hint == "`mooring up` starts it"


def test_a_socket_that_nobody_serves_is_no_platform(impostor: Callable[..., Impostor]) -> None:
    dead = impostor()
    dead._listener.close()
    with pytest.raises(PlatformNotRunning):
        dead.client.status()


def test_a_socket_in_a_directory_of_somebody_else_is_not_spoken_to(impostor: Callable[..., Impostor]) -> None:
    strange = impostor(OK)
    os.chmod(strange.directory, 0o755)
    with pytest.raises(Forbidden, match="not a private directory of yours"):
        strange.client.health()
    assert strange.asked == []


def test_a_lost_answer_is_asked_for_again_where_that_is_safe(impostor: Callable[..., Impostor]) -> None:
    broken = impostor(None, OK[:30], OK[:-10], OK)
    assert broken.client.health().version == "1.2.3"
    assert len(broken.asked) == 4


def test_a_lost_answer_to_an_order_is_asked_for_again_with_the_same_key(impostor: Callable[..., Impostor]) -> None:
    refusal = msgspec.json.encode(document_of(Refused("no"), instance=""))
    answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(refusal), refusal)
    broken = impostor(None, answer)
    with pytest.raises(Refused):
        broken.client.restart(SHOP)
    keys = [next(line for line in asked.split(b"\r\n") if line.lower().startswith(b"idempotency-key")) for asked in broken.asked]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_lost_answer_to_what_may_act_twice_is_unknown_and_not_repeated(impostor: Callable[..., Impostor]) -> None:
    broken = impostor(None, OK)
    with pytest.raises(OutcomeUnknown):
        broken.client.rotate_keys()
    assert len(broken.asked) == 1


def test_patience_ends_when_the_platform_does_not_come_back(impostor: Callable[..., Impostor]) -> None:
    broken = impostor(None)

    def vanish() -> None:
        while not broken.asked:
            pass
        broken._listener.close()

    threading.Thread(target=vanish, daemon=True).start()
    with pytest.raises((OutcomeUnknown, PlatformNotRunning)):
        broken.client.health()


@pytest.mark.parametrize("body", [b"not json", b'{"status": 1}', b"[]"])
def test_an_answer_that_is_not_understood_says_that_versions_may_differ(impostor: Callable[..., Impostor], body: bytes) -> None:
    strange = impostor(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    with pytest.raises(NeedsPerson, match="not understood") as odd:
        strange.client.health()
    assert "mooring version" in odd.value.hint


def test_events_are_followed_over_a_broken_connection_and_each_comes_once(impostor: Callable[..., Impostor]) -> None:
    def event(number: int, kind: str) -> bytes:
        return b'id: %d\nevent: %s\ndata: {"sequence":%d,"at":1.0,"kind":"%s"}\n\n' % (number, kind.encode(), number, kind.encode())

    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 500\n\n"
    torn = event(2, "platform")[:-20]
    broken = impostor(
        head + event(1, "platform") + b": still here\n\n" + torn, None, head + event(2, "platform") + event(3, "deployment.ended")
    )
    events = list(broken.client.deployment_events("d1"))
    assert [event.sequence for event in events] == [1, 2, 3]
    assert b"Last-Event-ID" not in broken.asked[0]
    assert all(b"Last-Event-ID: 1\r\n" in asked for asked in broken.asked[1:])


@pytest.mark.parametrize("url", ["ftp://x", "https://", "x", "http://host/path", "file:///etc/passwd"])
def test_an_address_that_is_no_platforms_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        Client(url=url, token=Secret("t"))


def test_the_variables_of_the_shell_choose_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_directory({"MOORING_STATE": "/srv/m"}) == Path("/srv/m")
    assert state_directory({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/mooring")
    assert state_directory({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/state/mooring")
    monkeypatch.setenv("MOORING_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("MOORING_TOKEN", "t" * 30)
    with pytest.raises(PlatformNotRunning, match=r"127\.0\.0\.1:1"):
        Client().health()


def test_sockets_of_a_deep_state_directory_are_elsewhere_and_always_in_the_same_place() -> None:
    deep = Path("/") / "/".join(["directory"] * 20)
    assert run_directory(Path("/srv/m"), {}) == Path("/srv/m/run")
    chosen = run_directory(deep, {})
    assert chosen == run_directory(deep, {}) != run_directory(deep / "x", {})
    assert run_directory(deep, {"XDG_RUNTIME_DIR": "/run/user/7"}).parent == Path("/run/user/7")
    assert run_directory(deep, {"XDG_RUNTIME_DIR": "/" + "r" * 90}) == chosen
    assert len(os.fsencode(controller_socket(deep, {}))) <= 107


def test_a_file_or_link_where_sockets_should_be_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(real)
    file = tmp_path / "file"
    file.touch(mode=0o600)
    check_private(real)
    check_private(tmp_path / "absent")
    for path in (link, file):
        with pytest.raises(Forbidden):
            check_private(path)
