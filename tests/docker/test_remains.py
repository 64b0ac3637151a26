"""A review app of containers goes: its listing says what is gone, and two real engines have nothing of it: the host's, the builder's."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docker.engine import ContainerEngine, tar

from mooring.drivers.builder.container.dockerfile import DockerfileBuilder
from mooring.drivers.builder.container.image import ImageBuilder
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.probe.network import NetworkProber
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.engine.clock import SystemClock
from mooring.engine.controller import Controller
from mooring.engine.orders import DeployOrder
from mooring.model.assets import KEY_ID, KEY_SECRET
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.host import Host, HostAddress, HostRuntime
from mooring.model.names import AppName, DeploymentId, HostId
from mooring.model.records import EnvironmentRecord
from mooring.model.release import Source
from mooring.model.review import ReviewMark, review_environment
from mooring.model.secret import Secret
from mooring.model.trace import Trace
from mooring.testing.bucket import FakeBuckets
from mooring.testing.edge import FakeEdge
from mooring.testing.memory import FakeMemory
from mooring.testing.prober import FakeStreamOpener
from mooring.testing.runtime import FakeRuntime
from mooring.testing.service import FakeServers
from mooring.usecases.workshop import Workshop

pytestmark = pytest.mark.docker

ONE = review_environment(AppName("shop"), "one")
KINDS = ["instance", "route", "certificate", "service", "accessory", "volume", "artifact", "image", "assets", "log"]
DOCKERFILE = "FROM base:1\nCOPY page.html /www/index.html\n"
MANIFEST = """\
app = "shop"
runtime = "docker"

[build]
builder = "dockerfile"

[assets]
path = "/www"
bucket = "pages"
endpoint = "https://s3.test"

[regions.default]

[processes.web]
command = "exec httpd -f -p 0.0.0.0:$PORT -h /www"

[accessories.notes]
image = "notes:1"
command = "echo begun >> /data/index.html; exec httpd -f -p 0.0.0.0:$PORT -h /data"
port = 8000
volume = "/data"

[deploy]
bake = 0
drain_timeout = 1
"""
WITHIN = 120.0  # seconds for what takes a few


@pytest.fixture
def settings(settings: DockerSettings, host_engine: ContainerEngine) -> DockerSettings:
    """Listening on the bridge: from a container its host's loopback is out of reach, and an accessory there."""
    (network,) = host_engine.ask("GET", "/networks/bridge")["IPAM"]["Config"]
    return msgspec.structs.replace(settings, bind=network["Gateway"])


@pytest.fixture
def memory() -> FakeMemory:
    return FakeMemory()


@pytest.fixture
def buckets() -> FakeBuckets:
    buckets = FakeBuckets()
    buckets.shelves["https://s3.test/pages"] = {}
    return buckets


@pytest.fixture
async def controller(
    runtime: DockerRuntime, own_engine: ContainerEngine, memory: FakeMemory, buckets: FakeBuckets, tmp_path: Path
) -> AsyncIterator[Controller]:
    """With one host, `box`, whose engine is not the one that builds. All but engines and builders is fake."""
    own_engine.make_base("base:1")
    own_engine.make_base("notes:1", marker="notes")
    docker = shutil.which("docker")
    assert docker, "there is no program docker (Debian: apt-get install docker.io; from 13 on docker-cli too)"
    program, surroundings = Program(path=docker, socket=own_engine.socket, repository="mooring-tests"), Surroundings.of(os.environ)
    builders = (DockerfileBuilder(surroundings, program=program), ImageBuilder(surroundings, program=program))
    clock = SystemClock()
    controller = Controller(
        memory=memory,
        runtime=FakeRuntime(clock),
        services=FakeServers(),
        buckets=buckets,
        edge=FakeEdge(clock),
        prober=NetworkProber(),
        streams=FakeStreamOpener(clock),
        workshop=Workshop(tmp_path / "workshop", builders, handed_out=0.0),
        clock=clock,
        redact=lambda _, text: text,
        identity="tests",
    )
    memory.save_host(Host(name=HostId("box"), address=HostAddress("root", "box"), runtime=HostRuntime.DOCKER))
    controller.fleet.add(HostId("box"), runtime)
    await controller.start()
    try:
        yield controller
    finally:
        await controller.stop()


