"""The root file systems of the hosts, each made once by mmdebstrap, and kept in a cache: Debian's from the mirror that this machine uses,
Ubuntu's from its own archive, by the keys in a package that is pinned here.

Must not: change one that is made; another recipe is another image.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_EVERYWHERE = (
    *("systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "openssh-server", "sudo", "iproute2", "procps"),
    *("ca-certificates", "python3", "iptables", "nftables", "docker.io", "haproxy"),
)
USER = "deploy"
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
_NEVER_STARTED = (  # a host boots what a test needs
    *("systemd-timesyncd.service", "systemd-modules-load.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "console-getty.service"),
    "systemd-networkd-wait-online.service",
)
_STARTED_ON_REQUEST = ("docker.service", "docker.socket", "containerd.service", "haproxy.service")
_FILES = {
    "etc/sudoers.d/deploy": f"{USER} ALL=(ALL) NOPASSWD:ALL\n",
    "etc/systemd/journald.conf.d/fleet.conf": "[Journal]\nStorage=persistent\n",
    "etc/ssh/sshd_config.d/fleet.conf": "UseDNS no\nPasswordAuthentication no\nHostKey /etc/ssh/ssh_host_ed25519_key\n",
    "etc/docker/daemon.json": '{"log-driver": "json-file", "shutdown-timeout": 3}\n',
    "etc/machine-id": "",
    # PID 1 for a moment: systemd-nspawn mounts the controllers of version 1 so that MemoryMax= and TasksMax= could not be set
    ".boot": '#!/bin/sh\nfor each in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$each" 2>/dev/null; done\nexec /lib/systemd/systemd\n',
}


class System(NamedTuple):
    suite: str
    packages: tuple[str, ...] = _EVERYWHERE
    is_ubuntu: bool = False


SYSTEMS = {
    "debian 13": System("trixie", (*_EVERYWHERE, "docker-cli", "docker-buildx")),
    "debian 12": System("bookworm"),
    "ubuntu 22.04": System("jammy", is_ubuntu=True),
    "ubuntu 24.04": System("noble", is_ubuntu=True),
}
USUAL = "debian 13"
_UBUNTU = "http://archive.ubuntu.com/ubuntu"
_KEYS = f"{_UBUNTU}/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
_KEYS_DIGEST = "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8"  # sha256


def cache() -> Path:
    """Outside every checkout: MOORING_FLEET_CACHE, or a folder of the account's cache."""
    named = os.environ.get("MOORING_FLEET_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mooring-fleet"


def image(name: str = USUAL) -> Path:
    """The directory of a system's, made now if it is missing: about a minute, 600 MB."""
    system = SYSTEMS[name]
    recipe = hashlib.sha256(repr((system, sorted(_FILES.items()), _NEVER_STARTED, _LEFT_OUT)).encode()).hexdigest()[:12]
    done = cache() / f"{system.suite}-{recipe}"
    with _locked(cache()):
        if not done.exists():
            beside = done.with_name(f"{done.name}.partial")
            shutil.rmtree(beside, ignore_errors=True)
            _make(beside, system)
            beside.rename(done)
    return done


def _make(root: Path, system: System) -> None:
    words = ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", "--dpkgopt=force-unsafe-io"]
    words += [f"--include={','.join(system.packages)}", *(f"--dpkgopt=path-exclude={each}" for each in _LEFT_OUT)]
    if system.is_ubuntu:
        words += [f"--keyring={_ubuntu_keys()}", "--components=main,universe"]
    _run(*words, system.suite, str(root), _UBUNTU if system.is_ubuntu else _mirror())
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


def _ubuntu_keys() -> Path:
    """The keys of Ubuntu's archive, of which no package of Debian 12 knows."""
    place = cache() / f"ubuntu-keys-{_KEYS_DIGEST[:12]}"
    if not place.exists():
        with urllib.request.urlopen(_KEYS, timeout=60) as answer:
            content = answer.read(1_000_000)
        assert hashlib.sha256(content).hexdigest() == _KEYS_DIGEST, f"{_KEYS} is not what it was"
        package = place.with_suffix(".deb")
        package.write_bytes(content)
        _run("dpkg-deb", "-x", str(package), str(place))
    return place / "usr/share/keyrings/ubuntu-archive-keyring.gpg"


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
