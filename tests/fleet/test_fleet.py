"""The rig itself, and what a transport promises of a host whose plug or cable is pulled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import msgspec
import psutil
import pytest
from fleet.image import USER, image
from fleet.rig import Fleet, Host

from mooring.drivers.transport.contract import Transport
from mooring.drivers.transport.ssh import SshTransport
from mooring.errors import NeedsPerson, OutcomeUnknown, Unavailable
from mooring.testing.transport_contract import TransportContract

UP_WITHIN = 180.0  # seconds for three hosts, from nothing but the image; booting takes about 5 when the machine is idle
TOLD_WITHIN = 90.0  # seconds after which a cut cable is known, whatever was under way

LISTEN = "import socket; print(socket.create_server(('', 7001)).accept()[1][0])"
ASK = """
import socket, sys, time
while True:
    try:
        socket.create_connection((sys.argv[1], 7001), 1)
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("user", ["root", USER])
class TestHostByTransport(TransportContract):
    @pytest.fixture
    async def transport(self, host: Host, user: str) -> Transport:
        return SshTransport(host.ssh(user))


async def test_three_hosts_are_themselves_and_answer_with_keys_of_their_own(fleet: Fleet) -> None:
    transports = [SshTransport(host.ssh(USER)) for host in fleet.hosts]
    names = [(await each.run(["hostname"])).out.decode().strip() for each in transports]
    assert names == ["host1", "host2", "host3"]
    assert [(await each.run(["ps", "-o", "comm=", "-p", "1"])).out for each in transports] == [b"systemd\n"] * 3
    assert len({host.key for host in fleet.hosts}) == 3
    wrong = SshTransport(msgspec.structs.replace(fleet.hosts[0].ssh(), host_key=fleet.hosts[1].key))
    with pytest.raises(NeedsPerson, match="another host key than the pinned one"):
        await wrong.run(["true"])
    for each in transports:
        await each.close()


async def test_hosts_reach_one_another(fleet: Fleet) -> None:
    first, second, _ = fleet.hosts
    said = asyncio.create_task(asyncio.to_thread(second.says, "python3", "-c", LISTEN))
    await asyncio.to_thread(first.says, "python3", "-c", ASK, second.address)
    assert (await said).strip() == first.address


async def test_a_docker_engine_runs_on_a_host(host: Host) -> None:
    await asyncio.to_thread(host.start_docker)
    try:
        assert host.says("docker", "version", "--format", "{{.Server.APIVersion}}").startswith("1.")
        root = "tar -c -C / usr/bin/dash | docker import - shell:1"
        host.says("sh", "-c", root)
        host.says("docker", "image", "inspect", "shell:1")
    finally:
        host.says("systemctl", "stop", "docker.service", "docker.socket", "containerd.service")


async def test_a_cut_cable_leaves_what_runs_unknown_then_nothing_begins_and_mended_all_is_well(
    host: Host, directory: PurePosixPath
) -> None:
    transport = SshTransport(host.ssh())
    running = asyncio.create_task(transport.run(["sh", "-c", f"touch {directory}/begun; sleep 600"], within=600))
    await asyncio.to_thread(host.until, lambda: host.run("test", "-e", f"{directory}/begun").returncode == 0, within=20)
    host.cut()
    began = time.monotonic()
    try:
        with pytest.raises(OutcomeUnknown):
            await transport.run(["touch", f"{directory}/second"], within=1)
        assert time.monotonic() - began < TOLD_WITHIN, "its own time limit holds, whatever the connection does"
        with pytest.raises(OutcomeUnknown, match="the connection broke while sh ran"):
            await running
        assert time.monotonic() - began < TOLD_WITHIN
        with pytest.raises(Unavailable, match="cannot be reached"):
            await transport.run(["touch", f"{directory}/third"])
        with pytest.raises(Unavailable):
            await transport.write(directory / "third", b"")
    finally:
        host.mend()
    assert (await transport.run(["ls", str(directory)])).out.split()[0] == b"begun"
    assert host.run("test", "-e", f"{directory}/third").returncode == 1, "Unavailable: it certainly did not happen"
    await transport.close()


async def test_a_host_whose_plug_was_pulled_is_back_with_its_disk_and_its_key(host: Host, directory: PurePosixPath) -> None:
    transport = SshTransport(host.ssh())
    await transport.write(directory / "kept", b"content")
    host.says("sync")
    identity = (host.key, host.says("cat", "/proc/sys/kernel/random/boot_id", "/etc/machine-id").split()[1])
    running = asyncio.create_task(transport.run(["sleep", "600"], within=600))
    await asyncio.to_thread(host.until, lambda: host.run("pgrep", "-x", "sleep").returncode == 0, within=20)
    await asyncio.to_thread(host.kill)
    await asyncio.to_thread(host.start)
    with pytest.raises(OutcomeUnknown):
        await running
    assert (await transport.run(["echo", "back"])).out == b"back\n"
    assert identity == (host.key, host.says("cat", "/etc/machine-id").strip())
    await transport.close()


def test_a_host_is_reset_to_a_clean_disk_and_another_key(fleet: Fleet) -> None:
    third = fleet.hosts[2]
    key = third.key
    third.says("touch", "/root/left")
    third.reset()
    third.start()
    assert third.key != key
    assert third.run("test", "-e", "/root/left").returncode == 1


def test_a_fleet_of_its_own_is_up_within_three_minutes_and_nothing_is_left_of_it() -> None:
    began = time.monotonic()
    image()
    second = Fleet()
    try:
        hosts = second.start(3)
        assert time.monotonic() - began < UP_WITHIN
        assert all(host.says("systemctl", "is-system-running").strip() == "running" for host in hosts)
        mine = f"mooring-fleet-{second.network.number}"
    finally:
        second.stop()
    assert not [each for each in psutil.process_iter(["cmdline"]) if mine in " ".join(each.info["cmdline"] or ())]
    assert mine not in Path("/proc/self/mounts").read_text()


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from fleet.rig import Fleet
fleet = Fleet()
fleet.start(1)
print(fleet.network.number, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_fleet_has_left_goes_with_the_next_one() -> None:
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parents[1])]
    number = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    left = f"/fleet-{number}/"
    assert left in Path("/proc/self/mounts").read_text()
    next_one = Fleet()
    try:
        assert str(next_one.network.number) == number
        assert left not in Path("/proc/self/mounts").read_text()
        assert next_one.start(1)[0].says("hostname") == "host1\n"
    finally:
        next_one.stop()
