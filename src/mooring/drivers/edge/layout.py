"""Where every edge keeps what it is made of, whichever proxy it is: tables, certificates, the access log. Must not: write a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId

SOCKET_PATH_LIMIT = 107  # bytes of a Unix socket's path; source: unix(7)


class EdgeLayout(msgspec.Struct, frozen=True):
    """`directory` holds what must last, `run_directory` the sockets (its path must be short)."""

    directory: Path
    run_directory: Path

    @property
    def tables(self) -> Path:
        return self.directory / "tables"

    @property
    def waited_for(self) -> Path:
        """A file for each environment for which a request waits, by its slug: made by who holds it, taken by who looks."""
        return self.directory / "waited-for"

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def authority(self) -> Path:
        return self.directory / "authority"

    @property
    def access_log(self) -> Path:
        return self.directory / "log" / "access.log"

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Those that the proxy and its helpers make."""
        return ()

    def table(self, environment: EnvironmentId) -> Path:
        return self.tables / f"{environment.slug}.json"

    def certificate(self, hostname: str) -> Path:
        """Chain and key in one file, so that they are never of different ages."""
        return self.certificates / f"{hostname.replace('*', '_')}.pem"

    def check(self) -> None:
        """Raises InvalidInput when a socket's path would not fit."""
        for socket in self.sockets:
            if len(bytes(socket)) > SOCKET_PATH_LIMIT:
                raise InvalidInput(
                    f"the path {socket} is longer than the {SOCKET_PATH_LIMIT} bytes that a socket's path may have",
                    hint="choose a shorter directory for the state",
                )
