"""SQLite: a piece is a file in a directory of its own, on the controller's machine, below one directory that a person has named.

There is no server and no password: who may open the file is whoever runs as the same account, as every app of this machine does that is not
confined.
Must not: give a path that leads out of that directory.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from mooring.drivers.service.contract import ISOLATION, Login, OnDisk, ServerFacts, ServiceDriver
from mooring.drivers.service.sqlite import copying
from mooring.drivers.service.sqlite.shelf import DATABASE, Shelf
from mooring.errors import InvalidInput, NotFound, Refused
from mooring.model.host import Finding, Weight
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece

_ADDRESS = re.compile(r"\Asqlite:///(/[A-Za-z0-9._/-]+)\Z")  # what needs no quoting in any URL


class SqliteFiles:
    """Those below one directory."""

    def __init__(self, address: Secret, *, controller: str) -> None:
        found = _ADDRESS.match(address.reveal())
        if found is None or ".." in Path(found[1]).parts:
            hint = "write it like sqlite:////var/lib/databases (a directory of this machine)"
            raise InvalidInput("that is no directory for databases of SQLite", hint=hint)
        self._root = Path(found[1])
        self._shelf = Shelf(self._root, controller=controller)

    @property
    def root(self) -> str:
        return str(self._root)

    def place(self, piece: Piece) -> str:
        return str(self._shelf.database(piece).parent)

    async def inspect(self) -> ServerFacts:
        return ServerFacts(place=str(self._root), version=sqlite3.sqlite_version, findings=await asyncio.to_thread(_findings, self._root))

    def variables(self, piece: Piece, login: Login) -> dict[str, Secret]:
        return {"URL": Secret(f"sqlite:///{self._shelf.database(piece)}")}

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> None:
        await self._made(mark, piece, copying.make)

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> None:
        def fill(file: Path) -> None:
            if not self._shelf.is_there(source):
                raise NotFound(f"{source.environment} has no {source.service} to copy here", where=str(self._root))
            copying.copy(self._shelf.database(source), file)
            if mask:
                copying.mask(file, mask)

        await self._made(mark, piece, fill)

    async def _made(self, mark: Mark, piece: Piece, fill: Callable[[Path], None]) -> None:
        def make() -> None:
            with self._shelf.alone(piece, mark.fence):
                if self._shelf.is_there(piece):
                    return
                with self._shelf.begun(piece, mark.fence) as place:
                    fill(place / DATABASE)

        await asyncio.to_thread(make)

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> None:
        """Whoever may open the file may open it."""
        await asyncio.to_thread(self._seen, mark, piece)

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        """There is nobody to withdraw."""
        await asyncio.to_thread(self._seen, mark, piece)

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        def carry() -> None:
            self._known(piece)
            if into.exists():
                raise Refused(f"{into} is there already", hint="a dump is a new file")
            try:
                copying.copy(self._shelf.database(piece), into)
            except BaseException:
                into.unlink(missing_ok=True)
                raise

        await asyncio.to_thread(carry)

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        """Here what is not in the dump goes: the file is a copy of it then. Who has it open goes on with what it holds now."""

        def carry() -> None:
            with self._shelf.alone(piece, mark.fence):
                self._known(piece)
                copying.bring_back(dump, self._shelf.database(piece))

        await asyncio.to_thread(carry)

    async def size(self, piece: Piece) -> int:
        def measured() -> int:
            self._known(piece)
            return sum(file.lstat().st_size for file in self._shelf.database(piece).parent.glob(f"{DATABASE}*"))

        return await asyncio.to_thread(measured)

    async def remove(self, mark: Mark, piece: Piece) -> None:
        def take_away() -> None:
            with self._shelf.alone(piece, mark.fence):
                self._shelf.remove(piece)

        await asyncio.to_thread(take_away)

    async def find_owned(self) -> tuple[Owned, ...]:
        return await asyncio.to_thread(self._shelf.owned)

    def _seen(self, mark: Mark, piece: Piece) -> None:
        with self._shelf.alone(piece, mark.fence):
            self._known(piece)

    def _known(self, piece: Piece) -> None:
        if not self._shelf.is_there(piece):
            raise NotFound(f"there is no {piece.identity}", where=str(self._root))


def _findings(root: Path) -> tuple[Finding, ...]:
    if not root.is_dir() or not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        hint = f"install -d -m 700 {root}, as the account that Mooring runs as"
        return (Finding(subject="directory", weight=Weight.FAULT, said="it is no directory that we may write in", hint=hint),)
    if root.stat().st_mode & 0o077:
        said = "other accounts of this machine may look into it"
        return (Finding(subject=ISOLATION, weight=Weight.FAULT, said=said, hint=f"chmod 700 {root}"),)
    return ()


_: type[ServiceDriver] = SqliteFiles
_on_disk: type[OnDisk] = SqliteFiles
