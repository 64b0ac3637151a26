"""Events: appended, numbered over the whole store, read in order. Must not: change one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select

from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import DeploymentId
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode

_table = schema.events
_AT_ONCE = 50  # rows that are read to find one


class EventShelf(Shelf):
    def append_event(self, event: Event) -> Event:
        """As it will be read later: with its sequence, and with fields of plain JSON values."""
        with self._database.write() as connection:
            return _append(connection, event)

    def append_events(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """Several in one commit, for output that comes line after line."""
        with self._database.write() as connection:
            return tuple([_append(connection, event) for event in events])

    def events(
        self,
        *,
        after: int = 0,
        environment: EnvironmentId | None = None,
        deployment: DeploymentId | None = None,
        limit: int = 1000,
    ) -> tuple[Event, ...]:
        """In order of sequence; the oldest `limit` after `after`."""
        found = select(_table.c.sequence, _table.c.record).where(_table.c.sequence > after).order_by(_table.c.sequence).limit(limit)
        if environment is not None:
            found = found.where(_table.c.environment == str(environment))
        if deployment is not None:
            found = found.where(_table.c.deployment == deployment)
        with self._database.read() as connection:
            rows = connection.execute(found)
            return tuple(_numbered(decode(record, Event), sequence) for sequence, record in rows)

    def newest_event(self, environment: EnvironmentId, kind: EventKind) -> Event | None:
        """The last of that kind; those after it are read one after another."""
        found = select(_table.c.sequence, _table.c.record).where(_table.c.environment == str(environment))
        newest_first = found.order_by(_table.c.sequence.desc()).execution_options(yield_per=_AT_ONCE)
        with self._database.read() as connection:
            events = (_numbered(decode(record, Event), sequence) for sequence, record in connection.execute(newest_first))
            return next((event for event in events if event.kind is kind), None)


def _append(connection: Connection, event: Event) -> Event:
    record = encode(_numbered(event, 0))
    environment = str(event.environment) if event.environment is not None else None
    row = {"at": event.at, "environment": environment, "deployment": event.deployment, "record": record}
    written = connection.execute(insert(_table).values(row))
    return _numbered(decode(record, Event), int(written.lastrowid))


def _numbered(event: Event, sequence: int) -> Event:
    return msgspec.structs.replace(event, sequence=sequence)
