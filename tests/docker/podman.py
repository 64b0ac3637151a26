"""A real Podman of the tests' own: its service with its state in a temporary directory and a network of its own, ended afterwards.

The network is a namespace, so that what Podman adds to the rules of the kernel goes with it. Needs root, and Debian's podman, catatonit
(the init of its containers), iptables and iproute2.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from docker.engine import ContainerEngine, absent_of, environment, execute

NEEDED = ("podman", "catatonit", "runc", "iptables", "ip", "nsenter", "busybox")


def missing() -> str:
    """What keeps Podman from being started here; empty when nothing does."""
    return absent_of(NEEDED, packages="podman catatonit runc iptables iproute2 util-linux busybox-static")


class PodmanEngine(ContainerEngine):
    """As `podman system service` of root serves it, with what Debian's package sets. Containers are reached at `address`."""

    kept_in = "overlay-containers"

    def __init__(self, directory: Path, *, name: str, network: str) -> None:
        """`name` of a network namespace and of the link to it, `network` the first three numbers of its addresses."""
        super().__init__(directory)
        self.address = f"{network}.2"
        self._name = name
        self._network = network

    @contextlib.contextmanager
    def occupied(self, port: int) -> Iterator[None]:
        """By a program in that network."""
        listen = f"import socket; s = socket.create_server(('{self.address}', {port})); print('listens', flush=True); s.accept()"
        argv = ["nsenter", f"--net=/run/netns/{self._name}", sys.executable, "-c", listen]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment()) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"listens\n"
            try:
                yield
            finally:
                other.kill()

    def _until_now(self) -> dict[str, object]:
        return {"stream": "false"}

    def pids(self, container: str) -> list[int]:
        """Unlike Docker it has to be asked for them by a word of its own."""
        return [int(row[0]) for row in self.ask("GET", f"/containers/{container}/top?stream=false&ps_args=hpid")["Processes"]]

    def _make_network(self) -> None:
        execute("ip", "netns", "add", self._name)
        execute("ip", "link", "add", self._name, "type", "veth", "peer", "name", "out", "netns", self._name)
        execute("ip", "address", "add", f"{self._network}.1/24", "dev", self._name)
        execute("ip", "link", "set", self._name, "up")
        for words in ("address add {} dev out", "link set out up", "link set lo up"):
            execute("ip", "-n", self._name, *words.format(f"{self.address}/24").split())

    def _launch(self) -> None:
        """Root may be held to fewer files and processes than Podman gives to containers unasked."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1], int(Path("/proc/sys/kernel/pid_max").read_text()))
        limits = f'"nofile={files}:{files}", "nproc={processes}:{processes}"'
        (self.directory / "containers.conf").write_text(f'[containers]\ndefault_ulimits = [{limits}]\n[engine]\nevents_logger = "file"\n')
        super()._launch()

    def _argv(self) -> tuple[str, ...]:
        place = self.directory.absolute()
        return (
            "env", f"CONTAINERS_CONF={place}/containers.conf", "nsenter", f"--net=/run/netns/{self._name}",
            "podman", "--root", f"{place}/data", "--runroot", f"{place}/run", "--tmpdir", f"{place}/tmp",
            "--network-config-dir", f"{place}/networks", "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--storage-driver", "overlay",
            "system", "service", "--time", "0", f"unix://{self.socket}",
        )  # fmt: skip

    def _remove_network(self) -> None:
        subprocess.run(["ip", "netns", "delete", self._name], check=False, env=environment())