async def brought_up(controller: Controller, memory: FakeMemory, environment: EnvironmentId, directory: Path) -> None:
    """The same tree for every environment; the mark of a review app where it is one's."""
    mark = ReviewMark(branch="one", used_at=0, expires_at=1e12) if environment == ONE else None
    memory.save_environment(EnvironmentRecord(environment=environment, created_at=1.0, review=mark))
    keys = {KEY_ID: Secret("key"), KEY_SECRET: Secret("sesame"), "REVIEW_PASSWORD": Secret("a password of sixteen and more")}
    memory.put_config(environment, changes=keys, unset=frozenset(), by="ann", at=1.0)
    archive = directory / f"{environment.environment}.tar"
    archive.write_bytes(tar({"mooring.toml": MANIFEST.encode(), "Dockerfile": DOCKERFILE.encode(), "page.html": b"hello"}))
    order = DeployOrder(archive=str(archive), origin=Source(digest="", branch="one" if mark else "main"))
    deployment = controller.submit(environment, order, by="ann")
    await ended(controller, deployment.id)
    record = memory.deployment(deployment.id)
    assert record is not None and record.outcome is Outcome.SUCCEEDED, record.error if record is not None else "it is gone"


async def ended(controller: Controller, deployment: DeploymentId) -> None:
    async with asyncio.timeout(WITHIN):
        async for _ in controller.follow(deployment=deployment):
            pass


async def taken_down(controller: Controller, memory: FakeMemory) -> tuple[Trace, ...]:
    """Its listing, when it is gone."""
    await ended(controller, controller.reviews.tear_down(ONE, "the test asks for it", by="ann").id)
    async with asyncio.timeout(WITHIN):
        while memory.environment(ONE) is not None:
            await asyncio.sleep(0.05)
    event = memory.newest_event(ONE, EventKind.TRACES)
    assert event is not None
    return msgspec.convert(event.fields["traces"], tuple[Trace, ...])


def images(engine: ContainerEngine) -> set[str]:
    """All that it has, with those that no name leads to."""
    return {each["Id"] for each in engine.ask("GET", "/images/json?all=1")}


def kept(engine: ContainerEngine) -> tuple[list[Any], list[Any]]:
    """Containers, running or not, and volumes."""
    return engine.ask("GET", "/containers/json?all=1"), engine.ask("GET", "/volumes")["Volumes"] or []


async def test_nothing_of_it_is_left_and_the_engines_say_so_themselves(
    controller: Controller,
    memory: FakeMemory,
    buckets: FakeBuckets,
    host_engine: ContainerEngine,
    own_engine: ContainerEngine,
    tmp_path: Path,
) -> None:
    engines = (host_engine, own_engine)
    before = [images(each) for each in engines]
    await brought_up(controller, memory, ONE, tmp_path)
    containers, volumes = kept(host_engine)
    assert (len(containers), len(volumes)) == (2, 1), "the app, its accessory, and what that keeps"
    assert all(images(engine) > had for engine, had in zip(engines, before, strict=True)), "both have its images"
    assert list(buckets.shelves["https://s3.test/pages"]) != []

    listing = await taken_down(controller, memory)
    assert [trace.kind for trace in listing] == KINDS
    assert all(trace.is_gone for trace in listing), listing
    assert [images(each) for each in engines] == before
    assert [kept(each) for each in engines] == [([], []), ([], [])]
    assert buckets.shelves["https://s3.test/pages"] == {}


async def test_an_image_that_another_environment_runs_is_left_on_both_engines_and_its_user_is_named(
    controller: Controller, memory: FakeMemory, host_engine: ContainerEngine, own_engine: ContainerEngine, tmp_path: Path
) -> None:
    await brought_up(controller, memory, EnvironmentId.parse("shop/staging"), tmp_path)
    await brought_up(controller, memory, ONE, tmp_path)
    names = [images(each) for each in (host_engine, own_engine)]
    listing = await taken_down(controller, memory)
    assert [images(each) for each in (host_engine, own_engine)] == names
    left = {trace.reason: trace for trace in listing if trace.kind == "image"}
    assert all("shop/staging" in reason for reason in left), listing
    hosts = {name.rpartition(" on ")[2] for trace in left.values() for name in trace.left}
    assert hosts == {"local", "box"}
    assert [trace.kind for trace in listing if trace.kind in ("volume", "instance") and trace.is_gone] == ["instance", "volume"]
    containers, volumes = kept(host_engine)
    assert {each["Labels"]["mooring.environment"] for each in containers} == {"shop/staging", "shop/staging.notes"}
    assert len(volumes) == 1
