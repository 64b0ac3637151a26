"""`run` over its WebSocket: input, output, sizes, the exit code; secrets redacted where it is no terminal; ended with its token."""

from __future__ import annotations

import time

import pytest
from server.serving import Served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mooring.client.client import Client
from mooring.errors import Forbidden, InvalidInput, NotFound, Unauthorized
from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.usecases.requests import RunRequest

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
