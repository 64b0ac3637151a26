"""The other systems that hosts are said to be tested on: each booted, judged and prepared, and both runtimes on it.

Long: a system is made first, which takes minutes, and Ubuntu's come from Ubuntu's own archive.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath

import pytest
from docker.engine import ContainerEngine
from fleet.image import SYSTEMS, USER, USUAL
from fleet.rig import Fleet, Host
from fleet.systemd_rig import SystemdRig, linger, systemd_rig
from fleet.test_docker_host import answering, built, own_engine, spec_of  # noqa: F401 - the engine is a fixture here too
from fleet.test_hosts import known, no_runtime, reaches, serve

from mooring.drivers.host.ssh import SshHosts
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings, of_account
from mooring.drivers.transport.ssh import SshTransport
from mooring.model.host import HostRuntime, HostStep, Weight
from mooring.model.secret import Secret
from mooring.planner.hosts import TESTED, prepare
from mooring.testing.runtime_contract import DeliveryContract, RuntimeContract, a_mark

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
OTHERS = sorted(SYSTEMS.keys() - {USUAL})


@pytest.fixture(scope="module", params=OTHERS)
def hosts(request: pytest.FixtureRequest) -> Iterator[tuple[Host, ...]]:
    """Two of one system."""
    fleet = Fleet()
    try:
        yield fleet.start(2, system=request.param)
    finally:
        fleet.stop()


@pytest.fixture
def host(hosts: tuple[Host, ...]) -> Host:
    return hosts[0]


@pytest.fixture(params=["root", USER])
async def rig(request: pytest.FixtureRequest, host: Host, tmp_path: Path) -> AsyncIterator[SystemdRig]:
    async with systemd_rig(host, request.param, tmp_path) as rig:
        yield rig


class TestSystemdRuntime(RuntimeContract):
    pass


class TestSystemdDelivery(DeliveryContract):
    pass


def test_those_that_are_said_to_be_tested_are_those_that_are_tested() -> None:
    assert sorted(TESTED) == sorted(SYSTEMS)


async def test_a_host_is_judged_prepared_closed_and_opened_again(hosts: tuple[Host, ...], tmp_path: Path) -> None:
    host, stranger = hosts
    keeper = SshHosts(tmp_path / "ssh", no_runtime)
    host.says("sh", "-c", "cat >> ~root/.ssh/authorized_keys", stdin=f"{keeper.public_key}\n".encode())
    target = known(host, runtime=HostRuntime.DOCKER)
    try:
        host.start_docker()
        facts = await keeper.survey(target, now=time.time())
        weights = {each.subject: each.weight for each in prepare(target, facts, controller="c").findings}
        assert weights == dict.fromkeys(("system", "clock", "disk", "memory", "address", "owner", "engine"), Weight.GOOD)
        serve(host)
        await keeper.perform(target, HostStep.FIREWALL)
        assert [port for port in (22, 8099, 30_001, 30_002) if reaches(stranger, host.address, port)] == [22, 8099]
        await keeper.undo(target, HostStep.FIREWALL)
        assert reaches(stranger, host.address, 30_001)
    finally:
        await keeper.close(target)


@pytest.mark.parametrize("user", ["root", USER])
async def test_containers_run_on_it_through_root_and_through_an_account_that_is_not(
    host: Host,
    own_engine: ContainerEngine,  # noqa: F811
    tmp_path: Path,
    user: str,
) -> None:
    host.start_docker()
    linger(host)
    transport = SshTransport(host.ssh(user))
    settings = DockerSettings(
        controller=f"c-{user}",
        memory_budget=1_000_000_000,
        socket=PurePosixPath("/run/docker.sock"),
        bind=host.address,
        source=own_engine.socket,
        spool=tmp_path,
    )
    runtime = DockerRuntime(transport, settings if user == "root" else of_account(settings, 1000))
    try:
        artifact = built(own_engine, f"other{os.urandom(3).hex()}")
        assert (await runtime.deliver(a_mark(), artifact)).sent > 0
        await runtime.start(a_mark(), spec_of(artifact), {"TOKEN": Secret("s3ntinel")})
        view = await answering(runtime, 1)
        await runtime.stop(a_mark(), view.key, grace=5)
    finally:
        await runtime.close()
        await transport.close()
