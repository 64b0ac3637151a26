"""The part of the fake platform that knows data services and the servers they come from."""

from __future__ import annotations

from typing import IO

from mooring.errors import NotFound, Refused
from mooring.model.environment import EnvironmentId
from mooring.model.names import ServerName, ServiceName
from mooring.model.secret import Secret
from mooring.model.service import Piece, ServiceKind, ServiceRecord, ServiceServer, login_of
from mooring.usecases.answers import ServerStatus, ServiceStatus


def a_status(environment: EnvironmentId, name: str = "db", *, logins: int = 1, is_ready: bool = True) -> ServiceStatus:
    piece = Piece("c0ffee", environment, ServiceName(name))
    record = ServiceRecord(piece=piece, kind=ServiceKind.POSTGRES, server=ServerName("main"), login=login_of(piece, 1), is_ready=is_ready)
    return ServiceStatus(record=record, logins=logins, size=7_600_000)


class FakeServiceDesk:
    """`addresses` as they came, by server; `owned` by environment and name; `stored` what a dump of each holds."""

    def __init__(self) -> None:
        self.addresses: dict[str, Secret] = {}
        self.statuses: dict[str, ServerStatus] = {}
        self.owned: dict[tuple[EnvironmentId, str], ServiceStatus] = {}
        self.stored: dict[tuple[EnvironmentId, str], bytes] = {}

    def servers(self) -> tuple[ServerStatus, ...]:
        return tuple(self.statuses[name] for name in sorted(self.statuses))

    def add_server(
        self,
        name: str,
        kind: ServiceKind,
        address: Secret | None,
        *,
        accept_open: bool = False,
        accessory: EnvironmentId | None = None,
    ) -> ServerStatus:
        self.addresses[name] = address or Secret("")
        server = ServiceServer(name=ServerName(name), kind=kind, place="db.test:5432", version="15.18", accessory=accessory)
        self.statuses[name] = ServerStatus(server=server)
        return self.statuses[name]

    def remove_server(self, name: str) -> ServiceServer:
        if name not in self.statuses:
            raise NotFound(f"there is no server {name}")
        return self.statuses.pop(name).server

    def services(self, environment: EnvironmentId) -> tuple[ServiceStatus, ...]:
        return tuple(status for (owner, _), status in sorted(self.owned.items()) if owner == environment)

    def dump_service(self, environment: EnvironmentId, name: str, into: IO[bytes]) -> int:
        return into.write(self.stored[self._owned(environment, name)])

    def restore_service(self, environment: EnvironmentId, name: str, dump: IO[bytes]) -> None:
        self.stored[self._owned(environment, name)] = dump.read()

    def remove_service(self, environment: EnvironmentId, name: str, *, confirm: str) -> ServiceRecord:
        if confirm != f"{environment}/{name}":
            raise Refused(f"{confirm} is not {environment}/{name}")
        return self.owned.pop(self._owned(environment, name)).record

    def _owned(self, environment: EnvironmentId, name: str) -> tuple[EnvironmentId, str]:
        if (environment, name) not in self.owned:
            raise NotFound(f"{environment} has no service {name}")
        return environment, name
