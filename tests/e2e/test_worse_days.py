"""Worse days of a real platform, under traffic: builds and release commands that misbehave, an edge that is away, a full disk.

After each: the message says what happened, and what served before serves still, or again as soon as the cause is gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.platform import App, Platform, Traffic, eventually, receipt_of

from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.server.installation import Installation

DEPLOY = """
[deploy]
bake = "0s"
healthy_deadline = "4s"
progress_deadline = "8s"
release_timeout = "2s"
drain_timeout = "5s"
kill_timeout = "2s"
"""
HEALTHY = "web: python3 server.py\n"


@pytest.fixture(scope="module")
def app(platform: Platform) -> Iterator[App]:
    """The app `trouble`, healthy, at version 1."""
    here = platform.app("trouble", "worse")
    here.write("mooring.toml", DEPLOY)
    here.release(1)
    answer = here.deploy()
    assert answer.code == 0, answer
    yield here
    here.mooring("destroy", "--confirm", here.name)


@pytest.fixture
def served(app: App) -> Iterator[int]:
    """The version that serves, and must serve when the test is over; the sources are put back."""
    version = app.version()
    yield version
    app.write("mooring.toml", DEPLOY)
    app.write("Procfile", HEALTHY)
    app.release(version)
    assert app.version() == version


def failed_deploy(app: App, *told: str) -> str:
    """It fails, under traffic of which nothing fails; each of these words is said."""
    with Traffic(app, paths=("/version",), rate=50) as traffic:
        answer = app.deploy()
    said = answer.out + answer.err
    assert answer.code == 1, answer
    for words in told:
        assert words in said, f"{words!r} is not said:\n{said}"
    assert "Traceback" not in said
    assert traffic.report["failed"] == 0, traffic.report["failures"][:3]
    return said


@pytest.mark.parametrize(
    ("command", "limit", "told"),
    [
        ("sleep 600", "3s", ["took longer than 3", "build.timeout"]),
        ("yes | tr -d '\\\\n' | fold -w 4000", "2m", ["wrote more than"]),
        ("echo compiling; echo cannot find -lfoo >&2; exit 2", "3s", ["compiling", "cannot find -lfoo", "exit code 2"]),
    ],
    ids=["hangs", "floods its output", "fails"],
)
def test_a_build_that_misbehaves_is_ended_and_explained(app: App, served: int, command: str, limit: str, told: list[str]) -> None:
    app.write("mooring.toml", DEPLOY + f'[build]\ncommand = "{command}"\ntimeout = "{limit}"\n')
    app.release(served + 1)
    failed_deploy(app, *told)
    assert [pid for pid in app.platform.pids() if command.split()[0].encode() in Path(f"/proc/{pid}/cmdline").read_bytes()] == []


def test_a_release_command_that_hangs_is_ended_and_moves_no_traffic(app: App, served: int) -> None:
    app.write("Procfile", f"release: echo migrating; sleep 600\n{HEALTHY}")
    app.release(served + 1)
    failed_deploy(app, "release command", "migrating", "2")
    assert all(b"sleep" not in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in app.platform.pids())


def test_an_app_that_closes_its_listener_is_taken_back_and_its_requests_are_held_meanwhile(app: App, served: int) -> None:
    app.write("mooring.toml", DEPLOY.replace('bake = "0s"', 'bake = "15s"'))
    app.write("Procfile", "web: TROUBLE=closes-listener-early=2 python3 server.py\n")
    app.release(served + 1)
    failed_deploy(app, "listens on no port")


def test_an_app_that_closes_its_listener_first_and_finishes_its_requests_then_fails_none(app: App, served: int) -> None:
    """As many servers do on SIGTERM: connections are refused from then on, while requests in flight go on."""
    app.write("Procfile", "web: TROUBLE=slow-requests=1 python3 server.py\n")
    app.release(served + 1)
    assert app.deploy().code == 0
    app.write("Procfile", HEALTHY)
    app.release(served)
    with Traffic(app, paths=("/version",), rate=30) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    assert traffic.report["failed"] == 0, traffic.report["failures"][:3]
    assert receipt_of(app)["broken_by_app"] == 0


def test_a_deploy_while_the_edge_is_down_fails_and_says_so_and_the_old_release_serves_when_it_is_back(app: App, served: int) -> None:
    supervisor = Supervisor(Installation(app.platform.state).processes)
    app.release(served + 1)
    asyncio.run(supervisor.stop_program("edge", grace=15))
    try:
        answer = app.deploy()
    finally:
        asyncio.run(supervisor.start_program("edge"))
    said = answer.out + answer.err
    assert answer.code in (1, 4), answer
    assert "edge" in said
    assert "Traceback" not in said
    eventually(lambda: app.platform.mooring("status").code == 0)
    assert eventually(lambda: answers(app), within=30)
    instances = eventually(lambda: app.mooring("ps", "--json").json["instances"])
    assert len({instance["key"]["release"] for instance in instances}) == 1


def answers(app: App) -> bool:
    try:
        return app.get("/version")[0] == 200
    except OSError:
        return False


def test_a_port_that_a_stranger_takes_while_everything_is_down_is_left_to_the_stranger(app: App, served: int) -> None:
    (before,) = app.mooring("ps", "--json").json["instances"]
    assert app.platform.down().code == 0
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((before["address"], before["port"]))
        stranger.listen()
        app.platform.up()
        assert eventually(lambda: answers(app), within=30)
        (after,) = app.mooring("ps", "--json").json["instances"]
        assert after["key"]["release"] == before["key"]["release"]
        assert after["port"] != before["port"]
