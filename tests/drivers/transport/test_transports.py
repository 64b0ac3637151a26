"""The contract of transports on this machine itself and through a real sshd; and what only SSH can meet."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath

import msgspec
import psutil
import pytest
from e2e.sshd import Sshd

from mooring.drivers.transport.local import LocalTransport
from mooring.drivers.transport.ssh import SshHost, SshTransport
from mooring.errors import InvalidInput, NeedsPerson, OutcomeUnknown, Unavailable
from mooring.testing.transport_contract import TransportContract

PATIENCE = 15.0


@pytest.fixture
def directory() -> Iterator[PurePosixPath]:
    path = Path(tempfile.mkdtemp(prefix="m-"))
    yield PurePosixPath(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path_factory.mktemp("sshd"))
    sshd.start()
    yield sshd
    sshd.stop()


def host_of(sshd: Sshd) -> SshHost:
    key = " ".join((sshd.directory / "host_key.pub").read_text().split()[:2])
    return SshHost(name="box", address="127.0.0.1", user=sshd.user, host_key=key, port=sshd.port, keys=(sshd.directory / "id",))


@pytest.fixture
async def ssh(sshd: Sshd) -> AsyncIterator[SshTransport]:
    transport = SshTransport(host_of(sshd))
    yield transport
    await transport.close()


class TestLocalTransport(TransportContract):
    @pytest.fixture
    def transport(self) -> LocalTransport:
        return LocalTransport()


class TestSshTransport(TransportContract):
    @pytest.fixture
    def transport(self, ssh: SshTransport) -> SshTransport:
        return ssh


def sessions(sshd: Sshd) -> list[psutil.Process]:
    """The processes of sshd that serve somebody."""
    return [each for each in psutil.Process(sshd.pid).children(recursive=True) if each.name().startswith("sshd")]


async def test_all_commands_share_one_connection(ssh: SshTransport, sshd: Sshd) -> None:
    before = len(psutil.Process(sshd.pid).children())
    await asyncio.gather(*(ssh.run(["true"]) for _ in range(12)))
    assert len(psutil.Process(sshd.pid).children()) == before + 1


async def test_a_connection_that_breaks_while_a_program_runs_leaves_its_outcome_unknown(
    ssh: SshTransport, sshd: Sshd, directory: PurePosixPath
) -> None:
    begun = directory / "begun"
    running = asyncio.create_task(ssh.run(["sh", "-c", f"touch {begun}; sleep 60"]))
    async with asyncio.timeout(PATIENCE):
        while not Path(begun).exists():
            await asyncio.sleep(0.01)
    for process in sessions(sshd):
        process.send_signal(signal.SIGKILL)
    with pytest.raises(OutcomeUnknown, match="the connection broke while sh ran"):
        await running
    assert (await ssh.run(["echo", "again"])).out == b"again\n", "the next call connects anew"


async def test_another_host_key_than_the_pinned_one_is_never_spoken_to(sshd: Sshd, tmp_path: Path) -> None:
    other = f"{sshd.make_key(f'other-{tmp_path.name}')}.pub"
    transport = SshTransport(msgspec.structs.replace(host_of(sshd), host_key=" ".join(Path(other).read_text().split()[:2])))
    with pytest.raises(NeedsPerson, match="another host key than the pinned one"):
        await transport.run(["true"])


async def test_a_host_key_that_is_none_is_refused(sshd: Sshd) -> None:
    with pytest.raises(InvalidInput, match="the host key of box cannot be read"):
        await SshTransport(msgspec.structs.replace(host_of(sshd), host_key="ssh-rsa nonsense")).run(["true"])


async def test_a_key_that_the_host_does_not_know_is_told(sshd: Sshd, tmp_path: Path) -> None:
    stranger = sshd.make_key(f"stranger-{tmp_path.name}")
    with pytest.raises(Unavailable, match="accepts none of the keys"):
        await SshTransport(msgspec.structs.replace(host_of(sshd), keys=(stranger,))).run(["true"])


async def test_without_a_key_file_the_agent_is_asked(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = Path(tempfile.mkdtemp(prefix="m-")) / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    monkeypatch.setenv("HOME", str(tmp_path))  # where no key is
    transport = second = SshTransport(msgspec.structs.replace(host_of(sshd), keys=()))
    try:
        async with asyncio.timeout(PATIENCE):
            while not socket.is_socket():
                await asyncio.sleep(0.01)
        with pytest.raises(Unavailable, match="accepts none of the keys"):
            await transport.run(["true"])
        subprocess.run(["ssh-add", "-q", str(sshd.directory / "id")], check=True)
        assert (await transport.run(["echo", "by agent"])).out == b"by agent\n"
        second = SshTransport(msgspec.structs.replace(host_of(sshd), keys=(sshd.make_key(f"unknown-{tmp_path.name}"),)))
        assert (await second.run(["echo", "after it"])).out == b"after it\n", "a key that is refused does not end it"
    finally:
        await transport.close()
        await second.close()
        agent.terminate()
        agent.wait(PATIENCE)
        shutil.rmtree(socket.parent)


async def test_a_host_that_does_not_answer_did_certainly_nothing(sshd: Sshd) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        await SshTransport(msgspec.structs.replace(host_of(sshd), port=1)).run(["true"])


async def test_a_bastion_is_gone_through_and_its_key_is_pinned_too(sshd: Sshd, tmp_path: Path) -> None:
    bastion = Sshd(tmp_path)
    bastion.start()
    try:
        way = msgspec.structs.replace(host_of(bastion), name="bastion")
        transport = SshTransport(msgspec.structs.replace(host_of(sshd), bastion=way))
        assert (await transport.run(["echo", "far"])).out == b"far\n"
        assert len(sessions(bastion)) >= 1
        await transport.close()
        wrong = msgspec.structs.replace(way, host_key=host_of(sshd).host_key)
        with pytest.raises(NeedsPerson, match="bastion: another host key"):
            await SshTransport(msgspec.structs.replace(host_of(sshd), bastion=wrong)).run(["true"])
    finally:
        bastion.stop()
