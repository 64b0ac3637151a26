"""All that is sealed in the database: where it lies, with which keys, and how all of it is sealed anew. Must not: show a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, Row, Table, and_, func, select, update

from mooring.store import schema
from mooring.store.cipher import Place, seal, unseal
from mooring.store.keys import Key, KeyRing, new_key, read_ring

SealedRow = Row[tuple[object, ...]]


def place_of_variable(row: SealedRow) -> Place:
    return Place(environment=row.environment, version=row.version, name=row.name, kind=row.kind)


def place_of_password(row: SealedRow) -> Place:
    return registry_place(row.host)


def registry_place(host: str) -> Place:
    return Place(environment="", version=0, name=host, kind="registry")


def place_of_forge(row: SealedRow) -> Place:
    return forge_place(row.app)


def forge_place(app: str) -> Place:
    return Place(environment="", version=0, name=app, kind="forge")


def place_of_address(row: SealedRow) -> Place:
    return server_place(row.name)


def server_place(name: str) -> Place:
    return Place(environment="", version=0, name=name, kind="server")


def place_of_logins(row: SealedRow) -> Place:
    return service_place(row.environment, row.name)


def service_place(environment: str, name: str) -> Place:
    return Place(environment=environment, version=0, name=name, kind="service")


_SEALED: tuple[tuple[Table, Callable[[SealedRow], Place]], ...] = (
    (schema.config_values, place_of_variable),
    (schema.registries, place_of_password),
    (schema.forges, place_of_forge),
    (schema.service_servers, place_of_address),
    (schema.services, place_of_logins),
)
"""Tables with the columns `key` and `sealed`, and where a value of each belongs."""


def key_to_seal_with(connection: Connection, key_file: Path) -> Key:
    return ring(connection, key_file).active


def ring(connection: Connection, key_file: Path) -> KeyRing:
    """The keys there are; a first one is made only where nothing was ever sealed and no file lies there."""
    if not key_file.exists() and not keys_in_use(connection):
        KeyRing((new_key(),), where=key_file).save()
    return read_ring(key_file)


def keys_in_use(connection: Connection) -> frozenset[str]:
    return frozenset(key for table, _ in _SEALED for key in connection.scalars(select(table.c.key).distinct()))


def sealed_count(connection: Connection) -> int:
    return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table, _ in _SEALED)


def seal_all_anew(connection: Connection, *, old: KeyRing, new: Key) -> None:
    """Raises StateDamaged."""
    for table, place, row in _rows(connection):
        text = unseal(row.sealed, key=old.find(row.key), place=place)
        mine = and_(*(column == getattr(row, column.name) for column in table.primary_key))
        connection.execute(update(table).where(mine).values(key=new.id, sealed=seal(text, key=new, place=place)))


def _rows(connection: Connection) -> Iterator[tuple[Table, Place, SealedRow]]:
    for table, place_of in _SEALED:
        for row in connection.execute(select(table)).all():
            yield table, place_of(row), row
