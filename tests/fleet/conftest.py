"""Three real hosts, shared by the tests of a session: a test leaves them up, connected, and without what it put there.

All tests of this folder are marked `fleet`. Where no real hosts can be had they are deselected, and a line says so; in CI they run or fail.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path, PurePosixPath

import pytest
from fleet.rig import Fleet, Host, missing

from mooring.drivers.transport.ssh import SshTransport

HOSTS = 3
TIMEOUT = 400  # seconds; the first test waits for the image and the hosts too
_left_out = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in mine:
        item.add_marker("fleet")
        item.add_marker(pytest.mark.timeout(TIMEOUT))
    reason = "" if os.environ.get("CI") else missing()
    if mine and reason:
        items[:] = [item for item in items if item not in mine]
        config.hook.pytest_deselected(items=mine)
        config.stash[_left_out] = f"{len(mine)} tests on real hosts were left out: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What failed is shown with what sshd said on each host."""
    report = yield
    fleet = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(fleet, Fleet):
        for host in fleet.hosts:
            said = host.run("journalctl", "--unit", "ssh", "--lines", "20", "--no-pager")
            report.sections.append((f"sshd of {host.name}", said.stdout.decode(errors="replace")))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if said := config.stash.get(_left_out, ""):
        terminalreporter.write_line(said, yellow=True)


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    fleet = Fleet()
    try:
        fleet.start(HOSTS)
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture
def host(fleet: Fleet) -> Host:
    return fleet.hosts[0]


@pytest.fixture
async def ssh(host: Host) -> AsyncIterator[SshTransport]:
    """As root."""
    transport = SshTransport(host.ssh())
    yield transport
    await transport.close()


@pytest.fixture
def directory(host: Host) -> Iterator[PurePosixPath]:
    """A place on the host for anybody's files."""
    path = f"/tmp/{secrets.token_hex(6)}"
    host.says("install", "-d", "-m", "1777", path)
    yield PurePosixPath(path)
    host.says("rm", "-rf", path)
