"""The runtime `systemd` fulfils the contract on a real host: with units of the system as root, and with an account's own without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fleet.image import USER
from fleet.rig import Host
from fleet.systemd_rig import SystemdRig, systemd_rig

from mooring.testing.asking_contract import AskingContract
from mooring.testing.interactive_contract import InteractiveContract
from mooring.testing.lasting_contract import LastingContract
from mooring.testing.runtime_contract import DeliveryContract, RuntimeContract


@pytest.fixture(params=["root", USER])
async def rig(request: pytest.FixtureRequest, host: Host, tmp_path: Path) -> AsyncIterator[SystemdRig]:
    async with systemd_rig(host, request.param, tmp_path) as rig:
        yield rig


class TestSystemdRuntime(RuntimeContract):
    pass


class TestSystemdLasting(LastingContract):
    pass


class TestSystemdInteractive(InteractiveContract):
    pass


class TestSystemdAsking(AskingContract):
    pass


class TestSystemdDelivery(DeliveryContract):
    pass
