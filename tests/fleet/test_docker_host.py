"""The runtime `docker` on a real host: a newer engine than the tests of tests/docker start, its socket reached by SSH, a pulled plug."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
from docker.engine import ContainerEngine, DockerEngine, serving
from docker.engine import missing as engine_missing
from fleet.image import USER
from fleet.rig import Host

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.transport.ssh import SshTransport
from mooring.errors import DriverError
from mooring.model.instance import InstanceSpec, InstanceView, ProcessState
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import SHOP, a_key, a_mark

PATIENCE = 60.0  # seconds
COMMAND = 'echo hello; exec httpd -f -p "0.0.0.0:$PORT" -h /etc'


@pytest.fixture(scope="module")
def own_engine() -> Iterator[ContainerEngine]:
    """The controller's."""
    assert not engine_missing(), engine_missing()
    number = os.getpid()
    with tempfile.TemporaryDirectory(prefix="mooring-", ignore_cleanup_errors=True) as directory:
        subnet = f"10.{150 + number % 50}.{number // 50 % 250}.1/24"
        with serving(DockerEngine(Path(directory) / "own", bridge=f"mrgf{number}", subnet=subnet)) as engine:
            yield engine


@pytest.fixture
def docker_host(host: Host) -> Iterator[Host]:
    """An account that is not root owns what the driver keeps there."""
    host.start_docker()
    _own_places(host)
    yield host
    for container in host.says("docker", "ps", "-aq").split():
        host.says("docker", "rm", "-fv", container)
    host.says("docker", "image", "prune", "-af")
    host.says("rm", "-rf", "/run/mooring", "/var/lib/mooring")
    host.says("systemctl", "stop", "docker.service", "docker.socket", "containerd.service")


def _own_places(host: Host) -> None:
    for place in ("/run/mooring", "/var/lib/mooring"):
        host.says("install", "-d", "-m", "0700", "-o", USER, place)


@pytest.fixture
async def runtime(docker_host: Host, own_engine: ContainerEngine, tmp_path: Path) -> AsyncIterator[DockerRuntime]:
    transport = SshTransport(docker_host.ssh(USER))
    settings = DockerSettings(
        controller="c1",
        memory_budget=1_000_000_000,
        socket=PurePosixPath("/run/docker.sock"),
        bind=docker_host.address,
        source=own_engine.socket,
        spool=tmp_path,
    )
    runtime = DockerRuntime(transport, settings)
    yield runtime
    await runtime.close()
    await transport.close()


def built(engine: ContainerEngine, version: str) -> Artifact:
    image = engine.build(f"app:{version}", "FROM base:1\nCOPY filling /filling\nEXPOSE 8080\n", filling=os.urandom(300_000))
    return Artifact(id=ArtifactId(f"app{version}"), builder="dockerfile", reason="", directory="", size=1, image=image)


def spec_of(artifact: Artifact, *, release: int = 1) -> InstanceSpec:
    return InstanceSpec(key=a_key(release=release), command=COMMAND, directory="", is_routed=True, artifact=artifact)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.1)


async def answering(runtime: DockerRuntime, release: int) -> InstanceView:
    """As the edge reaches it: from this machine, at the host's own address."""
    found: list[InstanceView] = []

    async def answers() -> bool:
        with contextlib.suppress(DriverError, OSError):
            for view in await runtime.observe():
                if view.key.release == release and view.state is ProcessState.RUNNING:
                    assert b"root" in await asyncio.to_thread(_get, f"http://{view.address}:{view.port}/passwd")
                    found.append(view)
        return bool(found)

    await until(answers)
    return found[0]


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=5) as response:
        content: bytes = response.read()
        return content


async def test_an_app_is_brought_run_updated_and_taken_away_by_an_account_that_is_not_root(
    runtime: DockerRuntime, docker_host: Host, own_engine: ContainerEngine
) -> None:
    first, second = built(own_engine, "1"), built(own_engine, "2")
    whole = await runtime.deliver(a_mark(), first)
    rest = await runtime.deliver(a_mark(), second)
    assert whole.sent > 1_000_000
    assert 300_000 < rest.sent < 330_000, "only the layer that the host lacks"
    assert (await runtime.deliver(a_mark(), second)).sent == 0
    await runtime.start(a_mark(), spec_of(first), {"TOKEN": Secret("s3ntinel"), "KEY": SecretFile("s3ntinel")})
    view = await answering(runtime, 1)
    assert view.address == docker_host.address
    assert [each.port for each in (await runtime.inspect(view.key)).listening] == [view.port]
    assert "s3ntinel" not in docker_host.says("docker", "inspect", docker_host.says("docker", "ps", "-q").strip())
    await runtime.start(a_mark(), spec_of(second, release=2), {})
    await answering(runtime, 2)
    await runtime.stop(a_mark(), a_key(), grace=5)
    assert [line.release async for line in runtime.logs(LogQuery(environment=SHOP))] == [1, 2]
    assert await runtime.reclaim(a_mark(), keep=frozenset({second.id})) > 0
    assert [view.key.release for view in await runtime.observe()] == [2]


async def test_after_the_plug_was_pulled_the_engine_brings_back_what_has_no_secrets_and_the_rest_can_be_started(
    runtime: DockerRuntime, docker_host: Host, own_engine: ContainerEngine
) -> None:
    artifact = built(own_engine, "3")
    await runtime.deliver(a_mark(), artifact)
    await runtime.start(a_mark(), spec_of(artifact), {"TOKEN": Secret("x")})
    await runtime.start(a_mark(), spec_of(artifact, release=2), {})
    before = await answering(runtime, 2)
    await answering(runtime, 1)
    docker_host.says("systemctl", "enable", "docker.service")
    docker_host.says("sync")
    await asyncio.to_thread(docker_host.kill)
    with pytest.raises(DriverError):
        await runtime.observe()
    await asyncio.to_thread(docker_host.start)
    docker_host.start_docker()
    assert (await answering(runtime, 2)).port == before.port
    assert [view.key.release for view in await runtime.observe()] == [2], "its secrets were in memory: not without them"
    _own_places(docker_host)
    await runtime.start(a_mark(), spec_of(artifact), {"TOKEN": Secret("x")})
    await answering(runtime, 1)


async def test_a_cut_cable_is_unavailable_and_the_engine_is_found_again(
    runtime: DockerRuntime, docker_host: Host, own_engine: ContainerEngine
) -> None:
    artifact = built(own_engine, "4")
    await runtime.deliver(a_mark(), artifact)
    await runtime.start(a_mark(), spec_of(artifact), {})
    view = await answering(runtime, 1)
    docker_host.cut()
    try:
        with pytest.raises((DriverError, TimeoutError)):
            async with asyncio.timeout(90):
                await runtime.observe()
    finally:
        docker_host.mend()
    assert (await answering(runtime, 1)).pid == view.pid
