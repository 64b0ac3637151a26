"""A fleet to test on: Debian systems with systemd as process 1, sshd, Docker, an address, a disk and a control group of their own.

    fleet = Fleet()                      a network; root and a few packages are needed (see `missing`)
    hosts = fleet.start(3)               in parallel; about 5 seconds once the image is made
    hosts[0].ssh()                       how drivers/transport/ssh.py reaches it, its key pinned
    hosts[0].kill(); .start()            the plug is pulled; it boots again with the same disk
    hosts[0].cut(); .mend()              its network cable
    hosts[0].freeze(); .thaw()           every program on it stops; its kernel goes on answering
    hosts[0].give_cpu(0.5)               half a core for all that runs there; None: as much as there is
    hosts[0].run("systemctl", "status")  as root, from outside: also with the cable cut
    fleet.stop()                         nothing is left but the image

They share this machine's kernel: for tests only. Docker inside is installed and not started (`start_docker`).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from fleet.image import USER, USUAL, cache, image
from fleet.network import Network

from mooring.drivers.transport.ssh import SshHost

_BOOT = Path(__file__).with_name("boot.sh")
_BOOT_WITHIN = 60.0  # seconds
_NEEDS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ssh-keygen": "openssh-client",
}


def missing() -> str:
    """What keeps this machine from running a fleet, as a sentence; empty when nothing does."""
    if os.getuid() != 0:
        return "a fleet of real hosts needs root"
    absent = sorted(
        {package for tool, package in _NEEDS.items() if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None}
    )
    return f"a fleet of real hosts needs: apt-get install {' '.join(absent)}" if absent else ""


class Host:
    """`number` counts from 1; `key` is its public host key, `identity` the file of the private key that its accounts accept."""

    def __init__(self, number: int, *, system: str, network: Network, directory: Path, identity: Path) -> None:
        self.number = number
        self.system = system
        self.name = f"host{number}"
        self.address = network.address(number)
        self.identity = identity
        self._network = network
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> str:
        return " ".join((self._directory / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    def ssh(self, user: str = "root") -> SshHost:
        return SshHost(name=self.name, address=self.address, user=user, host_key=self.key, keys=(self.identity,))

    def start(self) -> None:
        """Returns when it has booted and answers SSH."""
        if not self._directory.exists():
            self._make_disk()
        options = [f"lowerdir={image(self.system)}", f"upperdir={self._directory / 'upper'}", f"workdir={self._directory / 'work'}"]
        _command("mount", "-t", "overlay", "overlay", "-o", ",".join(options), str(self._directory / "root"))
        namespace = self._network.connect(self.number)
        disks = [f"--bind={self._directory / name}:/var/lib/{name}" for name in ("docker", "containerd")]
        words = ["sh", str(_BOOT), self.name, str(self._directory), str(namespace), self._cgroup, *disks]
        log = (self._directory / "log").open("ab")
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.until(self._is_up, within=_BOOT_WITHIN)

    def kill(self) -> None:
        """Pull the plug: process 1 dies, and the kernel ends the rest; what was not written to the disk is lost."""
        if self._process is not None:
            for process in self._processes():
                process.kill()
            self._process.wait()
            self._process = None
            self.until(lambda: not self._has_tenants(), within=20)
        if (self._directory / "root").is_mount():
            _command("umount", str(self._directory / "root"))
        self._network.disconnect(self.number)
        _remove_groups(self._cgroup)

    def reset(self) -> None:
        """As if it had never been: a new disk and a new key at the next start."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def cut(self) -> None:
        self._network.cut(self.number)

    def mend(self) -> None:
        self._network.mend(self.number)

    def freeze(self) -> None:
        init = self._init()
        init.suspend()
        while running := [
            each for each in init.children(recursive=True) if each.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
        ]:
            for each in running:
                each.suspend()

    def thaw(self) -> None:
        init = self._init()
        for each in (*init.children(recursive=True), init):
            each.resume()

    def give_cpu(self, share: float | None) -> None:
        """Of one core. Source: sched-bwc in the kernel's documentation, and cgroup-v2."""
        period = 100_000  # microseconds
        quota = None if share is None else int(share * period)
        groups = [hierarchy / self._cgroup for hierarchy in _hierarchies()]
        limits = {"cpu.cfs_quota_us": f"{quota or -1}", "cpu.max": f"{quota or 'max'} {period}"}
        found = [(group / name, text) for group in groups for name, text in limits.items() if (group / name).exists()]
        assert found, "this kernel gives no group a share of the time"
        for path, text in found:
            path.write_text(text)

    def run(self, *argv: str, stdin: bytes = b"", within: float = 60.0) -> subprocess.CompletedProcess[bytes]:
        """As root, from outside: over no network, and whatever state it is in."""
        words = ["nsenter", "--all", "--target", str(self._init().pid), *argv]
        return subprocess.run(words, input=stdin, capture_output=True, timeout=within)

    def says(self, *argv: str, stdin: bytes = b"") -> str:
        """What a command prints; it has to end well."""
        done = self.run(*argv, stdin=stdin)
        assert done.returncode == 0, f"{self.name}: {argv} ended with {done.returncode}: {done.stderr.decode()}"
        return done.stdout.decode()

    def start_docker(self) -> None:
        self.says("systemctl", "start", "docker.service")

    def path(self, path: str) -> Path:
        """A file of the host's, as this machine sees it."""
        return Path(f"/proc/{self._init().pid}/root") / path.lstrip("/")

    def until(self, condition: Callable[[], bool], *, within: float) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"{self.name}: not within {within:g} s; it said: {self._said()}"
            time.sleep(0.05)

    @property
    def _cgroup(self) -> str:
        return f"mooring-fleet-{self._network.number}/{self.name}"

    def _make_disk(self) -> None:
        for name in ("root", "work", "upper/etc/ssh", "docker", "containerd"):
            (self._directory / name).mkdir(parents=True)
        etc = self._directory / "upper/etc"
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        (etc / "machine-id").write_text(f"{os.urandom(16).hex()}\n")
        _command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(etc / "ssh/ssh_host_ed25519_key"))
        public = self.identity.with_suffix(".pub").read_text()
        for home, owner in (("root", 0), (f"home/{USER}", 1000)):
            folder = self._directory / "upper" / home
            (folder / ".ssh").mkdir(parents=True)
            (folder / ".ssh/authorized_keys").write_text(public)
            for path, mode in ((folder, 0o700), (folder / ".ssh", 0o700), (folder / ".ssh/authorized_keys", 0o600)):
                path.chmod(mode)
                os.chown(path, owner, owner)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended: {self._said()}"
        return self._has_booted() and self._answers()

    def _answers(self) -> bool:
        """Asked seldom: sshd sends away for a while who comes and goes without a login. Source: sshd_config(5), PerSourcePenalties."""
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                connection.settimeout(1)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _has_booted(self) -> bool:
        try:
            state = self.run("systemctl", "is-system-running").stdout.strip()
        except (psutil.Error, IndexError):
            return False
        return state in (b"running", b"degraded")

    def _processes(self) -> list[psutil.Process]:
        """What holds the host, its process 1 first."""
        assert self._process is not None
        boot = psutil.Process(self._process.pid)
        nspawn = boot.children()
        return [init for each in nspawn for init in each.children()] + nspawn + [boot]

    def _init(self) -> psutil.Process:
        return self._processes()[0]

    def _has_tenants(self) -> bool:
        """Whether a process of the host is left."""
        return any((hierarchy / self._cgroup).exists() and _has_processes(hierarchy / self._cgroup) for hierarchy in _hierarchies())

    def _said(self) -> str:
        return (self._directory / "log").read_text(errors="replace")[-2000:]


