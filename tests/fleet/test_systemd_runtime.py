"""The runtime `systemd` fulfils the contract on a real host: with units of the system as root, and with an account's own without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fleet.image import USER
from fleet.rig import Host
from fleet.systemd_rig import SystemdRig

from mooring.drivers.transport.ssh import SshTransport
from mooring.testing.interactive_contract import InteractiveContract
from mooring.testing.lasting_contract import LastingContract
from mooring.testing.runtime_contract import DeliveryContract, RuntimeContract


@pytest.fixture(params=["root", USER])
async def rig(request: pytest.FixtureRequest, host: Host, ssh: SshTransport, tmp_path: Path) -> AsyncIterator[SystemdRig]:
    assert (await ssh.run(["loginctl", "enable-linger", USER])).code == 0
    transport = SshTransport(host.ssh(request.param))
    rig = SystemdRig(host, request.param, transport, tmp_path)
    try:
        yield rig
    finally:
        rig.remove()
        await transport.close()


class TestSystemdRuntime(RuntimeContract):
    pass


class TestSystemdLasting(LastingContract):
    pass


class TestSystemdInteractive(InteractiveContract):
    pass


class TestSystemdDelivery(DeliveryContract):
    pass
