"""Mooring's marks on a server that knows none: neither a database nor an account of MySQL can carry a word that an app could not change. So
they stand in tables of a database that no app reaches. A mark is written a moment before the thing is made, when nothing has that name.

Must not: be read where an app could write.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

from mooring.drivers.service import marks
from mooring.drivers.service.mysql.session import Address, Connection, connected
from mooring.model.service import Owned, Piece

_TABLES = (
    "CREATE DATABASE IF NOT EXISTS mooring_marks CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS mooring_marks.things (what varchar(20), name varchar(64), piece varchar(64), mark text,"
    " is_made boolean, PRIMARY KEY (what, name)) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS mooring_marks.turns (number int PRIMARY KEY) ENGINE=InnoDB",
)
_ARE_THERE = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'mooring_marks' AND table_name IN ('things', 'turns')"
_FIND = "SELECT mark, is_made FROM mooring_marks.things WHERE what = %s AND name = %s"
_ALL = "SELECT what, name, mark FROM mooring_marks.things ORDER BY 1, 2"
_NAMES = "SELECT name FROM mooring_marks.things WHERE what = %s AND piece = %s ORDER BY name"
_WRITE = "REPLACE INTO mooring_marks.things VALUES (%s, %s, %s, %s, %s)"
_ERASE = "DELETE FROM mooring_marks.things WHERE what = %s AND name = %s"
_TURNS = 4096  # so that none is ever left behind; two pieces that share one wait for each other


class What(Enum):
    DATABASE = "database"
    LOGIN = "login"


@dataclass(frozen=True)
class Marked:
    """`fence`: the highest number of an effect. Not `is_made`: the name is taken, and whether the thing is there is not known."""

    fence: int
    is_ready: bool
    is_made: bool


async def prepare(connection: Connection) -> None:
    """The tables, where they are not there."""
    if not await _are_there(connection):
        for statement in _TABLES:
            await connection.execute(statement)


@asynccontextmanager
async def turn(address: Address, piece: Piece) -> AsyncIterator[None]:
    """Nobody else acts on the piece meanwhile. Held by a row, since an app could take a lock of the server's by its name."""
    number = int.from_bytes(hashlib.sha256(piece.identity.encode()).digest()[:4], "big") % _TURNS
    async with connected(address) as keeper:
        await keeper.execute("INSERT IGNORE INTO mooring_marks.turns VALUES (%s)", number)
        await keeper.execute("START TRANSACTION")
        await keeper.execute("SELECT number FROM mooring_marks.turns WHERE number = %s FOR UPDATE", number)
        yield


async def find(connection: Connection, what: What, name: str, piece: Piece) -> Marked | None:
    """None where nothing is marked under that name. Raises Refused where it is not the piece's."""
    rows = await connection.execute(_FIND, what.value, name)
    if not rows:
        return None
    text, is_made = rows[0]
    mark = marks.read(str(text))
    if mark is None or mark.piece != piece:
        raise marks.not_marked(f"the {what.value} {name}", piece, hint="rename it, or take it away")
    return Marked(mark.fence, mark.is_ready, bool(is_made))


async def write(connection: Connection, what: What, name: str, piece: Piece, marked: Marked) -> None:
    text = marks.written(piece, fence=marked.fence, is_ready=marked.is_ready)
    await connection.execute(_WRITE, what.value, name, piece.identity, text, marked.is_made)


async def erase(connection: Connection, what: What, name: str) -> None:
    await connection.execute(_ERASE, what.value, name)


async def names(connection: Connection, what: What, piece: Piece) -> tuple[str, ...]:
    """All that the piece has of a kind, made or not."""
    return tuple(str(name) for (name,) in await connection.execute(_NAMES, what.value, piece.identity))


async def owned(connection: Connection, controller: str) -> tuple[Owned, ...]:
    """Of one controller."""
    if not await _are_there(connection):
        return ()
    rows = [(str(what), str(name), marks.read(str(text))) for what, name, text in await connection.execute(_ALL)]
    found = [Owned(what=what, name=name, piece=mark.piece) for what, name, mark in rows if mark is not None]
    return tuple(each for each in found if each.piece.controller == controller and each.name.startswith(each.piece.identity))


async def _are_there(connection: Connection) -> bool:
    return (await connection.execute(_ARE_THERE))[0][0] == 2
