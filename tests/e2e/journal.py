"""The journal of a running platform, read from its database while it is written: when has so much been done? Must not: write."""

from __future__ import annotations

import sqlite3

from e2e.platform import Platform

from mooring.store.directory import DATABASE


class Journal:
    """Of one platform, read while it is written."""

    def __init__(self, platform: Platform) -> None:
        self._database = sqlite3.connect(f"file:{platform.state / DATABASE}?mode=ro", uri=True, isolation_level=None)

    def newest(self) -> str:
        row = self._database.execute("SELECT id FROM deployments ORDER BY position DESC LIMIT 1").fetchone()
        return str(row[0])

    def moments(self, deployment: str) -> int:
        """Writes so far: each entry is one, its outcome another."""
        found = self._database.execute("SELECT count(*), coalesce(sum(outcome <> ''), 0) FROM journal WHERE deployment = ?", (deployment,))
        entries, ended = found.fetchone()
        return int(entries) + int(ended)

    def outcome(self, deployment: str) -> str | None:
        row = self._database.execute("SELECT outcome FROM deployments WHERE id = ?", (deployment,)).fetchone()
        return None if row is None or row[0] is None else str(row[0])
