"""kill -9 at every write of the journal of a real redeploy, under traffic: the controller, the supervisor, the edge.

A moment is one write: an intent, or its outcome. They are counted in a calm redeploy by reading the database; then the victim is killed as
soon as the first, the second … moment is there, in one redeploy after another, while visitors ask all the time.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import pytest
from e2e.journal import Journal, deployed
from e2e.platform import App, Platform, Traffic, eventually

from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.server.installation import Installation

IN_FLIGHT = 0.2  # seconds that a request may have been under way when the edge was killed
SPREAD = 4  # how many moments lie between two that are tried, where not all are


class Gap(NamedTuple):
    """From the kill until the app answered again; wall seconds."""

    began: float
    ended: float


@pytest.fixture(scope="module")
def app(platform: Platform) -> Iterator[App]:
    here = deployed(platform, "rows")
    yield here
    here.mooring("destroy", "--confirm", here.name)


@pytest.fixture(scope="module")
def journal(platform: Platform, app: App) -> Journal:
    return Journal(platform)


@pytest.fixture(scope="module")
def moments(app: App, journal: Journal) -> int:
    """Of a redeploy in which nothing goes wrong."""
    app.release(2)
    assert app.deploy().code == 0
    return journal.moments(journal.newest())


def victim(platform: Platform, name: str) -> int:
    """The pid of one of the platform's own programs."""
    if name == "supervisor":
        return int((platform.state / "processes" / "supervisord.pid").read_text())
    status = (platform.state / "processes" / "run" / name / "status").read_bytes()
    fields = dict(entry.split(b"=", 1) for entry in status.split(b"\0") if entry)
    return int(fields[b"pid"])


def killed_at(app: App, journal: Journal, moment: int, name: str) -> tuple[subprocess.Popen[str], str, Gap]:
    """A redeploy, with the victim killed once so much is written: its client, its id, and how long the victim was missed."""
    following, deployment = journal.redeploy(app, moment)
    pid = victim(app.platform, name)
    at = time.time()
    os.kill(pid, signal.SIGKILL)
    if name == "edge":
        eventually(lambda: answers(app), within=30, every=0.02)
    return following, deployment, Gap(at, time.time())


def answers(app: App) -> bool:
    try:
        return app.get("/version")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def renewed(app: App, name: str) -> Gap:
    """Started anew by request: what dies often waits ever longer before its next start, and each kill here is to be among the first."""
    began = time.time()
    asyncio.run(Supervisor(Installation(app.platform.state).processes).restart_program(name, grace=15))
    eventually(lambda: app.platform.mooring("status").code == 0 and answers(app), every=0.02)
    return Gap(began, time.time())


def campaign(app: App, journal: Journal, chosen: list[int], name: str) -> list[Gap]:
    """A redeploy for each of these moments; how long the victim was missed each time."""
    gaps = []
    serving = app.version()
    for count, moment in enumerate(chosen, start=1):
        app.release(serving + 1)
        following, deployment, gap = killed_at(app, journal, moment, name)
        gaps.append(gap)
        try:
            serving = journal.check_end(app, following, deployment, old=serving, new=serving + 1)
        except BaseException as error:
            error.add_note(f"the {name} was killed at moment {moment}")
            raise
        eventually(lambda: all(part["is_up"] for part in app.mooring("status", "--json").json["parts"]), within=30)
        if name != "supervisor" and count % 2 == 0:
            gaps.append(renewed(app, name))
    return gaps


def test_a_redeploy_has_a_journal_to_be_killed_at(moments: int) -> None:
    assert moments >= 20


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["controller", "supervisor"])
def test_killed_at_any_write_of_the_journal_it_ends_in_one_release_without_a_failed_request(
    app: App, journal: Journal, moments: int, name: str, is_long: bool
) -> None:
    """The controller at every one of them, always."""
    step = 1 if is_long or name == "controller" else SPREAD
    with Traffic(app, paths=("/version",), rate=50) as traffic:
        campaign(app, journal, list(range(1, moments + 1, step)), name)
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert traffic.report["ok"] > 500


@pytest.mark.timeout(600)
def test_an_edge_killed_at_any_write_of_the_journal_fails_requests_only_until_it_is_back_and_the_receipt_tells_them(
    app: App, journal: Journal, moments: int, is_long: bool
) -> None:
    chosen = list(range(1, moments + 1, 1 if is_long else SPREAD))
    for few in (chosen[at : at + 5] for at in range(0, len(chosen), 5)):
        with Traffic(app, paths=("/version",), rate=20) as traffic:
            gaps = campaign(app, journal, few, "edge")
        failures = [datetime.fromisoformat(failure["time"]).timestamp() for failure in traffic.report["failures"]]
        assert failures, "the edge is in the path of every request"
        assert len(failures) == traffic.report["failed"], "all of them are listed"
        outside = [at for at in failures if not any(gap.began - IN_FLIGHT <= at <= gap.ended + IN_FLIGHT for gap in gaps)]
        assert outside == [], gaps
