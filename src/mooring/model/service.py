"""Data services: what an app asks for, the server it comes from, and the piece of it that an environment owns.

Must not: hold a secret; passwords are handed about beside the records.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.names import EnvironmentName, ServerName, ServiceName, VariableName
from mooring.model.secret import Secret

Passwords = Mapping[str, Secret]
"""Of the logins of one piece, by their names."""


class ServiceKind(enum.Enum):
    """What a service is: one driver each."""

    POSTGRES = "postgres"
    MYSQL = "mysql"
    REDIS = "redis"
    SQLITE = "sqlite"
    BUCKET = "bucket"


PREFIXES = {**dict.fromkeys(ServiceKind, "DATABASE"), ServiceKind.REDIS: "REDIS", ServiceKind.BUCKET: "S3"}
"""What the names of a service's variables begin with, where the app says nothing else."""

VARIABLES: dict[ServiceKind, tuple[str, ...]] = {
    **dict.fromkeys(ServiceKind, ("URL",)),
    ServiceKind.REDIS: ("URL", "PREFIX"),
    ServiceKind.BUCKET: ("URL", "BUCKET", "PREFIX", "ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"),
}
"""What stands behind the prefix: `DATABASE_URL`, `REDIS_PREFIX`."""

MADE_OF: dict[ServiceKind, tuple[str, ...]] = {
    ServiceKind.POSTGRES: ("database", "role"),
    ServiceKind.MYSQL: ("database", "login"),
    ServiceKind.REDIS: ("prefix", "login"),
    ServiceKind.SQLITE: ("directory",),
    ServiceKind.BUCKET: ("prefix", "login"),
}
"""What of a piece is on its server, in the words of `Owned.what`."""

FILES = frozenset({ServiceKind.SQLITE})
"""What is a file on the controller's machine: it is there for what runs there, and has no password."""


class ServiceWish(msgspec.Struct, frozen=True, kw_only=True):
    """What an app asks for. `server` empty: the only one of that kind there is. `prefix`: `DATABASE` for `DATABASE_URL`.

    `source`: the environment of the same app whose service it begins as a copy of; `mask` is SQL that is run in the copy first,
    `mask_command` a command of the release's that is run after it. Nobody is given the copy before both have succeeded.
    """

    name: ServiceName
    kind: ServiceKind
    prefix: str
    server: str = ""
    source: EnvironmentName | None = None
    mask: str = ""
    mask_command: str = ""

    @property
    def variables(self) -> tuple[VariableName, ...]:
        """The names under which the app finds it."""
        return tuple(VariableName(f"{self.prefix}_{suffix}") for suffix in VARIABLES[self.kind])


class ServiceServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that pieces are made on. Its address is a secret, kept apart; `place` is what of it may be shown. `accessory`: the one that
    it is, of an environment here; None: it is somebody else's.
    """

    name: ServerName
    kind: ServiceKind
    place: str = ""
    version: str = ""
    added_at: float = 0.0
    accessory: EnvironmentId | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is on the controller's own machine, as far as its place says."""
        return self.place.startswith(("/", "127.", "localhost:", "[::1]:", "::1:"))


class Piece(msgspec.Struct, frozen=True):
    """What an environment owns of a server: `controller` tells apart those of two platforms on one server."""

    controller: str
    environment: EnvironmentId
    service: ServiceName

    @property
    def identity(self) -> str:
        """What it is called there, the same each time: at most 27 characters a-z, 0-9 and _, so that a login of it has no more than 32."""
        digest = hashlib.sha256("\0".join([self.controller, str(self.environment), self.service]).encode()).hexdigest()[:12]
        words = "_".join([self.environment.app, self.environment.environment, self.service]).replace("-", "_")
        return f"m_{words[:12].rstrip('_')}_{digest}"


class ServiceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One piece as it is remembered; the credentials are kept apart. `login`: whose password the app is given from now on.

    Not `is_ready`: it was begun, and how far it came only the server knows. `mask_task`: the run of the command that masks this copy, on
    record from before there is one until the command has succeeded; what is in it nobody else may see.
    """

    piece: Piece
    kind: ServiceKind
    server: ServerName
    login: str
    is_ready: bool = False
    mask_task: str = ""
    created_at: float = 0.0


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """Something that carries Mooring's mark on a server: what it is (`database`, `prefix`, `role`, `login`), its name there, and whose
    the mark says it is."""

    what: str
    name: str
    piece: Piece


def login_of(piece: Piece, number: int) -> str:
    return f"{piece.identity}_{number}"
