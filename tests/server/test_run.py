"""`run` and `exec` over WebSockets: input, output, sizes, exit codes; secrets redacted where it is no terminal; ended with the token."""

from __future__ import annotations

import time

import pytest
from server.serving import Served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mooring.client.client import Client
from mooring.errors import Forbidden, InvalidInput, InvalidName, NotFound, Unauthorized
from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.usecases.requests import CopyRequest, Direction, ExecRequest, RunRequest

APP = EnvironmentId.parse("runner")


@pytest.fixture(scope="module", autouse=True)
def deployed(served: Served) -> None:
    served.client.set_secret(APP, "KEY", Secret("very-hidden-value"))
    served.deploy(APP)


def test_input_goes_there_and_output_and_exit_code_come_back(served: Served) -> None:
    with served.client.run(APP, RunRequest(command=("python", "-c", "print('a b')"))) as attached:
        attached.write(b"typed\n")
        attached.close_input()
        said = list(attached.output())
        assert attached.wait() == 7
    assert said == [("stdout", b"typed\n"), ("stderr", b"""python -c 'print('"'"'a b'"'"')'""")]
    assert served.world.attaching.terminals[-1].is_closed


def test_the_command_gets_the_apps_variables(served: Served) -> None:
    with served.client.run(APP, RunRequest(command=("env",))) as attached:
        attached.close_input()
        attached.wait()
    variables = served.world.attaching.terminals[-1].variables
    assert variables["KEY"] == Secret("very-hidden-value")
    assert variables["MOORING_APP"] == "runner"


def test_a_secret_is_redacted_in_piped_output_even_when_it_comes_in_two_pieces(served: Served) -> None:
    with served.client.run(APP, RunRequest(command=("cat",))) as attached:
        attached.write(b"<very-hid")
        attached.write(b"den-value>")
        attached.close_input()
        said = b"".join(chunk for stream, chunk in attached.output() if stream == "stdout")
    assert said == b"<[redacted]>"


def test_on_a_terminal_bytes_come_as_they_are_and_its_size_is_passed_on(served: Served) -> None:
    with served.client.run(APP, RunRequest(command=("sh",), terminal=True, rows=50, columns=120)) as attached:
        attached.write(b"very-hidden-value")
        assert next(attached.output()) == ("stdout", b"very-hidden-value")
        assert served.world.attaching.terminals[-1].size == (50, 120)
        attached.resize(rows=10, columns=20)
        attached.close_input()
        attached.wait()
    assert served.world.attaching.terminals[-1].size == (10, 20)


def test_hanging_up_ends_the_command(served: Served) -> None:
    with served.client.run(APP, RunRequest(command=("sleep", "1000"))):
        pass
    deadline = time.monotonic() + 10
    while not served.world.attaching.terminals[-1].is_closed:
        assert time.monotonic() < deadline, "the command goes on"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "request_", [RunRequest(command=()), RunRequest(command=("",)), RunRequest(command=("a\0b",)), RunRequest(command=("x",), rows=0)]
)
def test_a_command_that_is_none_is_refused(served: Served, request_: RunRequest) -> None:
    with served.client.run(APP, request_) as attached, pytest.raises(InvalidInput):
        attached.wait()


def test_an_app_that_is_not_there_runs_nothing(served: Served) -> None:
    with served.client.run(EnvironmentId.parse("absent"), RunRequest(command=("x",))) as attached, pytest.raises(NotFound):
        attached.wait()


def test_a_viewer_and_a_stranger_are_refused_before_it_opens(served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}"
    with pytest.raises(Forbidden):
        Client(url=url, token=Secret(served.token(Role.VIEWER))).run(APP, RunRequest(command=("x",)))
    with pytest.raises(Unauthorized):
        Client(url=url, token=Secret("mooring_nobody_" + "x" * 40)).run(APP, RunRequest(command=("x",)))


def test_a_page_in_a_browser_cannot_open_it(served: Served) -> None:
    token = served.token(Role.ADMIN)
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"ws://127.0.0.1:{served.port}/v1/environments/runner/production/run",
            additional_headers={"Authorization": f"Bearer {token}"},
            origin="http://evil.example",
            proxy=None,
        )
    assert refused.value.response.status_code == 403


