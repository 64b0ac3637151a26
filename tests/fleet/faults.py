"""What befalls a host of the fleet, and when: a wrong clock, a small disk, the moment in a deployment. Must not: judge."""

from __future__ import annotations

import json
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from e2e.journal import Journal
from e2e.platform import App, Platform, eventually
from e2e.test_clock import compiled
from fleet.rig import Host

from mooring.store.directory import DATABASE

_CLOCK = "/etc/clock"
_ROOMY = "300M"
_STATE = "/var/lib/mooring"
MOMENT = Callable[[str, list[dict]], bool]
"""Whether it has come: of a deployment's phase, and the steps that were begun so far."""


def set_clock(host: Host, *, ahead: int) -> None:
    """By so many seconds, for every program that begins from now on, and for the journal of its systemd."""
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "clock.so"
        compiled(library, f'-DCLOCK="{_CLOCK}"')
        files = {_CLOCK: struct.pack("l", ahead), f"{_CLOCK}.so": library.read_bytes(), "/etc/ld.so.preload": f"{_CLOCK}.so\n".encode()}
    for path, content in files.items():
        host.says("install", "-m", "644", "/dev/stdin", path, stdin=content)
    host.says("systemctl", "restart", "systemd-journald.service", "ssh.service")


def fill_disk(host: Host) -> None:
    """What Mooring keeps there lies on a file system of its own from now on, with 1 MB left. It is in memory: lost with the power."""
    host.says("sh", "-c", _ON_A_SMALL_DISK, "sh", _STATE)


def empty_disk(host: Host) -> None:
    """Somebody made room on it."""
    host.says("mount", "-o", f"remount,size={_ROOMY}", _STATE)


_ON_A_SMALL_DISK = """
set -e
mkdir /run/small
mount -t tmpfs -o mode=755 tmpfs /run/small
cp -a "$1/." /run/small
mount -o "remount,size=$(($(du -sk /run/small | cut -f1) + 1024))k" /run/small
mount --bind /run/small "$1"
umount /run/small
"""


class Deployments:
    """Of one app, watched in the journal while they go on."""

    def __init__(self, platform: Platform) -> None:
        self.journal = Journal(platform)
        self._database = sqlite3.connect(f"file:{platform.state / DATABASE}?mode=ro", uri=True, isolation_level=None)

    def begun(self, app: App, *, until: MOMENT) -> tuple[subprocess.Popen[str], str]:
        """A deployment of what was committed last that has come to this moment, or to its end: its client and its id."""
        before = self.journal.newest()
        following = app.platform.start("deploy", cwd=app.path)
        deployment = eventually(lambda: (found := self.journal.newest()) != before and found, within=60, every=0.005)
        deadline = time.monotonic() + 120
        while self.journal.outcome(deployment) is None and not until(self._phase(deployment), self._steps(deployment)):
            assert time.monotonic() < deadline, "the moment does not come"
            time.sleep(0.001)
        return following, deployment

    def _phase(self, deployment: str) -> str:
        row = self._database.execute("SELECT record FROM deployments WHERE id = ?", (deployment,)).fetchone()
        return str(json.loads(row[0])["phase"])

    def _steps(self, deployment: str) -> list[dict]:
        rows = self._database.execute("SELECT step FROM journal WHERE deployment = ? ORDER BY sequence", (deployment,))
        return [json.loads(row[0]) for row in rows]


def is_switching(_: str, steps: list[dict]) -> bool:
    return any(step["type"] == "set-routes" and step["is_switch"] for step in steps)


def is_preparing(phase: str, steps: list[dict]) -> bool:
    return phase == "prepare" and any(step["type"] == "start-instance" for step in steps)


def is_watched(phase: str, _: list[dict]) -> bool:
    return phase == "watch"
