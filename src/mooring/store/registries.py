"""Registries that want to know who asks, each with its sealed password. Must not: show one, or reach a registry."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from mooring.model.registry import Registry, RegistryLogin
from mooring.model.secret import Secret
from mooring.store import schema
from mooring.store.cipher import seal, unseal
from mooring.store.keys import read_ring
from mooring.store.sealing import key_to_seal_with, registry_place
from mooring.store.shelf import Shelf, decode, encode

_table = schema.registries


class RegistryShelf(Shelf):
    def registries(self) -> tuple[Registry, ...]:
        """By host."""
        with self._database.read() as connection:
            return tuple(decode(record, Registry) for record in connection.scalars(select(_table.c.record).order_by(_table.c.host)))

    def registry_logins(self) -> tuple[RegistryLogin, ...]:
        """By host. Raises StateDamaged."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).order_by(_table.c.host)).all()
            ring = read_ring(self._key_file) if rows else None
        return tuple(
            RegistryLogin(
                registry=decode(row.record, Registry),
                password=Secret(unseal(row.sealed, key=ring.find(row.key), place=registry_place(row.host))),
            )
            for row in rows
            if ring is not None
        )

    def save_registry(self, registry: Registry, password: Secret) -> None:
        """In the place of what was known of it. Raises InvalidInput, StateDamaged."""
        with self._database.write() as connection:
            key = key_to_seal_with(connection, self._key_file)
            sealed = seal(password.reveal(), key=key, place=registry_place(registry.host))
            row = insert(_table).values(host=registry.host, record=encode(registry), key=key.id, sealed=sealed)
            new = {name: getattr(row.excluded, name) for name in ("record", "key", "sealed")}
            connection.execute(row.on_conflict_do_update(index_elements=["host"], set_=new))

    def forget_registry(self, host: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_table).where(_table.c.host == host))
