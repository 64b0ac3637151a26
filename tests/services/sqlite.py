"""Databases of SQLite below one directory, and an app that uses one as any app would: by its address alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mooring.drivers.service.sqlite.files import SqliteFiles
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import CONTROLLER


def file_of(variables: dict[str, Secret]) -> Path:
    return Path(variables["URL"].reveal().removeprefix("sqlite:///"))


class SqliteRig:
    emptying = "DELETE FROM entries"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.driver = SqliteFiles(Secret(f"sqlite:///{root}"), controller=CONTROLLER)

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        with closing(sqlite3.connect(f"{file_of(variables).as_uri()}?mode=rw", uri=True)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT)")
            connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", [key, value])

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]:
        with closing(sqlite3.connect(f"{file_of(variables).as_uri()}?mode=rw", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'entries'").fetchone():
                return {}
            return dict(connection.execute("SELECT key, value FROM entries"))

    async def occupy(self, piece: Piece) -> None:
        (self.root / piece.identity).mkdir()
        (self.root / piece.identity / "payroll").write_text("salary")

    async def is_occupied(self, piece: Piece) -> bool:
        return (self.root / piece.identity / "payroll").read_text() == "salary"
