"""Looking after real hosts: who answers, what is there, what is done and undone, as one user or another."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from fleet.rig import Fleet
from fleet.rig import Host as RealHost

from mooring.drivers.host.ssh import SshHosts
from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.transport.contract import Transport
from mooring.errors import NeedsPerson, Unavailable
from mooring.model.host import Host, HostAddress, HostRuntime, HostStep, Weight, fingerprint
from mooring.model.names import HostId
from mooring.planner.hosts import prepare
from mooring.server.edges import edge_kit
from mooring.server.installation import Installation

KEYS = {"root": "/root/.ssh/authorized_keys", "deploy": "/home/deploy/.ssh/authorized_keys"}


def no_runtime(host: Host, transport: Transport) -> Runtime:
    raise AssertionError("nobody asked for a runtime")


@pytest.fixture
async def keeper(tmp_path: Path, host: RealHost) -> AsyncIterator[SshHosts]:
    """With its key where a person would put it."""
    keeper = SshHosts(tmp_path / "ssh", no_runtime, edge_kit(Installation(tmp_path)))
    for path in KEYS.values():
        host.says("sh", "-c", 'cp "$1" "$1.before"; cat >> "$1"', "sh", path, stdin=f"{keeper.public_key}\n".encode())
    yield keeper
    for user in KEYS:
        await keeper.close(known(host, user))
    for path in KEYS.values():
        host.says("sh", "-c", 'cat "$1.before" > "$1"; rm "$1.before"', "sh", path)


@pytest.fixture
def unclaimed(host: RealHost) -> Iterator[None]:
    yield
    host.says("rm", "-rf", "/var/lib/mooring", "/home/deploy/.local/share/mooring")
    host.says("rm", "-f", "/var/lib/systemd/linger/deploy")


def known(host: RealHost, user: str = "root", *, runtime: HostRuntime = HostRuntime.SYSTEMD) -> Host:
    return Host(name=HostId(host.name), address=HostAddress(user, host.address), runtime=runtime, host_key=host.key)


async def test_the_offered_key_is_the_hosts_own_and_reads_like_ssh_keygen_says(keeper: SshHosts, host: RealHost) -> None:
    offered = await keeper.offered_key(HostAddress("root", host.address))
    assert offered == host.key
    assert fingerprint(offered) in host.says("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub")


async def test_what_is_found_is_what_is_there(keeper: SshHosts, host: RealHost) -> None:
    facts = await keeper.survey(known(host), now=time.time())
    assert facts.system == "debian 13"
    assert facts.systemd == int(host.says("systemctl", "--version").split()[1])
    assert facts.memory // 1024 == int(
        next(line.split()[1] for line in host.says("cat", "/proc/meminfo").splitlines() if "MemTotal" in line)
    )
    assert (facts.is_root, facts.home, facts.address, facts.owner) == (True, "/root", host.address, "")
    assert abs(facts.clock - facts.asked_at) < 2
    assert facts.disk_free > 0


async def test_a_host_is_prepared_once_and_undone(keeper: SshHosts, host: RealHost, unclaimed: None) -> None:
    target = known(host, "deploy")
    before = prepare(target, await keeper.survey(target, now=time.time()), controller=keeper.controller)
    assert [each.step for each in before.steps] == [HostStep.CLAIM, HostStep.LINGER]
    for _ in range(2):
        for each in before.steps:
            await keeper.perform(target, each.step)
    after = prepare(target, await keeper.survey(target, now=time.time()), controller=keeper.controller)
    assert after.steps == ()
    assert after.faults == ()
    other = prepare(target, await keeper.survey(target, now=time.time()), controller="another")
    assert [fault.subject for fault in other.faults] == ["owner"]
    for _ in range(2):
        for each in before.steps:
            await keeper.undo(target, each.step)
    left = prepare(target, await keeper.survey(target, now=time.time()), controller=keeper.controller)
    assert left.steps == before.steps


async def test_an_engine_is_found_where_the_user_may_use_it(keeper: SshHosts, host: RealHost) -> None:
    target = known(host, runtime=HostRuntime.DOCKER)
    host.start_docker()
    facts = await keeper.survey(target, now=time.time())
    assert facts.engine == host.says("docker", "version", "--format", "{{.Server.APIVersion}}").strip()
    assert {finding.weight for finding in prepare(target, facts, controller="c").findings if finding.subject == "engine"} == {Weight.GOOD}


async def test_a_clock_that_is_wrong_is_seen(keeper: SshHosts, host: RealHost) -> None:
    facts = await keeper.survey(known(host), now=time.time() - 3600)
    clock = next(finding for finding in prepare(known(host), facts, controller="c").findings if finding.subject == "clock")
    assert clock.weight is Weight.WARNING
    assert "3600" in clock.said or "3599" in clock.said


async def test_ports_of_instances_are_closed_to_everybody_but_the_controller_also_after_a_boot_and_opened_again(
    keeper: SshHosts, host: RealHost, fleet: Fleet
) -> None:
    """Before anything sends them on, as engines of containers do; sshd and what is somebody else's stay open."""
    target, stranger = msgspec.structs.replace(known(host, runtime=HostRuntime.DOCKER), has_firewall=True), fleet.hosts[1]
    serve(host)

    def stranger_reaches() -> list[int]:
        return [port for port in (22, 8099, 30_001, 30_002) if reaches(stranger, host.address, port)]

    assert await asyncio.to_thread(stranger_reaches) == [22, 8099, 30_001, 30_002]
    steps = [each.step for each in prepare(target, await keeper.survey(target, now=time.time()), controller="c").steps]
    assert HostStep.FIREWALL in steps
    for _ in range(2):
        await keeper.perform(target, HostStep.FIREWALL)
    assert await asyncio.to_thread(stranger_reaches) == [22, 8099]
    for port in (22, 8099, 30_001, 30_002):
        socket.create_connection((host.address, port), 5).close()
    facts = await keeper.survey(target, now=time.time())
    assert HostStep.FIREWALL not in [each.step for each in prepare(target, facts, controller="c").steps]
    host.says("sync")
    await asyncio.to_thread(host.kill)
    await asyncio.to_thread(host.start)
    serve(host)
    assert await asyncio.to_thread(stranger_reaches) == [22, 8099]
    for _ in range(2):
        await keeper.undo(target, HostStep.FIREWALL)
    assert await asyncio.to_thread(stranger_reaches) == [22, 8099, 30_001, 30_002]
    assert "mooring" not in host.says("nft", "list", "tables") + host.says("ls", "/etc", "/etc/systemd/system")
    host.says("nft", "delete", "table", "ip", "redirecting")
    host.says("systemctl", "stop", *(f"listening-{port}" for port in (8099, 30_001)))


