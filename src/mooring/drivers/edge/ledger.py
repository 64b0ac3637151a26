"""What each environment's table is and which fence it was set under, one small file each: the truth from which all else is derived.

A removed environment keeps its fence, without a table. Must not: derive, or talk to a proxy.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.drivers.edge.files import make_directory, read_whole, write_whole
from mooring.errors import StaleFence, StateDamaged
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.routing import RouteTable


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one file. `table` None: the environment was removed."""

    environment: EnvironmentId
    fence: int
    table: RouteTable | None = None


_decoder = msgspec.json.Decoder(Entry)


def read_entry(path: Path) -> Entry | None:
    """None when there is none. Raises StateDamaged, Unavailable."""
    content = read_whole(path)
    if content is None:
        return None
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = f"move {path} away; the next deploy of that environment writes it anew"
        raise StateDamaged("a route table of the edge cannot be read", hint=hint, where=str(path)) from error


class Ledger:
    """All entries, in memory and on disk. `damaged` names the files that could not be read: their environments are not routed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._entries: dict[EnvironmentId, Entry] = {}
        self._tables: tuple[RouteTable, ...] | None = None
        self.damaged: tuple[StateDamaged, ...] = ()

    def load(self) -> None:
        make_directory(self._directory)
        found, damaged = [], []
        for path in sorted(self._directory.glob("*.json")):
            try:
                found.append(read_entry(path))
            except StateDamaged as error:
                damaged.append(error)
        self._entries = {entry.environment: entry for entry in found if entry}
        self._tables = None
        self.damaged = tuple(damaged)

    def tables(self) -> tuple[RouteTable, ...]:
        """In the order of their environments; the same tuple until something changes."""
        if self._tables is None:
            found = {environment.slug: entry.table for environment, entry in self._entries.items() if entry.table}
            self._tables = tuple(found[slug] for slug in sorted(found))
        return self._tables

    def table(self, environment: EnvironmentId) -> RouteTable | None:
        entry = self._entries.get(environment)
        return entry.table if entry else None

    def fences(self) -> dict[str, int]:
        """The newest seen of each environment, by its slug."""
        return {environment.slug: entry.fence for environment, entry in self._entries.items()}

    def check(self, mark: Mark) -> None:
        """Raises StaleFence when a newer fence was seen for the environment."""
        entry = self._entries.get(mark.environment)
        if entry and mark.fence < entry.fence:
            raise StaleFence(
                f"{mark.operation} of {mark.environment} carries fence {mark.fence}, and the edge has seen {entry.fence}",
                hint="another controller has taken over",
            )

    def keep(self, mark: Mark, table: RouteTable | None) -> None:
        """On disk when this returns. Raises Unavailable; then nothing has changed."""
        entry = Entry(environment=mark.environment, fence=mark.fence, table=table)
        if self._entries.get(mark.environment) != entry:
            write_whole(self._directory / f"{mark.environment.slug}.json", msgspec.json.encode(entry))
            self._entries[mark.environment] = entry
            self._tables = None
