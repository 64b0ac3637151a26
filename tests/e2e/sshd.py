"""A real sshd on a free port of this machine, for one account: the one who runs the tests. Must not: touch that account's own ssh files."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Sshd:
    """`programs` holds an `ssh` that reads this test's configuration instead of the account's own; put it first in PATH."""

    def __init__(self, directory: Path) -> None:
        assert SSHD, "these tests need OpenSSH's server: apt-get install openssh-server"
        self.directory = directory
        self.programs = directory / "programs"
        self.known_hosts = directory / "known_hosts"
        self.port = _free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self._process: subprocess.Popen[bytes] | None = None
        self.make_key("host_key")
        shutil.copy(f"{self.make_key('id')}.pub", directory / "authorized_keys")
        self._configure_client()

    def make_key(self, name: str) -> Path:
        self._make("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.directory / name))
        return self.directory / name

    def start(self, *, host_key: str = "host_key") -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self.directory / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.directory / host_key}\nPidFile none\n"
            f"AuthorizedKeysFile {self.directory / 'authorized_keys'}\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPermitUserEnvironment no\nPrintMotd no\n"
            "Subsystem sftp internal-sftp\n"
        )
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=(self.directory / "log").open("ab"))
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((self.directory / "log").read_text())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def trust(self) -> None:
        """As if a person had compared the host's key."""
        kind, key, *_ = (self.directory / "host_key.pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def _configure_client(self) -> None:
        config = self.directory / "ssh_config"
        config.write_text(f"UserKnownHostsFile {self.known_hosts}\nIdentityFile {self.directory / 'id'}\nIdentitiesOnly yes\n")
        self.programs.mkdir()
        program = self.programs / "ssh"
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
        program.chmod(0o755)

    def _make(self, *words: str) -> None:
        subprocess.run(words, check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
