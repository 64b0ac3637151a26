"""What the shelves of the store share: the database, and how a value becomes a record. Must not: know a table's meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, select

from mooring.errors import NotFound
from mooring.model.environment import EnvironmentId
from mooring.store import directory as directories
from mooring.store import schema
from mooring.store.database import Database

Value = TypeVar("Value")


class Shelf:
    """One idea's part of the store. `directory` is the state directory."""

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory

    @property
    def _key_file(self) -> Path:
        """What values are sealed with."""
        return self._directory / directories.KEY


def encode(value: object) -> str:
    """A record as JSON. Its types, not the text, keep secrets out: a Secret cannot be encoded."""
    return msgspec.json.encode(value).decode()


def decode(record: str, kind: type[Value]) -> Value:
    """Raises msgspec's errors, which become StateDamaged at the database's border."""
    return msgspec.json.decode(record, type=kind)


def environment_must_exist(connection: Connection, environment: EnvironmentId) -> None:
    table = schema.environments
    if connection.execute(select(table.c.environment).where(table.c.environment == str(environment))).first() is None:
        raise NotFound(f"there is no environment {environment}", hint="`mooring status` lists what there is")