def test_a_websocket_elsewhere_is_refused(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{served.port}/v1/status", proxy=None)
    assert refused.value.response.status_code == 404


def test_a_session_ends_within_five_seconds_of_its_token(served: Served) -> None:
    token = served.token(Role.DEPLOYER, "attached")
    client = Client(url=f"http://127.0.0.1:{served.port}", token=Secret(token))
    with client.run(APP, RunRequest(command=("sh",))) as attached:
        attached.write(b"x")
        next(attached.output())
        served.client.revoke_token("attached")
        began = time.monotonic()
        with pytest.raises(Unauthorized):
            attached.wait()
        assert time.monotonic() - began < 5.0


def test_what_is_no_request_is_refused(served: Served) -> None:
    with connect(
        f"ws://127.0.0.1:{served.port}/v1/environments/runner/production/run",
        additional_headers={"Authorization": f"Bearer {served.token(Role.ADMIN)}"},
        proxy=None,
    ) as socket:
        socket.send('{"command": "a string"}')
        assert '"code":"invalid-input"' in socket.recv(10)


def test_a_command_is_run_in_the_instance_that_is_named_or_in_the_first(served: Served) -> None:
    for slot in (1, None):
        with served.client.enter(APP, ExecRequest(process="web", slot=slot, command=("printf", "a b"))) as attached:
            attached.write(b"very-hidden-value")
            attached.close_input()
            assert sorted(attached.output()) == [("stderr", b"printf|a b"), ("stdout", b"[redacted]")]
            assert attached.wait() == 7
        assert str(served.world.attaching.entered[-1]) == "v1 web.1"
        assert served.world.attaching.terminals[-1].is_closed


def test_in_an_instance_too_a_terminals_bytes_come_as_they_are(served: Served) -> None:
    request = ExecRequest(process="web", command=("sh",), terminal=True, rows=50, columns=120)
    with served.client.enter(APP, request) as attached:
        attached.write(b"very-hidden-value")
        assert next(attached.output()) == ("stdout", b"very-hidden-value")
        assert served.world.attaching.terminals[-1].size == (50, 120)


@pytest.mark.parametrize(
    ("request_", "kind", "said"),
    [
        (ExecRequest(process="web", slot=2, command=("x",)), NotFound, r"has no web\.2"),
        (ExecRequest(process="clock", command=("x",)), NotFound, "has no clock"),
        (ExecRequest(process="web", slot=0, command=("x",)), InvalidInput, r"no instance web\.0"),
        (ExecRequest(process="../web", command=("x",)), InvalidName, "process type"),
        (ExecRequest(process="web", command=()), InvalidInput, "no command"),
        (ExecRequest(process="web", command=("x",), columns=0), InvalidInput, "window"),
    ],
    ids=["slot", "process", "zero", "name", "command", "window"],
)
def test_what_is_not_there_or_is_no_command_is_refused(served: Served, request_: ExecRequest, kind: type[Exception], said: str) -> None:
    with served.client.enter(APP, request_) as attached, pytest.raises(kind, match=said):
        attached.wait()


def test_what_is_there_is_told_to_who_asks_for_what_is_not(served: Served) -> None:
    with served.client.enter(APP, ExecRequest(process="worker", command=("x",))) as attached, pytest.raises(NotFound) as refused:
        attached.wait()
    assert refused.value.hint == "it runs web.1"


def test_a_viewer_enters_nothing(served: Served) -> None:
    client = Client(url=f"http://127.0.0.1:{served.port}", token=Secret(served.token(Role.VIEWER)))
    with pytest.raises(Forbidden):
        client.enter(APP, ExecRequest(process="web", command=("x",)))


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_audit_log_has_the_command_without_the_environments_secrets(served: Served, verb: str) -> None:
    served.client.set_secret(APP, "QUOTED", Secret("it's hidden too"))
    command = ("login", "--key=very-hidden-value", "it's hidden too", "a b")
    asked = ExecRequest(process="web", slot=1, command=command) if verb == "exec" else RunRequest(command=command)
    open_ = served.client.enter if isinstance(asked, ExecRequest) else served.client.run
    with open_(APP, asked) as attached:
        attached.close_input()
        attached.wait()
    entry = served.world.memory.audit(limit=1)[0]
    assert (entry.what, entry.detail["command"]) == (verb, "login '--key=[redacted]' '[redacted]' 'a b'")
    assert entry.detail.get("instance", "web.1") == "web.1"


def test_what_is_copied_is_not_redacted_and_its_path_is_in_the_audit_log(served: Served) -> None:
    request = CopyRequest(process="web", direction=Direction.OUT, path="/srv/-n 'x'")
    with served.client.copy(APP, request) as attached:
        attached.write(b"<very-hidden-value>")
        attached.close_input()
        said = dict(attached.output())
    assert said["stdout"] == b"<very-hidden-value>"
    assert said["stderr"].endswith(b"|copy|/srv|-n 'x'"), "the path stands in no command's text"
    entry = served.world.memory.audit(limit=1)[0]
    assert (entry.what, entry.detail["direction"], entry.detail["path"]) == ("copy", "out", """'/srv/-n '"'"'x'"'"''""")


@pytest.mark.parametrize(
    "request_",
    [
        CopyRequest(process="web", direction=Direction.OUT, path=""),
        CopyRequest(process="web", direction=Direction.OUT, path="a\0b"),
        CopyRequest(process="web", direction=Direction.OUT, path="/"),
        CopyRequest(process="web", direction=Direction.OUT, path="x" * 5000),
        CopyRequest(process="web", direction=Direction.IN, path="/tmp"),
        CopyRequest(process="web", direction=Direction.IN, path="/tmp", name="../x"),
        CopyRequest(process="web", direction=Direction.IN, path="/tmp", name=".."),
    ],
    ids=["empty", "nul", "root", "long", "nameless", "climbing", "parent"],
)
def test_a_copy_of_nothing_or_to_no_name_is_refused(served: Served, request_: CopyRequest) -> None:
    with served.client.copy(APP, request_) as attached, pytest.raises(InvalidInput):
        attached.wait()
