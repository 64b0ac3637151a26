"""Restoring a backup: everything is checked and laid out beside the state directory, then renamed into place at once.

A backup comes from outside: names, sizes, hashes, the schema and the keys are checked before the old state is touched.
Must not: extract by the archive's own names or modes, or leave something half done.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from mooring.errors import InvalidInput, Refused, StateDamaged
from mooring.model.secret import Secret
from mooring.store import directory as directories
from mooring.store.archive import FILES, Manifest, checked_name, unseal_files
from mooring.store.keys import KeyRing, parse_ring
from mooring.store.leases import take_over
from mooring.store.opening import read_version
from mooring.store.schema import metadata
from mooring.store.swap import exchange
from mooring.store.translation import translated
from mooring.store.unpacking import BackupFile, opened

_OTHER = "use another backup; nothing was changed"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """`previous` is where the state went that was there before."""

    directory: Path
    made_by: str
    made_at: float
    previous: Path | None = None


def restore(
    file: Path, state_directory: Path, *, at: float, passphrase: Secret | None = None, key_file: Path | None = None, replaces: bool = False
) -> Restored:
    """Make `state_directory` what it was when `file` was made. The platform must be down; `at` is now, in wall seconds.

    What acts from it takes over: a controller that still has the state of which this is a copy is refused wherever this one acts.

    `key_file` is the key that was kept apart from a backup without a passphrase. A directory that holds something is refused
    unless `replaces`; then it is kept beside, under another name. Raises InvalidInput, Refused, StateDamaged, Unavailable.
    """
    _refuse_occupied(state_directory, replaces=replaces)
    with translated(str(state_directory)):
        state_directory.parent.mkdir(mode=directories.DIRECTORY_MODE, parents=True, exist_ok=True)
    stage = state_directory.with_name(f".{state_directory.name}.restoring-{secrets.token_hex(6)}")
    try:
        with translated(str(state_directory)), opened(file) as backup:
            stage.mkdir(mode=directories.DIRECTORY_MODE)
            _lay_out(backup, stage, passphrase=passphrase, key_file=key_file)
            _take_over(stage / directories.DATABASE, at=at)
            previous = _put_in_place(stage, state_directory)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return Restored(directory=state_directory, made_by=backup.manifest.made_by, made_at=backup.manifest.made_at, previous=previous)


def _refuse_occupied(state_directory: Path, *, replaces: bool) -> None:
    with translated(str(state_directory)):
        is_occupied = state_directory.exists() and any(state_directory.iterdir())
        if is_occupied and not replaces:
            raise Refused(f"{state_directory} holds a state already", hint="restore into another directory, or ask to replace this one")
        if state_directory.exists():
            directories.prepare(state_directory)


def _lay_out(backup: BackupFile, stage: Path, *, passphrase: Secret | None, key_file: Path | None) -> None:
    backup.extract_all(stage)
    _check_database(stage / directories.DATABASE, schema=backup.manifest.schema)
    for name, content in _hidden(backup, passphrase=passphrase, key_file=key_file).items():
        target = stage / name
        target.parent.mkdir(mode=directories.DIRECTORY_MODE, parents=True, exist_ok=True)
        directories.create(target, content)
    _check_keys(stage, backup.manifest)
    for directory in [stage, *(path for path in stage.rglob("*") if path.is_dir())]:
        directory.chmod(directories.DIRECTORY_MODE)
        directories.sync_directory(directory)


def _hidden(backup: BackupFile, *, passphrase: Secret | None, key_file: Path | None) -> dict[str, bytes]:
    """The secret files: out of the sealed part, or the key from where it was kept."""
    files: dict[str, bytes] = {}
    if backup.manifest.has_sealed and passphrase is None and key_file is None:
        raise InvalidInput("this backup is sealed with a passphrase", hint="give the passphrase it was made with")
    if backup.manifest.has_sealed and passphrase is not None:
        sealed = unseal_files(backup.sealed(), passphrase=passphrase, manifest=backup.manifest_bytes, where=str(backup.file))
        files = {_safe(name, backup): content for name, content in sealed.items()}
    if key_file is not None:
        files[directories.KEY] = _key_from(key_file).to_bytes()
    return files


def _key_from(key_file: Path) -> KeyRing:
    try:
        return parse_ring(directories.read(key_file, at_most=4096), where=key_file)
    except OSError as error:
        raise InvalidInput(f"the key file {key_file} cannot be read: {error.strerror}", hint="name the file that was kept apart") from error


def _safe(name: str, backup: BackupFile) -> str:
    taken = {directories.DATABASE, *(entry.name.removeprefix(f"{FILES}/") for entry in backup.manifest.entries)}
    if checked_name(name) in taken or name.startswith(directories.DATABASE):
        raise StateDamaged(f"the backup holds {name!r} twice", hint=_OTHER, where=str(backup.file))
    return name


def _check_keys(stage: Path, manifest: Manifest) -> None:
    """The database counts, not what the manifest says of it."""
    with closing(sqlite3.connect(stage / directories.DATABASE)) as plain:
        used = [row[0] for row in plain.execute("SELECT DISTINCT key FROM config_values")]
    path = stage / directories.KEY
    if used and not path.exists():
        message = "the backup was made without a passphrase, so the key of its encrypted config is not in it"
        raise InvalidInput(message, hint="give the key file that was kept apart (it was secrets.key in the state directory)")
    for key_id in used:
        parse_ring(path.read_bytes(), where=path).find(key_id)


def _check_database(path: Path, *, schema: str) -> None:
    """Whole, of a version we know, and with nothing in it but our tables: no triggers, no views, nothing virtual."""
    if read_version(path) != schema or not schema:
        raise StateDamaged("the database in the backup is not of the version that the backup says", hint=_OTHER, where=str(path))
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA trusted_schema=0")
        objects = plain.execute("SELECT type, tbl_name, coalesce(sql, '') FROM sqlite_master").fetchall()
        strangers = [name for kind, name, sql in objects if not _is_ours(kind, name, sql)]
        if strangers:
            message = f"the database in the backup holds something that Mooring did not make: {strangers[0]!r}"
            raise StateDamaged(message, hint=_OTHER, where=str(path))
        damage = plain.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if damage != "ok" or plain.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise StateDamaged(f"the database in the backup is damaged: {damage}", hint=_OTHER, where=str(path))


def _take_over(path: Path, *, at: float) -> None:
    with closing(sqlite3.connect(path)) as plain, plain:
        take_over(plain, at=at)


def _is_ours(kind: str, table: str, sql: str) -> bool:
    known = {*metadata.tables, "alembic_version", "sqlite_sequence", "sqlite_stat1", "sqlite_stat4"}
    return kind in ("table", "index") and table in known and "VIRTUAL" not in sql.upper()


def _put_in_place(stage: Path, state_directory: Path) -> Path | None:
    """One rename, or one exchange: at every moment there is a whole state under the name, the old or the new."""
    previous: Path | None = None
    if state_directory.exists() and any(state_directory.iterdir()):
        previous = state_directory.with_name(f"{state_directory.name}.before-restore-{secrets.token_hex(3)}")
        stage.rename(previous)
        try:
            exchange(previous, state_directory)
        except BaseException:
            shutil.rmtree(previous, ignore_errors=True)
            raise
    else:
        stage.rename(state_directory)
    directories.sync_directory(state_directory.parent)
    return previous
