"""Branches of one app that come, change and go at random in a bare repository, and where each could leave something. Must not: judge."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from e2e.platform import App, Platform

from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName
from mooring.model.review import review_environment
from mooring.store.directory import DATABASE

TOLD = {"events", "audit", "fences"}  # tables that keep what happened, and the number below which nobody may come again
FORMS = ("topic-{}", "Topic-{}", "team/{}", "team-{}", "Ünï.code_{}", "nested-{}", "nested-{}/below", "a-long-name-of-a-branch-" * 4 + "{}")


@dataclass
class Branches:
    """Of a bare repository. `pushed`: every version that each branch has ever had; `live`: the newest of those that are there."""

    app: App
    origin: Path
    pushed: dict[str, list[int]] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    version: int = 1000

    def names(self, wanted: int) -> list[str]:
        """So many, each in one of the forms."""
        return [FORMS[number % len(FORMS)].format(number // len(FORMS)) for number in range(wanted)]

    def may_be_made(self, name: str) -> bool:
        """Git keeps a branch from being named below another."""
        return not any(each.startswith(f"{name}/") or name.startswith(f"{each}/") for each in self.live)

    def push(self, name: str) -> None:
        """A new commit, whether the branch is there or not."""
        self.version += 1
        self.app.git("switch", "--quiet", "--detach", "main")
        self.app.release(self.version)
        self.app.git("push", "--quiet", "--force", str(self.origin), f"HEAD:refs/heads/{name}")
        self.live[name] = self.version
        self.pushed.setdefault(name, []).append(self.version)

    def remove(self, name: str) -> None:
        self.app.git("push", "--quiet", str(self.origin), f":refs/heads/{name}")
        del self.live[name]

    def environment(self, name: str) -> EnvironmentId:
        return review_environment(AppName(self.app.name), name)

    def answer(self, name: str) -> tuple[int, int]:
        """Status and version at the branch's address; (0, 0) where nobody listens."""
        try:
            status, body, _ = self.app.get("/version", headers={"Host": f"{self.environment(name).label}.localhost"}, timeout=30)
        except OSError:
            return 0, 0
        return status, int(body) if status == 200 else 0

    @property
    def gone(self) -> list[str]:
        return [name for name in self.pushed if name not in self.live]


def left_of(platform: Platform, environments: Iterable[EnvironmentId]) -> list[str]:
    """Processes, files and rows that have one of these names; but for the record of what happened, and the fences."""
    names = {each.environment for each in environments}
    slugs = {each.slug for each in environments}
    return [*_processes(platform, slugs), *_files(platform.state, slugs), *_rows(platform.state / DATABASE, names)]


def _processes(platform: Platform, slugs: set[str]) -> Iterator[str]:
    for pid in platform.pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            words += os.fsencode(os.readlink(f"/proc/{pid}/cwd"))
        except OSError:
            continue
        yield from (f"process {pid} of {slug}" for slug in slugs if slug.encode() in words)


def _files(state: Path, slugs: set[str]) -> Iterator[str]:
    for path in state.rglob("*"):
        if any(slug in path.name for slug in slugs) and not _is_fence(state, path):
            yield str(path.relative_to(state))


def _is_fence(state: Path, path: Path) -> bool:
    """A number and no more."""
    if path.parent == state / "processes" / "fences":
        return True
    return path.parent == state / "edge" / "tables" and b'"table":null' in path.read_bytes()


def _rows(database: Path, names: set[str]) -> Iterator[str]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in sorted(set(tables) - TOLD):
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                text = repr(row)
                yield from (f"a row of {table} with {name}" for name in names if name in text)
    finally:
        connection.close()


def files_of(state: Path) -> set[str]:
    """Where things of single environments, branches and artifacts lie, but for fences."""
    kept = ("edge/certificates", "edge/tables", "edge/waited-for", "processes", "workshop", "uploads", "forges")
    found = (path for each in kept for path in (state / each).rglob("*"))
    return {str(path.relative_to(state)) for path in found if path.is_file() and not _is_fence(state, path)}


def databases_and_roles(root: str) -> dict[str, str]:
    """Each with its comment."""
    asked = (
        "SELECT 'database ' || datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database"
        " UNION ALL SELECT 'role ' || rolname, coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles"
    )
    with psycopg.connect(root, autocommit=True) as connection:
        return {str(name): str(comment) for name, comment in connection.execute(asked).fetchall()}


def rows_in(root: str, database: str) -> list[str]:
    """What release and seed commands, and nobody else, have written there."""
    with psycopg.connect(psycopg.conninfo.make_conninfo(root, dbname=database)) as connection:
        return [str(row[0]) for row in connection.execute("SELECT line FROM written ORDER BY line").fetchall()]
