"""How the containers of one host are made, and where this driver keeps its few files there. Must not: connect."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import msgspec

from mooring.errors import InvalidInput
from mooring.model.host import DOCKER_SOCKET, INSTANCE_PORTS, HostRuntime

_NAME = re.compile(r"\A[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")


class DockerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`controller` is who owns the containers: two controllers of different names never see each other's on one engine.

    `socket` is the engine's, `directory` where the fencing numbers are kept, `secrets` a place in memory: all on the host. `bind` is
    the address that instances are published on. `user` is who an image runs as that names nobody, or root; empty leaves it root.
    `source` is the socket of the controller's own engine, from which images are sent; `spool` where an image lies on the way.
    """

    controller: str
    memory_budget: int
    socket: PurePosixPath = PurePosixPath(DOCKER_SOCKET)
    directory: PurePosixPath = PurePosixPath("/var/lib/mooring/docker")
    secrets: PurePosixPath = PurePosixPath("/run/mooring")
    bind: str = "127.0.0.1"
    ports: tuple[int, int] = INSTANCE_PORTS[HostRuntime.DOCKER]
    user: str = "65532:65532"  # as images without a shell have it
    processes: int = 4096  # at most, in one container
    processors: float = 0.0  # that the host has; 0: not known
    temporary_bytes: int = 256_000_000  # of /tmp, which is in memory and counts as the container's
    source: Path | None = None
    spool: Path = Path("/var/tmp")  # noqa: S108 - a file without a name is made there

    def __post_init__(self) -> None:
        if not _NAME.match(self.controller):
            raise InvalidInput(f"{self.controller!r} cannot name a controller", hint="use 1-40 of a-z, 0-9 and -")


def of_account(settings: DockerSettings, uid: int) -> DockerSettings:
    """For one that is not root: below its home directory, where its commands begin, and in the memory that systemd keeps for it."""
    kept, memory = PurePosixPath(".local/share/mooring/docker"), PurePosixPath(f"/run/user/{uid}/mooring")
    return msgspec.structs.replace(settings, directory=kept, secrets=memory)
