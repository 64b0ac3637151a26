"""Hosts that were added: what is known of each. Must not: reach one."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from mooring.model.host import Host
from mooring.model.names import HostId
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode

_table = schema.hosts


class HostShelf(Shelf):
    def hosts(self) -> tuple[Host, ...]:
        """By name."""
        with self._database.read() as connection:
            return tuple(decode(record, Host) for record in connection.scalars(select(_table.c.record).order_by(_table.c.name)))

    def save_host(self, host: Host) -> None:
        with self._database.write() as connection:
            row = insert(_table).values(name=host.name, record=encode(host))
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"record": row.excluded.record}))

    def forget_host(self, name: HostId) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_table).where(_table.c.name == name))
