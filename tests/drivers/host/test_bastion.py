"""A host behind another machine, each a real sshd: its key is asked for, and everything said, through that machine alone."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from e2e.sshd import Sshd

from mooring.drivers.host.ssh import SshHosts
from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.transport.contract import Transport
from mooring.errors import NeedsPerson, Unavailable
from mooring.model.host import Bastion, Host, HostAddress, HostRuntime
from mooring.model.names import HostId
from mooring.server.edges import edge_kit
from mooring.server.installation import Installation


def no_runtime(host: Host, transport: Transport) -> Runtime:
    raise AssertionError("nobody asked for a runtime")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Sshd]:
    yield from _running(tmp_path / "far")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Sshd]:
    yield from _running(tmp_path / "gate")


def _running(directory: Path) -> Iterator[Sshd]:
    directory.mkdir()
    sshd = Sshd(directory)
    sshd.start()
    yield sshd
    sshd.stop()


@pytest.fixture
async def keeper(tmp_path: Path, far: Sshd, gate: Sshd) -> AsyncIterator[SshHosts]:
    """With its key where a person would put it: on both."""
    keeper = SshHosts(tmp_path / "ssh", no_runtime, edge_kit(Installation(tmp_path)))
    for sshd in (far, gate):
        with (sshd.directory / "authorized_keys").open("a") as file:
            file.write(f"{keeper.public_key}\n")
    yield keeper
    await keeper.close(host_of(far, gate))


def address_of(sshd: Sshd) -> HostAddress:
    return HostAddress(sshd.user, "127.0.0.1", sshd.port)


def key_of(sshd: Sshd) -> str:
    return " ".join((sshd.directory / "host_key.pub").read_text().split()[:2])


def host_of(far: Sshd, gate: Sshd) -> Host:
    bastion = Bastion(address=address_of(gate), host_key=key_of(gate))
    return Host(name=HostId("far"), address=address_of(far), runtime=HostRuntime.SYSTEMD, host_key=key_of(far), bastion=bastion)


async def test_all_goes_through_it(keeper: SshHosts, far: Sshd, gate: Sshd) -> None:
    host = host_of(far, gate)
    assert await keeper.offered_key(host.address, bastion=host.bastion) == key_of(far)
    facts = await keeper.survey(host, now=time.time())
    assert facts.home == pwd.getpwuid(os.getuid()).pw_dir
    assert psutil.Process(gate.pid).children(), "who is on the way"
    await keeper.close(host)
    gate.stop()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{gate.port} cannot be reached"):
        await keeper.survey(host, now=time.time())


async def test_another_key_than_its_own_is_not_gone_through(keeper: SshHosts, far: Sshd, gate: Sshd) -> None:
    host = host_of(far, gate)
    wrong = Bastion(address=address_of(gate), host_key=key_of(far))
    with pytest.raises(NeedsPerson, match="another host key than the pinned one"):
        await keeper.offered_key(host.address, bastion=wrong)
    with pytest.raises(NeedsPerson, match="another host key than the pinned one"):
        await keeper.survey(msgspec.structs.replace(host, bastion=wrong), now=time.time())
    assert psutil.Process(far.pid).children() == []


async def test_one_that_knows_no_key_of_ours_says_so(keeper: SshHosts, far: Sshd, gate: Sshd) -> None:
    (gate.directory / "authorized_keys").write_text("")
    with pytest.raises(Unavailable, match=r"@127\.0\.0\.1 accepts none of the keys"):
        await keeper.offered_key(address_of(far), bastion=host_of(far, gate).bastion)
