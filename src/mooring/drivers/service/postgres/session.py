"""Connections to a PostgreSQL server: the one place that speaks to it, and where its errors become Mooring's. Must not: log a statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from mooring.errors import InvalidInput, MooringError, OutcomeUnknown, Refused, Unavailable
from mooring.model.secret import Secret

Connection = psycopg.AsyncConnection[TupleRow]
Statement = LiteralString | sql.Composed
_ALIVE: dict[str, str | int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "mooring",
}
_LOCK_WAIT = "30s"


class Address:
    """Of a server, from `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. Raises InvalidInput."""

    def __init__(self, url: Secret) -> None:
        try:
            if not url.reveal().startswith(("postgresql://", "postgres://")):
                raise ValueError
            self._words = {name: str(value) for name, value in conninfo_to_dict(url.reveal()).items() if value is not None}
        except (psycopg.Error, ValueError):
            hint = "write it like postgresql://admin:PASSWORD@db.example.com:5432/postgres"
            raise InvalidInput("that is no address of a PostgreSQL server", hint=hint) from None

    @property
    def host(self) -> str:
        return self._words.get("host", "localhost")

    @property
    def port(self) -> str:
        return self._words.get("port", "5432")

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def options(self) -> dict[str, str]:
        """How TLS is to be spoken, for whoever connects."""
        return {name: value for name, value in self._words.items() if name.startswith("ssl") or name == "channel_binding"}

    def conninfo(self, *, database: str = "", user: str = "", password: Secret | None = None) -> Secret:
        """As the administrator, unless another is named."""
        words: dict[str, str | int] = {**self._words, **_ALIVE}
        if database:
            words["dbname"] = database
        if user:
            words |= {"user": user, "password": password.reveal() if password else ""}
        return Secret(make_conninfo("", **words))


@asynccontextmanager
async def connected(address: Address, conninfo: Secret) -> AsyncIterator[Connection]:
    """Each statement by itself, unless a transaction is begun. Raises Unavailable, OutcomeUnknown, Refused."""
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo.reveal(), autocommit=True)
    except psycopg.Error as error:
        hint = "is it up, and are address, name and password right? `mooring service add-server` changes them"
        raise Unavailable(f"the PostgreSQL server does not let us in: {_said(error)}", hint=hint, where=address.place) from None
    try:
        await connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(_LOCK_WAIT)))
        yield connection
    except psycopg.Error as error:
        raise _translated(error, address, is_closed=connection.closed) from None
    finally:
        await connection.close()


def _translated(error: psycopg.Error, address: Address, *, is_closed: bool) -> MooringError:
    said = _said(error)
    match error:
        case psycopg.errors.ObjectInUse():
            return Refused(f"PostgreSQL: {said}", hint="end the sessions that use it, then try again", where=address.place)
        case psycopg.errors.InsufficientPrivilege():
            hint = "the administrator's role needs CREATEDB and CREATEROLE"
            return Refused(f"PostgreSQL: {said}", hint=hint, where=address.place)
        case _ if is_closed or error.sqlstate is None:
            return OutcomeUnknown(f"the connection broke: {said}", hint="it is looked at again", where=address.place)
        case _:
            return Unavailable(f"PostgreSQL: {said}", where=address.place)


def _said(error: psycopg.Error) -> str:
    """One line. What the server says of a statement never holds a password: only verifiers are sent."""
    return " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())[:500]
