"""Accounts of a piece, as the server's access list has them; and the mark, which stands in there too. Must not: touch one without the mark.

Keys can be evicted or flushed, so no mark is a key. It is a selector of an account: one that names a key and allows no command on it, so
that nobody gains anything by it. The piece itself is an account that nobody gets in as.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from mooring.drivers.service import marks
from mooring.drivers.service.contract import Login
from mooring.drivers.service.redis.session import Connection, Words
from mooring.model.service import Owned, Piece

_MARK = re.compile(r"\(~mooring:([A-Za-z0-9_=-]+) resetchannels -@all\)")
_ALLOWED = (
    "+@all",
    "-@admin",
    "-@dangerous",
    "+info",  # which tells no key, and without which several clients do not start
    "+sort",
    "+sort_ro",
    # what tells the keys of others, or what they do
    *("-scan", "-randomkey", "-dbsize", "-pubsub", "-client|tracking", "-client|caching", "-client|trackinginfo"),
    *("-memory", "+memory|usage"),
    # what leaves the one database in which a piece is looked for
    *("-select", "+select|0", "-move", "-copy"),
    # what all share
    *("-script|flush", "-script|kill", "-function", "-fcall", "-fcall_ro", "-acl", "+acl|whoami"),
)
_RESTORING = ("-@all", "+restore", "+client|setname")


@dataclass(frozen=True)
class Accounts:
    """`mark`: of the piece itself, None where it is not there. `logins`: its accounts, those left behind too."""

    mark: marks.Written | None
    logins: tuple[str, ...]


async def find(connection: Connection, piece: Piece) -> Accounts:
    """Raises Refused where the piece's name is another's."""
    known = await _all(connection)
    mark = known.get(piece.identity)
    if piece.identity in known and (mark is None or mark.piece != piece):
        raise marks.not_marked(f"the account {piece.identity}", piece, hint="rename it")
    names = [name for name, mark in known.items() if mark is not None and mark.piece == piece and name != piece.identity]
    return Accounts(mark, tuple(sorted(names)))


async def check(connection: Connection, piece: Piece, name: str) -> None:
    """Raises Refused where that account is another's."""
    known = await _all(connection)
    mark = known.get(name)
    if name in known and (mark is None or mark.piece != piece):
        raise marks.not_marked(f"the account {name}", piece, hint="rename it")


async def owned(connection: Connection, controller: str) -> tuple[Owned, ...]:
    found = [(name, mark.piece) for name, mark in sorted((await _all(connection)).items()) if mark is not None]
    return tuple(
        Owned(what="prefix" if name == piece.identity else "login", name=name, piece=piece)
        for name, piece in found
        if piece.controller == controller and name.startswith(piece.identity)
    )


def prefix(piece: Piece) -> str:
    """What all keys and channels of a piece begin with."""
    return f"{piece.identity}:"


def marked(piece: Piece, *, fence: int, is_ready: bool) -> Words:
    """The piece itself."""
    return ("ACL", "SETUSER", piece.identity, "reset", _selector(piece, fence=fence, is_ready=is_ready))


def let_in(piece: Piece, login: Login) -> Words:
    """A login, as a whole: it reaches the piece's keys and channels, and gets in with this password."""
    return _account(piece, login, _ALLOWED)


def restorer(piece: Piece, login: Login) -> Words:
    """Somebody who may bring back keys of the piece, each looked through by the server, and nothing else."""
    return _account(piece, login, _RESTORING)


def end(name: str) -> Words:
    """Its sessions end too."""
    return ("ACL", "DELUSER", name)


SAVE: Words = ("ACL", "SAVE")


async def _all(connection: Connection) -> dict[str, marks.Written | None]:
    """Every account of the server with its mark."""
    found = {}
    for line in await connection.ask("ACL", "LIST"):
        text = bytes(line).decode("utf-8", "replace")
        match = _MARK.search(text)
        found[text.split(" ")[1]] = marks.read(_read(match.group(1))) if match else None
    return found


def _read(written: str) -> str:
    try:
        return base64.urlsafe_b64decode(written).decode()
    except ValueError:
        return ""


def _account(piece: Piece, login: Login, allowed: tuple[str, ...]) -> Words:
    digest = hashlib.sha256(login.password.reveal().encode()).hexdigest()
    reach = (f"~{prefix(piece)}*", "resetchannels", f"&{prefix(piece)}*")
    return ("ACL", "SETUSER", login.name, "reset", *allowed, *reach, _selector(piece), "on", f"#{digest}")


def _selector(piece: Piece, *, fence: int = 0, is_ready: bool = True) -> str:
    text = marks.written(piece, fence=fence, is_ready=is_ready)
    return f"(~mooring:{base64.urlsafe_b64encode(text.encode()).decode()})"
