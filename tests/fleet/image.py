"""The root file system of the hosts, made once by mmdebstrap from the Debian mirror that this machine uses, and kept in a cache.

Must not: change one that is made; another recipe is another image.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUITE = "trixie"
PACKAGES = (
    *("systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "openssh-server", "sudo", "iproute2", "procps"),
    *("ca-certificates", "python3", "iptables", "docker.io", "docker-cli", "docker-buildx"),
)
USER = "deploy"
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
_NEVER_STARTED = (  # a host boots what a test needs
    *("systemd-timesyncd.service", "systemd-modules-load.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "console-getty.service"),
    "systemd-networkd-wait-online.service",
)
_STARTED_ON_REQUEST = ("docker.service", "docker.socket", "containerd.service")
_FILES = {
    "etc/sudoers.d/deploy": f"{USER} ALL=(ALL) NOPASSWD:ALL\n",
    "etc/systemd/journald.conf.d/fleet.conf": "[Journal]\nStorage=persistent\n",
    "etc/ssh/sshd_config.d/fleet.conf": "UseDNS no\nPasswordAuthentication no\nHostKey /etc/ssh/ssh_host_ed25519_key\n",
    "etc/docker/daemon.json": '{"log-driver": "json-file", "shutdown-timeout": 3}\n',
    "etc/machine-id": "",
    # PID 1 for a moment: systemd-nspawn mounts the controllers of version 1 so that MemoryMax= and TasksMax= could not be set
    ".boot": '#!/bin/sh\nfor each in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$each" 2>/dev/null; done\nexec /lib/systemd/systemd\n',
}


def cache() -> Path:
    """Outside every checkout: MOORING_FLEET_CACHE, or a folder of the account's cache."""
    named = os.environ.get("MOORING_FLEET_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mooring-fleet"


def image() -> Path:
    """Its directory, made now if it is missing: about a minute, 600 MB."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    done = cache() / f"{SUITE}-{recipe}"
    with _locked(cache()):
        if not done.exists():
            beside = done.with_name(f"{done.name}.partial")
            shutil.rmtree(beside, ignore_errors=True)
            _make(beside)
            beside.rename(done)
    return done


def _make(root: Path) -> None:
    words = ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", "--dpkgopt=force-unsafe-io", f"--include={','.join(PACKAGES)}"]
    _run(*words, *(f"--dpkgopt=path-exclude={each}" for each in _LEFT_OUT), SUITE, str(root), _mirror())
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # each host has its own
    _run("chroot", str(root), "useradd", "-m", "-s", "/bin/bash", "-G", "sudo,adm,systemd-journal,docker", USER)
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / ".boot").chmod(0o755)
    for unit in _STARTED_ON_REQUEST:
        _run("chroot", str(root), "systemctl", "--quiet", "disable", unit)
    for unit in _NEVER_STARTED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for name in ("etc/resolv.conf", "etc/hostname"):
        (root / name).unlink(missing_ok=True)


def _mirror() -> str:
    """The one that this machine uses, when it is a Debian."""
    for source in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        if found := re.search(r"^URIs:\s*(\S+)", source.read_text(), re.MULTILINE):
            return found[1]
    return "http://deb.debian.org/debian"


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
