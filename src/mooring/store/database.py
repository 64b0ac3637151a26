"""One SQLite file: many readers, one writer, every commit on disk. Must not: know a table.

Readers get connections that cannot write. The writer begins IMMEDIATE, so that it waits for another process
at the beginning of its work and never in the middle of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as Plain
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from mooring.errors import Unavailable
from mooring.store.translation import translated

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: the write-ahead log is synced at every commit
    "foreign_keys": 1,
    "busy_timeout": 5000,  # milliseconds
    "trusted_schema": 0,
    "secure_delete": 1,  # what is deleted, an old key's ciphertext for one, is overwritten
    "journal_size_limit": 67_108_864,  # bytes
}


class Database:
    """Every error of a block under `read` or `write` leaves it as a Mooring error; a write that raises has changed nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers = _engine(path, begin="BEGIN", pragmas={**PRAGMAS, "query_only": 1}, connections=4)
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", pragmas=PRAGMAS, connections=1)
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view for the whole block."""
        with translated(str(self.path)), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """On disk when the block has ended. Not to be nested."""
        with translated(str(self.path)), self._one_at_a_time, self._writer.begin() as connection:
            yield connection

    def truncate_log(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as readers let it."""
        with translated(str(self.path)), self._one_at_a_time, self._writer.connect() as connection:
            plain = connection.connection.dbapi_connection
            if plain is not None:
                plain.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._readers.dispose()
        self._writer.dispose()


def _engine(path: Path, *, begin: str, pragmas: dict[str, Any], connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0 if connections == 1 else 12,
        hide_parameters=True,  # an error's text never quotes what was to be stored
    )
    event.listen(engine, "connect", lambda plain, _: _set_up(plain, pragmas=pragmas, path=path))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _set_up(plain: Plain, *, pragmas: dict[str, Any], path: Path) -> None:
    """Set each pragma and ask for it again: SQLite ignores silently what it cannot do."""
    plain.isolation_level = None  # transactions are begun above, not by the Python module
    with translated(str(path)):
        for name, wanted in pragmas.items():
            plain.execute(f"PRAGMA {name}={wanted}")
            got = plain.execute(f"PRAGMA {name}").fetchone()[0]
            if got != wanted:
                hint = "keep the state on a local disk, not on a network file system"
                raise Unavailable(f"SQLite keeps {name} at {got}, where {wanted} is needed", hint=hint, where=str(path))
