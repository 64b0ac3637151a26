"""Accounts of a piece: the logins that an app is given, and visitors that come for one task of Mooring's own. Must not: touch one without
the mark.

What an app makes there remembers who defined it, and works only while that account exists. So one that is withdrawn and has defined
something stays, locked: nobody gets in as it any more.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from mooring.drivers.service import marks
from mooring.drivers.service.contract import Login
from mooring.drivers.service.mysql import marking
from mooring.drivers.service.mysql.marking import Marked, What
from mooring.drivers.service.mysql.session import Connection, account, pattern
from mooring.model.secret import Secret
from mooring.model.service import Piece

ALL = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EXECUTE",
    "EVENT",
    "TRIGGER",
)
"""What an app may do in its own database."""

READING = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "LOCK TABLES")
"""What a dump needs, besides the texts of routines."""

_IS_THERE = "SELECT 1 FROM mysql.user WHERE user = %s"
_SESSIONS = "SELECT id FROM information_schema.processlist WHERE user = %s"
_DEFINES = (
    "SELECT 1 FROM information_schema.views WHERE definer = %s UNION ALL SELECT 1 FROM information_schema.routines WHERE definer = %s"
    " UNION ALL SELECT 1 FROM information_schema.triggers WHERE definer = %s"
    " UNION ALL SELECT 1 FROM information_schema.events WHERE definer = %s LIMIT 1"
)


async def ensure(connection: Connection, piece: Piece, login: Login, *, database: str, rights: Sequence[str] = ALL) -> None:
    """An account that nobody gets in as yet, with these rights in one database and nothing else. Raises Refused for another's."""
    is_there = bool(await connection.execute(_IS_THERE, login.name))
    if await marking.find(connection, What.LOGIN, login.name, piece) is None:
        if is_there:
            raise marks.not_marked(f"the account {login.name}", piece, hint="rename it")
        await marking.write(connection, What.LOGIN, login.name, piece, Marked(0, is_ready=True, is_made=True))
    if not is_there:
        await connection.execute(f"CREATE USER {account(login.name)} {_verified(login)} ACCOUNT LOCK")
    await connection.execute(f"GRANT {', '.join(rights)} ON {pattern(database)}.* TO {account(login.name)}")


async def admit(connection: Connection, login: Login) -> None:
    """It gets in, with this password."""
    await connection.execute(f"ALTER USER {account(login.name)} {_verified(login)} ACCOUNT UNLOCK")


async def end(connection: Connection, name: str) -> None:
    """It gets in no more, and goes unless something needs it."""
    await shut_out(connection, name)
    definer = f"{name}@%"
    if not await connection.execute(_DEFINES, definer, definer, definer, definer):
        await drop(connection, name)


async def shut_out(connection: Connection, name: str) -> None:
    """Its sessions end too."""
    if await connection.execute(_IS_THERE, name):
        await connection.execute(f"ALTER USER {account(name)} ACCOUNT LOCK")
    for (number,) in await connection.execute(_SESSIONS, name):
        await connection.end_session(int(str(number)))


async def drop(connection: Connection, name: str) -> None:
    await connection.execute(f"DROP USER IF EXISTS {account(name)}")
    await marking.erase(connection, What.LOGIN, name)


@asynccontextmanager
async def visitor(connection: Connection, piece: Piece, database: str, rights: Sequence[str]) -> AsyncIterator[Login]:
    """Somebody whom only this task knows, with these rights in one database. What a crash leaves of it goes with the next rotation."""
    suffix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
    login = Login(f"{piece.identity}_{suffix}", Secret(secrets.token_urlsafe(32)))
    await ensure(connection, piece, login, database=database, rights=rights)
    try:
        await admit(connection, login)
        yield login
    finally:
        await drop(connection, login.name)


def _verified(login: Login) -> str:
    """By what the server checks a password, so that it never hears the password itself. The format is that of `mysql_native_password`."""
    once = hashlib.sha1(login.password.reveal().encode(), usedforsecurity=False).digest()
    return f"IDENTIFIED WITH mysql_native_password AS '*{hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()}'"
