"""Connections to a MySQL or MariaDB server: the one place that speaks to it, and where its errors become Mooring's. Must not: log words.

PyMySQL waits in a thread of its own; a connection runs one statement after the other.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql.constants import CLIENT, CR, ER

from mooring.drivers.service.contract import Login
from mooring.errors import InvalidInput, MooringError, OutcomeUnknown, Refused, Unavailable
from mooring.model.secret import Secret

_CONNECT = 10  # seconds
_ANSWER = 900  # seconds that one statement may take: a large database is dropped, a copy is masked
_LOCKS = "SET SESSION lock_wait_timeout = 30, innodb_lock_wait_timeout = 30"
_NAME = re.compile(r"\A[a-z0-9_]{1,64}\Z")
_SCHEMES = ("mysql", "mariadb")
_PRIVILEGE = (
    ER.DBACCESS_DENIED_ERROR,
    ER.ACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
    ER.KILL_DENIED_ERROR,
)
_BROKEN = (0, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, ER.SERVER_SHUTDOWN)
_HINT = (
    "write it like mysql://admin:PASSWORD@db.example.com:3306, with TLS ?ssl-mode=VERIFY_IDENTITY and, for a server with an authority of "
    "its own, &ssl-ca=/FILE.pem"
)


class Address:
    """Of a server, from `mysql://USER:PASSWORD@HOST:PORT/?ssl-mode=VERIFY_IDENTITY&ssl-ca=FILE`. Raises InvalidInput.

    Without `ssl-mode` what is sent can be read on the way; with it the server's certificate is checked."""

    def __init__(self, url: Secret) -> None:
        try:
            parts = urlsplit(url.reveal())
            self.host, self.port = parts.hostname or "", str(parts.port or 3306)
            self.options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            raise InvalidInput("that is no address of a MySQL or MariaDB server", hint=_HINT) from None
        is_known = set(self.options) <= {"ssl-mode", "ssl-ca"} and self.options.get("ssl-mode") in (None, "VERIFY_IDENTITY")
        if parts.scheme not in _SCHEMES or not self.host or not parts.username or not is_known:
            raise InvalidInput("that is no address of a MySQL or MariaDB server", hint=_HINT)
        self.administrator = Login(unquote(parts.username), Secret(unquote(parts.password or "")))

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_encrypted(self) -> bool:
        return bool(self.options)

    @property
    def authority(self) -> str:
        """The file with its certificate; empty for those that this machine trusts."""
        return self.options.get("ssl-ca", "")


class Connection:
    """Each statement by itself, committed at once."""

    def __init__(self, raw: pymysql.connections.Connection[pymysql.cursors.Cursor]) -> None:
        self._raw = raw

    async def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """The rows. A statement may be several ones where the connection was opened for that: then those of the last."""
        return await asyncio.to_thread(self._execute, statement, values)

    async def end_session(self, number: int) -> None:
        """Another's; one that has ended meanwhile is no error."""
        try:
            await self.execute(f"KILL {number}")
        except pymysql.MySQLError as error:
            if error.args[0] != ER.NO_SUCH_THREAD:
                raise

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        with self._raw.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = list(cursor.fetchall())
            while cursor.nextset():
                rows = list(cursor.fetchall())
        return rows


@asynccontextmanager
async def connected(
    address: Address, login: Login | None = None, *, database: str = "", several: bool = False
) -> AsyncIterator[Connection]:
    """As the administrator, unless another is named. `several`: text of many statements may be sent. Raises Unavailable, OutcomeUnknown,
    Refused."""
    who = login or address.administrator
    try:
        raw = await asyncio.to_thread(_opened, address, who, database, CLIENT.MULTI_STATEMENTS if several else 0)
    except (pymysql.MySQLError, OSError) as error:
        hint = "is it up, and are address, name and password right? `mooring service add-server` changes them"
        raise Unavailable(f"the server does not let us in: {_said(error)}", hint=hint, where=address.place) from None
    try:
        connection = Connection(raw)
        await connection.execute(_LOCKS)
        yield connection
    except (pymysql.MySQLError, OSError) as error:
        raise _translated(error, address) from None
    finally:
        if raw.open:
            await asyncio.to_thread(raw.close)


def quoted(name: str) -> str:
    """A name that Mooring gave, as an identifier."""
    if not _NAME.match(name):
        raise Refused(f"{name[:70]!r} is no name that Mooring gives")
    return f"`{name}`"


def account(name: str) -> str:
    """Of whoever comes under that name, wherever from."""
    return f"{quoted(name)}@'%'"


def pattern(name: str) -> str:
    """A database where GRANT names one: there `_` stands for any character, so that the grant would reach others too."""
    return quoted(name).replace("_", r"\_")


def _opened(address: Address, who: Login, database: str, flags: int) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
    return pymysql.connect(
        host=address.host,
        port=int(address.port),
        user=who.name,
        password=who.password.reveal(),
        database=database or None,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=_CONNECT,
        read_timeout=_ANSWER,
        write_timeout=_ANSWER,
        client_flag=flags,
        program_name="mooring",
        ssl=ssl.create_default_context(cafile=address.authority or None) if address.is_encrypted else None,
    )


def _translated(error: Exception, address: Address) -> MooringError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = _said(error)
    if code in _PRIVILEGE:
        return Refused(f"the server says: {said}", hint="`mooring service servers` names the rights that are missing", where=address.place)
    if code in _BROKEN or isinstance(error, OSError):
        return OutcomeUnknown(f"the connection broke: {said}", hint="it is looked at again", where=address.place)
    return Unavailable(f"the server says: {said}", where=address.place)


def _said(error: Exception) -> str:
    """One line. What the server says of a statement never holds a password: only verifiers are sent."""
    words = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join((words or type(error).__name__).split())[:500]
