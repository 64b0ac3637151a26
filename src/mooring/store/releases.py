"""Releases: added once, never changed. Must not: remove one while its environment is remembered."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, insert, select

from mooring.errors import Refused
from mooring.model.environment import EnvironmentId
from mooring.model.release import Release
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode, environment_must_exist

_table = schema.releases


class ReleaseShelf(Shelf):
    def next_release_number(self, environment: EnvironmentId) -> int:
        with self._database.read() as connection:
            highest = connection.scalar(select(func.max(_table.c.number)).where(_table.c.environment == str(environment)))
            return (highest or 0) + 1

    def add_release(self, release: Release) -> None:
        """Adding the same once more changes nothing. Raises Refused when the number stands for something else, NotFound."""
        with self._database.write() as connection:
            environment_must_exist(connection, release.environment)
            stored = connection.scalar(_one(release.environment, release.number))
            if stored is None:
                row = {"environment": str(release.environment), "number": release.number, "record": encode(release)}
                connection.execute(insert(_table).values(row))
            elif decode(stored, Release) != release:
                message = f"release {release.version} of {release.environment} exists already, with other content"
                raise Refused(message, hint="this is never changed; make a new one")

    def release(self, environment: EnvironmentId, number: int) -> Release | None:
        with self._database.read() as connection:
            record = connection.scalar(_one(environment, number))
            return None if record is None else decode(record, Release)

    def releases(self, environment: EnvironmentId) -> tuple[Release, ...]:
        """Oldest first."""
        with self._database.read() as connection:
            found = select(_table.c.record).where(_table.c.environment == str(environment)).order_by(_table.c.number)
            return tuple(decode(record, Release) for record in connection.scalars(found))


def _one(environment: EnvironmentId, number: int) -> Select[Any]:
    return select(_table.c.record).where(_table.c.environment == str(environment), _table.c.number == number)
