"""Where everything of one platform lies: the state directory with what must last, and a short one for sockets. Must not: make anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mooring.client.location import controller_socket, run_directory, state_directory


@dataclass(frozen=True)
class Installation:
    """`state` is absolute. The memory's files lie in it directly; each part has a folder of its own."""

    state: Path

    @classmethod
    def here(cls) -> Installation:
        """As the environment says."""
        return cls(state_directory())

    @property
    def run(self) -> Path:
        return run_directory(self.state)

    @property
    def socket(self) -> Path:
        return controller_socket(self.state)

    @property
    def edge(self) -> Path:
        return self.state / "edge"

    @property
    def edges(self) -> Path:
        """What is kept for the edges of hosts, a folder each."""
        return self.state / "edges"

    @property
    def processes(self) -> Path:
        return self.state / "processes"

    @property
    def workshop(self) -> Path:
        return self.state / "workshop"

    @property
    def uploads(self) -> Path:
        return self.state / "uploads"

    @property
    def certificates(self) -> Path:
        return self.state / "certificates"

    @property
    def ssh(self) -> Path:
        return self.state / "ssh"

    @property
    def authorized_keys(self) -> Path:
        """Of the account that runs the platform: where sshd reads who may push."""
        return Path.home() / ".ssh" / "authorized_keys"

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What gives power over the platform, and all that it keeps: nothing of it is for a confined app."""
        return (self.state, self.run, self.authorized_keys.parent)

    @property
    def log(self) -> Path:
        return self.state / "log"
