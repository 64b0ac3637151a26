"""Environments: what is remembered of each, until it is forgotten. Must not: decide when that is."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from mooring.model.environment import EnvironmentId
from mooring.model.records import EnvironmentRecord
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode

_table = schema.environments


class EnvironmentShelf(Shelf):
    def environments(self) -> tuple[EnvironmentRecord, ...]:
        """By name."""
        with self._database.read() as connection:
            records = [decode(record, EnvironmentRecord) for record in connection.scalars(select(_table.c.record))]
        return tuple(sorted(records, key=lambda record: record.environment))

    def environment(self, environment: EnvironmentId) -> EnvironmentRecord | None:
        with self._database.read() as connection:
            record = connection.scalar(select(_table.c.record).where(_table.c.environment == str(environment)))
            return None if record is None else decode(record, EnvironmentRecord)

    def save_environment(self, record: EnvironmentRecord) -> None:
        with self._database.write() as connection:
            row = insert(_table).values(environment=str(record.environment), record=encode(record))
            connection.execute(row.on_conflict_do_update(index_elements=["environment"], set_={"record": row.excluded.record}))

    def forget_environment(self, environment: EnvironmentId) -> None:
        """Releases, config and deployments go with its row. Events stay, and the fence, so that old holders stay refused."""
        with self._database.write() as connection:
            for table in (schema.journal, schema.locks, schema.environments):
                connection.execute(delete(table).where(table.c.environment == str(environment)))
