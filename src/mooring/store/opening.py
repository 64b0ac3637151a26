"""Opening the database of a state directory: made if there never was one, brought up to date if it is older, refused if it is newer.

A new database is made beside and linked into place whole, so an empty or missing file where state has been
is damage and never a fresh beginning. Must not: import Alembic unless there is something to migrate.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from mooring.errors import StateDamaged
from mooring.store import directory as directories
from mooring.store.database import Database
from mooring.store.schema import VERSIONS
from mooring.store.translation import translated

_MIGRATIONS = Path(__file__).parent / "migrations"
_LEFT_BEHIND = "restore a backup with `mooring state restore`, or move the whole state directory away to begin anew"


def open_database(directory: Path) -> Database:
    """Raises StateDamaged, NeedsPerson when the directory is somebody else's, Unavailable when the disk does not work."""
    directories.prepare(directory)
    path = directory / directories.DATABASE
    if not path.exists():
        _refuse_remains(directory)
        _make(path)
    version = read_version(path)
    database = Database(path)
    if version != VERSIONS[-1]:
        migrate(database)
    return database


def read_version(path: Path) -> str:
    """The schema's version; empty for a database that was never migrated. Raises StateDamaged when it is newer or no database.

    Where a log lies beside it, read only: SQLite would move the log into a database that is damaged, and remove the log. (Without one
    it would leave an empty log behind.)"""
    with translated(str(path)):
        if path.stat().st_size == 0:
            raise StateDamaged("the state is an empty file", hint=_LEFT_BEHIND, where=str(path))
        mode = "ro" if _has_log(path) else "rw"
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as plain:
            damage = plain.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise StateDamaged(f"the state is damaged: {damage}", hint=_LEFT_BEHIND, where=str(path))
            version = _version_of(plain)
    if version and version not in VERSIONS:
        message = f"the state has version {version!r}, and this Mooring knows {VERSIONS[-1]} and older: a newer one has written it"
        raise StateDamaged(message, hint="install that Mooring again, or restore a backup made before it", where=str(path))
    return version


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def migrate(database: Database) -> None:
    """Apply what is missing in one transaction: all of it or nothing."""
    from alembic import command
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with database.write() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, VERSIONS[-1])


def _make(path: Path) -> None:
    beside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    with translated(str(path)):
        try:
            directories.create(beside, b"")
            database = Database(beside)
            try:
                migrate(database)
            finally:
                database.close()
            _link(beside, path)
        finally:
            for leftover in path.parent.glob(f"{beside.name}*"):
                leftover.unlink(missing_ok=True)


def _link(beside: Path, path: Path) -> None:
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        return  # another process made it first: that one counts
    directories.sync_directory(path.parent)


def _refuse_remains(directory: Path) -> None:
    for name in (directories.KEY, f"{directories.DATABASE}-wal"):
        if (directory / name).exists():
            message = f"{name} is here, but {directories.DATABASE} is missing: this was a state directory once"
            raise StateDamaged(message, hint=_LEFT_BEHIND, where=str(directory))


def _version_of(plain: sqlite3.Connection) -> str:
    tables = plain.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]
    if not tables:
        return ""
    row = plain.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""
