"""The runtime `docker` fulfils the contract with a real engine."""

from __future__ import annotations

import pytest
from docker.engine import ContainerEngine
from docker.rig import DockerRig

from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.testing.runtime_contract import DeliveryContract, RuntimeContract

pytestmark = pytest.mark.docker


@pytest.fixture
def rig(runtime: DockerRuntime, host_engine: ContainerEngine, own_engine: ContainerEngine) -> DockerRig:
    return DockerRig(runtime, host_engine, own_engine)


class TestDockerRuntime(RuntimeContract):
    pass


class TestDockerDelivery(DeliveryContract):
    pass
