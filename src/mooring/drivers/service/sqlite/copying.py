"""Databases of SQLite copied while they are in use, and SQL of an app's files run in one. Must not: know whose they are."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mooring.errors import Unavailable

_BUSY = 30.0  # seconds to wait for whoever writes
_LONGEST_MASK = 600.0  # seconds
_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's machine, until the clock is looked at


def copy(source: Path, target: Path) -> None:
    """All that is in one file at one moment takes the place of all that is in another, in one transaction. Raises Unavailable.

    Source: SQLite's online backup API, which works on both while others use them.
    """
    with _translated(), _opened(source) as origin:
        _carry(origin, target)


def bring_back(dump: Path, target: Path) -> None:
    """Like `copy`, from a file that nobody else has. Raises Unavailable where it is no database, or a broken one."""
    with _translated(), closing(sqlite3.connect(f"{dump.as_uri()}?mode=ro&immutable=1", uri=True)) as origin:
        (said,) = origin.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise Unavailable(f"that database of SQLite is broken: {said}")
        _carry(origin, target)


def make(file: Path) -> None:
    """Empty, for readers beside one writer."""
    _create(file)
    with _translated(), _opened(file) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def mask(file: Path, statements: str) -> None:
    """In one transaction; it reaches this one file and ends within ten minutes. Raises Unavailable."""
    until = time.monotonic() + _LONGEST_MASK
    with _translated(), _opened(file) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(_refuse_other_files)
        connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS_BETWEEN_LOOKS)
        connection.executescript(f"BEGIN;\n{statements}\n;COMMIT;")


def _refuse_other_files(action: int, *_: object) -> int:
    """A pragma could move what SQLite writes besides to another place."""
    return sqlite3.SQLITE_DENY if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA) else sqlite3.SQLITE_OK


def _carry(origin: sqlite3.Connection, target: Path) -> None:
    until = time.monotonic() + _BUSY

    def look(status: int, remaining: int, total: int) -> None:
        del remaining, total
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > until:
            raise Unavailable(f"somebody has kept {target.name} locked for {_BUSY:.0f} s", hint="stop what writes it, then try again")

    if not target.exists():
        _create(target)
    with _opened(target) as copied:
        origin.backup(copied, progress=look)


def _create(file: Path) -> None:
    """For our account alone."""
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """One that is there: that very file. SQLite follows a link, and an app could have put one there; so it is asked what it has opened."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=_BUSY, isolation_level=None)) as connection:
        opened = Path(connection.execute("PRAGMA database_list").fetchone()[2])
        if opened != file.parent.resolve() / file.name:
            raise Unavailable(f"{file} is a link, and no database", hint="its app put it there: put the database back in its place")
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"SQLite: {error}") from None
