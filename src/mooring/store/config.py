"""Config snapshots: immutable, numbered per environment, every value sealed. Must not: show a value, or make a key where one is lost.

The key file is read each time, so that a rotation by another process is seen and a lost key is noticed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from mooring.errors import NotFound, StateDamaged
from mooring.model.config import ConfigVersion, Variables, differences, next_config, revealed
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.store import schema
from mooring.store.cipher import Place, seal, unseal
from mooring.store.keys import Key, read_ring
from mooring.store.sealing import SealedRow, key_to_seal_with, keys_in_use, place_of_variable, ring, seal_all_anew, sealed_count
from mooring.store.shelf import Shelf, decode, encode, environment_must_exist

_versions = schema.config_versions
_values = schema.config_values
_PLAIN = "config"
_SECRET = "secret"  # noqa: S105  # the name of a kind, not a password


class ConfigShelf(Shelf):
    def config(self, environment: EnvironmentId, version: int) -> Mapping[str, str | Secret]:
        """The variables of one snapshot; version 0 is empty. Raises NotFound, StateDamaged."""
        try:
            return self._read(environment, version)
        except StateDamaged:
            # A rotation may have ended between the reading of the rows and that of the key file: look once more.
            return self._read(environment, version)

    def config_versions(self, environment: EnvironmentId) -> tuple[ConfigVersion, ...]:
        """Oldest first."""
        found = select(_versions.c.record).where(_versions.c.environment == str(environment)).order_by(_versions.c.version)
        with self._database.read() as connection:
            return tuple(decode(record, ConfigVersion) for record in connection.scalars(found))

    def put_config(self, environment: EnvironmentId, *, changes: Variables, unset: frozenset[str] = frozenset(), by: str, at: float) -> int:
        """A new snapshot from the latest; its version. The latest's own when nothing differs.

        Raises InvalidName, InvalidInput, NotFound, StateDamaged.
        """
        with self._database.write() as connection:
            environment_must_exist(connection, environment)
            latest = _latest(connection, environment)
            before = _open_snapshot(connection, environment, latest, key_file=self._key_file)
            after = next_config(before, changes=changes, unset=unset)
            if after == before:
                return latest
            changed, removed = differences(before, after)
            record = ConfigVersion(environment=environment, version=latest + 1, at=at, by=by, changed=changed, removed=removed)
            _add_snapshot(connection, record, after, key=key_to_seal_with(connection, self._key_file))
            return record.version

    def rotate_key(self) -> int:
        """Seal every value anew with a fresh key and retire the old one; how many values.

        Both keys are in the file until the one transaction has ended, so a crash at any point leaves every value readable.
        """
        with self._database.write() as connection:
            old = ring(connection, self._key_file)
            both = old.rotated()
            both.save()
            seal_all_anew(connection, old=old, new=both.active)
            count = sealed_count(connection)
        both.retired().save()
        self._database.truncate_log()
        return count

    def check_keys(self) -> None:
        """Raises StateDamaged when a value is sealed with a key that is not in the key file, or the file is not what it was."""
        with self._database.read() as connection:
            used = keys_in_use(connection)
        if used or self._key_file.exists():
            keys = read_ring(self._key_file)
            for key_id in used:
                keys.find(key_id)

    def _read(self, environment: EnvironmentId, version: int) -> dict[str, str | Secret]:
        with self._database.read() as connection:
            return _open_snapshot(connection, environment, version, key_file=self._key_file)


def _latest(connection: Connection, environment: EnvironmentId) -> int:
    return connection.scalar(select(func.max(_versions.c.version)).where(_versions.c.environment == str(environment))) or 0


def _open_snapshot(connection: Connection, environment: EnvironmentId, version: int, *, key_file: Path) -> dict[str, str | Secret]:
    if version == 0:
        return {}
    mine = (_versions.c.environment == str(environment)) & (_versions.c.version == version)
    if connection.execute(select(_versions.c.version).where(mine)).first() is None:
        raise NotFound(f"{environment} has no config version {version}", hint="`mooring releases` shows which there are")
    of_snapshot = (_values.c.environment == str(environment)) & (_values.c.version == version)
    rows = connection.execute(select(_values).where(of_snapshot).order_by(_values.c.name)).all()
    keys = read_ring(key_file) if rows else None
    return {row.name: _opened(row, key=keys.find(row.key)) for row in rows if keys is not None}


def _opened(row: SealedRow, *, key: Key) -> str | Secret:
    text = unseal(row.sealed, key=key, place=place_of_variable(row))
    return Secret(text) if row.kind == _SECRET else text


def _add_snapshot(connection: Connection, record: ConfigVersion, values: Variables, *, key: Key) -> None:
    environment = str(record.environment)
    connection.execute(insert(_versions).values(environment=environment, version=record.version, record=encode(record)))
    for name, value in values.items():
        kind = _SECRET if isinstance(value, Secret) else _PLAIN
        place = Place(environment=environment, version=record.version, name=name, kind=kind)
        row = {"environment": environment, "version": record.version, "name": name, "kind": kind}
        connection.execute(insert(_values).values(**row, key=key.id, sealed=seal(revealed(value), key=key, place=place)))