class Fleet:
    """Its hosts' disks lie beside the image; they go with `stop`."""

    def __init__(self) -> None:
        assert not missing(), missing()
        self.network = Network()
        self._directory = cache() / f"fleet-{self.network.number}"
        _remove_disks(self._directory)
        self._directory.mkdir(parents=True)
        self._identity = self._directory / "id"
        _command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._identity))
        self.hosts: tuple[Host, ...] = ()

    def start(self, count: int, *, system: str = USUAL) -> tuple[Host, ...]:
        image(system)
        numbers = range(len(self.hosts) + 1, len(self.hosts) + count + 1)
        new = tuple(
            Host(number, system=system, network=self.network, directory=self._directory / f"host{number}", identity=self._identity)
            for number in numbers
        )
        self.hosts += new
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(Host.start, new))
        return new

    def stop(self) -> None:
        for host in self.hosts:
            host.reset()
        self.hosts = ()
        self.network.remove()
        _remove_disks(self._directory)
        _remove_groups(f"mooring-fleet-{self.network.number}")


def _remove_disks(directory: Path) -> None:
    """Also what a fleet that was killed has left mounted, and running on it."""
    for process in psutil.process_iter(["cmdline"]):
        if f"--directory={directory}/" in " ".join(process.info["cmdline"] or ()):
            for each in (*process.children(), process):
                each.kill()
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1].startswith(f"{directory}/"):
            _command("umount", "-l", line.split()[1])
    shutil.rmtree(directory, ignore_errors=True)


def _remove_groups(name: str) -> None:
    for hierarchy in _hierarchies():
        for folder, *_ in os.walk(hierarchy / name, topdown=False):
            Path(folder).rmdir()


def _hierarchies() -> list[Path]:
    """Where control groups are kept: one place, or one for each controller."""
    rows = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2") and row[1].startswith("/sys/fs/cgroup")]


def _has_processes(group: Path) -> bool:
    return any((Path(folder) / "cgroup.procs").read_text() for folder, *_ in os.walk(group))


def _command(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
