"""The schema's history: each migration runs once, in order, recorded with its number.

It must not drop or rename what the previous release uses: during a deployment both run on the same tables.
A migration that is out is never changed; the next change is a new one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, inspect, select, text

from minitwit.database import Database
from minitwit.tables import follows, jobs, mentions, people, posts, schema_versions, tokens

# Any number, the same in every process: PostgreSQL's lock that lets one process migrate at a time.
POSTGRES_LOCK = 7_441_001


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    apply: Callable[[Connection], None]


def _people_and_posts(connection: Connection) -> None:
    for table in (people, tokens, posts, follows):
        table.create(connection)


def _jobs(connection: Connection) -> None:
    jobs.create(connection)


def _mentions(connection: Connection) -> None:
    mentions.create(connection)


MIGRATIONS = (
    Migration(1, "people, posts and follows", _people_and_posts),
    Migration(2, "jobs for the worker", _jobs),
    Migration(3, "mentions", _mentions),
)
NEEDED_VERSION = MIGRATIONS[-1].version


def migrate(database: Database) -> list[Migration]:
    """Apply what is missing, all in one transaction; returns what was applied (nothing, the second time)."""
    with database.writing() as connection:
        if database.kind == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({POSTGRES_LOCK})"))
        schema_versions.create(connection, checkfirst=True)
        missing = [migration for migration in MIGRATIONS if migration.version > _version(connection)]
        for migration in missing:
            _apply(connection, migration)
        return missing


def schema_version(database: Database) -> int:
    """The number of the last migration applied; 0 on an empty database."""
    with database.reading() as connection:
        return _version(connection) if inspect(connection).has_table(schema_versions.name) else 0


def _version(connection: Connection) -> int:
    return connection.scalar(select(func.max(schema_versions.c.version))) or 0


def _apply(connection: Connection, migration: Migration) -> None:
    migration.apply(connection)
    row = {"version": migration.version, "name": migration.name, "applied_at": time.time()}
    connection.execute(insert(schema_versions).values(row))