def serve(host: RealHost) -> None:
    """On a port of instances, on another, and on one of instances that is sent on to the other."""
    for port in (8099, 30_001):
        host.says("systemd-run", "--quiet", f"--unit=listening-{port}", "python3", "-m", "http.server", str(port))
    chain = "add table ip redirecting; add chain ip redirecting first { type nat hook prerouting priority dstnat; }; "
    host.says("nft", f"{chain}add rule ip redirecting first tcp dport 30002 redirect to :8099")
    host.until(lambda: all(_listens(host, port) for port in (8099, 30_001)), within=30)


def _listens(host: RealHost, port: int) -> bool:
    return f":{port} " in host.says("ss", "-Hltn")


def reaches(host: RealHost, address: str, port: int) -> bool:
    asking = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    return host.run("python3", "-c", asking, address, str(port)).returncode == 0


async def test_another_host_key_is_refused_before_anything_is_said_to_it(keeper: SshHosts, host: RealHost) -> None:
    impostor = msgspec.structs.replace(known(host), host_key=_another_key())
    with pytest.raises(NeedsPerson, match="another host key"):
        await keeper.survey(impostor, now=time.time())


async def test_a_cut_cable_is_said_to_be_one(keeper: SshHosts, host: RealHost) -> None:
    host.cut()
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await keeper.offered_key(HostAddress("root", host.address))
    finally:
        host.mend()
    assert await keeper.offered_key(HostAddress("root", host.address)) == host.key


def _another_key() -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
