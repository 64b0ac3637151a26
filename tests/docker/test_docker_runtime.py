"""The runtime `docker` fulfils the contract with a real engine."""

from __future__ import annotations

import asyncio

import pytest
from docker.engine import ContainerEngine
from docker.rig import DockerRig

from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.transport.local import LocalTransport
from mooring.testing.asking_contract import AskingContract
from mooring.testing.interactive_contract import InteractiveContract
from mooring.testing.lasting_contract import LastingContract
from mooring.testing.runtime_contract import DeliveryContract, RuntimeContract

pytestmark = pytest.mark.docker


@pytest.fixture
def rig(runtime: DockerRuntime, host_engine: ContainerEngine, own_engine: ContainerEngine) -> DockerRig:
    return DockerRig(runtime, host_engine, own_engine)


class TestDockerRuntime(RuntimeContract):
    pass


class TestDockerInteractive(InteractiveContract):
    pass


class TestDockerAsking(AskingContract):
    pass


class TestDockerLasting(LastingContract):
    pass


class TestDockerDelivery(DeliveryContract):
    pass


async def test_what_is_closed_leaves_no_task_behind(settings: DockerSettings) -> None:
    """A host that is added again and again is watched once."""
    before = asyncio.all_tasks()
    runtime = DockerRuntime(LocalTransport(), settings)
    await runtime.observe()
    watching = asyncio.all_tasks() - before
    assert watching, "it follows the engine's events"
    await runtime.close()
    assert not {each for each in watching if not each.done()}
