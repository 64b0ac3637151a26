"""Connections to SQLite or PostgreSQL, as two kinds of transaction: reading and writing.

It must not hold queries. A writing transaction takes SQLite's write lock at its start, so that two releases
writing at the same time wait for each other instead of failing when a read turns into a write.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

BUSY_SECONDS = 15


class Database:
    """One engine; safe to share between threads, not between processes."""

    def __init__(self, url: str) -> None:
        self.engine = _sqlite_engine(url) if url.startswith("sqlite") else _postgres_engine(url)
        self._writing_engine = self.engine.execution_options(writes=True)

    @property
    def kind(self) -> str:
        return self.engine.dialect.name

    def reading(self) -> AbstractContextManager[Connection]:
        return _transaction(self.engine)

    def writing(self) -> AbstractContextManager[Connection]:
        return _transaction(self._writing_engine)


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection


def _postgres_engine(url: str) -> Engine:
    return create_engine(url, pool_size=8, pool_pre_ping=True)


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=8, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:
    """Readers beside one writer (WAL), and no transaction opened behind our back by the sqlite3 module."""
    dbapi_connection.isolation_level = None
    dbapi_connection.execute("PRAGMA journal_mode = WAL")
    dbapi_connection.execute("PRAGMA synchronous = FULL")
    dbapi_connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
