"""Servers of data services, and what environments own of them: records, and apart from them, sealed, addresses and passwords.

Must not: reach a server, or show a password.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects.sqlite import insert

from mooring.model.environment import EnvironmentId
from mooring.model.names import ServerName, ServiceName
from mooring.model.secret import Secret
from mooring.model.service import Passwords, ServiceRecord, ServiceServer
from mooring.store import schema
from mooring.store.cipher import Place, seal, unseal
from mooring.store.keys import read_ring
from mooring.store.sealing import SealedRow, key_to_seal_with, server_place, service_place
from mooring.store.shelf import Shelf, decode, encode

_servers = schema.service_servers
_services = schema.services


class ServiceShelf(Shelf):
    def service_servers(self) -> tuple[ServiceServer, ...]:
        """By name."""
        with self._database.read() as connection:
            return tuple(
                decode(record, ServiceServer) for record in connection.scalars(select(_servers.c.record).order_by(_servers.c.name))
            )

    def service_address(self, name: ServerName) -> Secret | None:
        """None without such a server. Raises StateDamaged."""
        with self._database.read() as connection:
            row = connection.execute(select(_servers).where(_servers.c.name == name)).first()
            return Secret(self._opened(row, server_place(name))) if row else None

    def save_service_server(self, server: ServiceServer, address: Secret) -> None:
        with self._database.write() as connection:
            self._put(connection, _servers, server_place(server.name), address.reveal(), name=server.name, record=encode(server))

    def forget_service_server(self, name: ServerName) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_servers).where(_servers.c.name == name))

    def services(self, environment: EnvironmentId | None = None) -> tuple[ServiceRecord, ...]:
        """Of one environment, or of all; by environment and name."""
        found = select(_services.c.record).order_by(_services.c.environment, _services.c.name)
        if environment is not None:
            found = found.where(_services.c.environment == str(environment))
        with self._database.read() as connection:
            return tuple(decode(record, ServiceRecord) for record in connection.scalars(found))

    def service_passwords(self, environment: EnvironmentId, name: ServiceName) -> Passwords:
        """By login; empty without such a service. Raises StateDamaged."""
        mine = (_services.c.environment == str(environment)) & (_services.c.name == name)
        with self._database.read() as connection:
            row = connection.execute(select(_services).where(mine)).first()
            if row is None:
                return {}
            passwords = decode(self._opened(row, service_place(str(environment), name)), dict[str, str])
        return {login: Secret(password) for login, password in passwords.items()}

    def save_service(self, record: ServiceRecord, passwords: Passwords) -> None:
        """In the place of what was known of it."""
        environment, name = str(record.piece.environment), record.piece.service
        text = msgspec.json.encode({login: password.reveal() for login, password in passwords.items()}).decode()
        with self._database.write() as connection:
            place = service_place(environment, name)
            self._put(connection, _services, place, text, environment=environment, name=name, record=encode(record))

    def forget_service(self, environment: EnvironmentId, name: ServiceName) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_services).where((_services.c.environment == str(environment)) & (_services.c.name == name)))

    def _put(self, connection: Connection, table: Table, place: Place, text: str, **columns: str) -> None:
        key = key_to_seal_with(connection, self._key_file)
        row = insert(table).values(**columns, key=key.id, sealed=seal(text, key=key, place=place))
        changed = {name: row.excluded[name] for name in ("record", "key", "sealed")}
        connection.execute(row.on_conflict_do_update(index_elements=[*table.primary_key.columns], set_=changed))

    def _opened(self, row: SealedRow, place: Place) -> str:
        return unseal(row.sealed, key=read_ring(self._key_file).find(row.key), place=place)
