"""The fleet's private network: a switch in a namespace of its own, a cable to this machine and one to each host. Nothing leaves it.

    this machine             namespace mooring-fleet-F        namespace mooring-fleet-F-N
    mfleetF 10.77.F.1/24 --- bridge ---------- cableN ------- eth0 10.77.F.(20+N)/24

The switch is a namespace of its own because a Docker Engine sets "FORWARD DROP" in its own, which also stops what is merely bridged.
"""

from __future__ import annotations

import fcntl
import subprocess
from io import TextIOWrapper
from pathlib import Path

_LOCKS = Path("/run/mooring-fleet")
_MOST = 250  # fleets at once on one machine


class Network:
    """Made with the object, for the first number whose last owner is gone; what that one left is removed first."""

    def __init__(self) -> None:
        self.number, self._lock = _free_number()
        self._switch = f"mooring-fleet-{self.number}"
        self._plug = f"mfleet{self.number}"
        self.remove()
        ip("netns", "add", self._switch)
        self._in_switch("link", "set", "lo", "up")
        self._in_switch("link", "add", "bridge", "type", "bridge")
        self._in_switch("link", "set", "bridge", "up")
        ip("link", "add", self._plug, "type", "veth", "peer", "name", "uplink", "netns", self._switch)
        self._in_switch("link", "set", "uplink", "master", "bridge", "up")
        ip("addr", "add", f"{self.gateway}/24", "dev", self._plug)
        ip("link", "set", self._plug, "up")

    @property
    def gateway(self) -> str:
        """This machine's own address in it."""
        return f"10.77.{self.number}.1"

    def address(self, host: int) -> str:
        return f"10.77.{self.number}.{20 + host}"

    def namespace(self, host: int) -> str:
        return f"{self._switch}-{host}"

    def connect(self, host: int) -> Path:
        """The host's network namespace, with its cable in."""
        name = self.namespace(host)
        path = Path("/run/netns") / name
        if path.exists():
            return path
        ip("netns", "add", name)
        ip("link", "add", f"cable{host}", "netns", self._switch, "type", "veth", "peer", "name", "eth0", "netns", name)
        # always the same: neighbours keep a stale address of a host that was made anew, and lose seconds of requests
        ip("-n", name, "link", "set", "eth0", "address", f"02:00:0a:4d:{self.number:02x}:{20 + host:02x}")
        self._in_switch("link", "set", f"cable{host}", "master", "bridge", "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        return path

    def disconnect(self, host: int) -> None:
        """The cable first: with its namespace it would go some time later, and the next one could not have its name."""
        if (Path("/run/netns") / self.namespace(host)).exists():
            self._in_switch("link", "del", f"cable{host}")
            ip("netns", "del", self.namespace(host))

    def cut(self, host: int) -> None:
        self._in_switch("link", "set", f"cable{host}", "down")

    def mend(self, host: int) -> None:
        self._in_switch("link", "set", f"cable{host}", "up")

    def remove(self) -> None:
        """All of it. The number stays ours until this program ends."""
        if (Path("/sys/class/net") / self._plug).exists():
            ip("link", "del", self._plug)
        for path in Path("/run/netns").glob(f"{self._switch}*"):
            if path.name == self._switch or path.name.startswith(f"{self._switch}-"):
                ip("netns", "del", path.name)

    def _in_switch(self, *words: str) -> None:
        ip("-n", self._switch, *words)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def _free_number() -> tuple[int, TextIOWrapper]:
    """A lock on it is held as long as the file is open; the kernel lets go of it when this program ends, however it does."""
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    for number in range(1, _MOST):
        file = (_LOCKS / f"{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return number, file
    raise AssertionError(f"there are {_MOST} fleets on this machine already")
