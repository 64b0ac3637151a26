"""PostgreSQL: a piece is a database of the administrator's, with a role that owns what is in it and logins that act as that role.

The administrator keeps the database itself, so that an app can neither rename nor drop it, nor write its mark; and gives it away last of
all: until then nobody else can connect, and what a crash leaves is dropped and made anew.
Must not: run an app's SQL, or read what it has stored, with more rights than the app's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg import sql

from mooring.drivers.service import marks
from mooring.drivers.service.contract import Login, ServerFacts, ServiceDriver
from mooring.drivers.service.postgres import carrying, roles
from mooring.drivers.service.postgres.inspection import findings
from mooring.drivers.service.postgres.session import Address, Connection, connected
from mooring.errors import MooringError, NotFound, Refused
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece

_DATABASE = "SELECT pg_get_userbyid(datdba), shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
_UNSYNCED = "SET synchronous_commit = off"  # until a database is opened: that waits for the disk, and so for all that was written before it
_OWNED = (
    "SELECT 'database', datname, shobj_description(oid, 'pg_database') FROM pg_database"
    " UNION ALL SELECT 'role', rolname, shobj_description(oid, 'pg_authid') FROM pg_roles ORDER BY 1, 2"
)
_DEPENDENTS = (
    "SELECT DISTINCT d.datname, shobj_description(d.oid, 'pg_database') FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid"
    " JOIN pg_roles r ON r.oid = s.refobjid WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = %s"
)


class PostgresServer:
    """One server, as the role in its address: a superuser, or one with CREATEDB and CREATEROLE."""

    def __init__(self, url: Secret, *, controller: str) -> None:
        self._address = Address(url)
        self._controller = controller

    async def inspect(self) -> ServerFacts:
        async with self._connected() as connection:
            version, found = await findings(connection)
        return ServerFacts(place=self._address.place, version=version, findings=found)

    def variables(self, piece: Piece, login: Login) -> dict[str, Secret]:
        options = f"?{urlencode(self._address.options)}" if self._address.options else ""
        host = quote(self._address.host, safe="") if "/" in self._address.host else self._address.host
        password = quote(login.password.reveal(), safe="")
        return {"URL": Secret(f"postgresql://{login.name}:{password}@{host}:{self._address.port}/{piece.identity}{options}")}

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> None:
        await self._made(mark, piece, login, source=None, mask="")

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> None:
        await self._made(mark, piece, login, source=source, mask=mask)

    async def _made(self, mark: Mark, piece: Piece, login: Login, *, source: Piece | None, mask: str) -> None:
        async with self._alone(mark, piece) as connection:
            found = await _database(connection, piece)
            if found is not None and found.is_ready:
                await roles.ensure_owner(connection, piece, fence=mark.fence)
                await roles.ensure_login(connection, piece, login)
                return
            template = await self._templated(connection, source)
            await connection.execute(_UNSYNCED)
            await roles.ensure_owner(connection, piece, fence=mark.fence)
            if found is not None:
                await _drop(connection, piece)
            admitted = asyncio.create_task(self._admitted(piece, login))  # on a connection of its own, while the server copies
            try:
                await _create(connection, piece, source=template)
                await self._settle(piece, source=source)
            finally:
                await admitted
            if mask:
                await self._masked(connection, piece, login, mask)
            await _open(connection, piece)

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> None:
        async with self._alone(mark, piece) as connection:
            await roles.ensure_login(connection, piece, login)

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        async with self._alone(mark, piece) as connection:
            for name in await roles.logins(connection, piece):
                if name != keep:
                    await self._drop_role(connection, name)

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        await carrying.dump(self._address, piece.identity, login, into)

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        async with self._alone(mark, piece):
            await carrying.restore(self._address, piece.identity, login, dump)

    async def size(self, piece: Piece) -> int:
        async with self._connected() as connection:
            if await _database(connection, piece) is None:
                raise NotFound(f"there is no database {piece.identity}", where=self._address.place)
            found = await (await connection.execute("SELECT pg_database_size(%s)", [piece.identity])).fetchone()
        return int(found[0]) if found else 0

    async def remove(self, mark: Mark, piece: Piece) -> None:
        async with self._alone(mark, piece) as connection:
            await _drop(connection, piece)
            if await roles.fence_of(connection, piece) is None:
                return
            for name in (*await roles.logins(connection, piece), piece.identity):
                await self._drop_role(connection, name)

    async def find_owned(self) -> tuple[Owned, ...]:
        async with self._connected() as connection:
            rows = await (await connection.execute(_OWNED)).fetchall()
        found = [Owned(what=what, name=name, piece=mark.piece) for what, name, text in rows if (mark := marks.read(text)) is not None]
        return tuple(each for each in found if each.piece.controller == self._controller and each.name.startswith(each.piece.identity))

    # one connection after another

    @asynccontextmanager
    async def _connected(self, *, database: str = "") -> AsyncIterator[Connection]:
        """As the administrator."""
        async with connected(self._address, self._address.conninfo(database=database)) as connection:
            yield connection

    @asynccontextmanager
    async def _alone(self, mark: Mark, piece: Piece) -> AsyncIterator[Connection]:
        """Nobody else acts on the piece meanwhile; who comes with an older number is sent away. Raises StaleFence."""
        async with self._connected() as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", [_lock(piece)])
            seen = await roles.fence_of(connection, piece)
            marks.check_fence(piece, seen or 0, mark.fence, where=self._address.place)
            if seen is not None and seen < mark.fence:
                await roles.raise_fence(connection, piece, mark.fence)
            yield connection

    async def _templated(self, connection: Connection, source: Piece | None) -> str:
        """The name of the database to copy; raises NotFound, Refused."""
        if source is None:
            return "template0"
        found = await _database(connection, source)
        if found is None or not found.is_ready:
            raise NotFound(f"{source.environment} has no {source.service} to copy on this server", where=self._address.place)
        return source.identity

    async def _admitted(self, piece: Piece, login: Login) -> None:
        async with self._connected() as connection:
            await roles.ensure_login(connection, piece, login)

    async def _settle(self, piece: Piece, *, source: Piece | None) -> None:
        """Inside the new database: what is there by default, or was copied, belongs to the app's role."""
        owner = sql.Identifier(piece.identity)
        async with self._connected(database=piece.identity) as connection:
            names = (source.identity, *await roles.logins(connection, source)) if source else ()
            async with connection.pipeline():
                await connection.execute(_UNSYNCED)
                await connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))
                for name in names:
                    await connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(name), owner))

    async def _masked(self, connection: Connection, piece: Piece, login: Login, mask: str) -> None:
        """As the login, whom nobody else has yet, in one transaction: an app's SQL never runs with more rights than the app's."""
        grant = "GRANT CONNECT ON DATABASE {} TO {}"
        await connection.execute(sql.SQL(grant).format(sql.Identifier(piece.identity), sql.Identifier(login.name)))
        conninfo = self._address.conninfo(database=piece.identity, user=login.name, password=login.password)
        try:
            async with connected(self._address, conninfo) as inside, inside.transaction():
                await inside.execute(mask.encode())
        except MooringError:
            await _drop(connection, piece)
            raise

    async def _drop_role(self, connection: Connection, name: str) -> None:
        """What it owns anywhere goes to the role that owns the rest there."""
        await roles.shut_out(connection, (name,))
        rows = await (await connection.execute(_DEPENDENTS, [name])).fetchall()
        for database, text in rows:
            mark = marks.read(text)
            if mark is None or mark.piece.identity != database:
                raise Refused(
                    f"the role {name} owns or may use something in {database}", hint="take that away first", where=self._address.place
                )
            async with self._connected(database=database) as inside:
                await inside.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(name), sql.Identifier(database)))
                await inside.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        await roles.drop(connection, name)


async def _database(connection: Connection, piece: Piece) -> marks.Written | None:
    """Its mark; None where there is no such database. Raises Refused for one that is not the piece's.

    One that belongs to the piece's own role was made for it, and the crash came before its mark."""
    found = await (await connection.execute(_DATABASE, [piece.identity])).fetchone()
    if found is None:
        return None
    owner, text = found
    mark = marks.read(text)
    if mark is None and owner == piece.identity:
        return marks.Written(controller=piece.controller, environment=str(piece.environment), service=piece.service, is_ready=False)
    if mark is None or mark.piece != piece:
        raise marks.not_marked(f"the database {piece.identity}", piece, hint="rename it")
    return mark


async def _drop(connection: Connection, piece: Piece) -> None:
    if await _database(connection, piece) is not None:
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(piece.identity)))


async def _create(connection: Connection, piece: Piece, *, source: str) -> None:
    """Marked as not ready, and closed to everybody but the administrator."""
    name = sql.Identifier(piece.identity)
    create = "CREATE DATABASE {} OWNER {} TEMPLATE {} ENCODING 'UTF8' ALLOW_CONNECTIONS false"
    await connection.execute(sql.SQL(create).format(name, name, sql.Identifier(source)))
    async with connection.pipeline(), connection.transaction():
        await connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(name))
        await connection.execute(_comment(piece, is_ready=False))
        await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        await connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


async def _open(connection: Connection, piece: Piece) -> None:
    """From here on the piece's logins get in."""
    name = sql.Identifier(piece.identity)
    async with connection.pipeline(), connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit TO DEFAULT")
        await connection.execute(sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(name, name))
        await connection.execute(_comment(piece, is_ready=True))


def _comment(piece: Piece, *, is_ready: bool) -> sql.Composed:
    text = marks.written(piece, is_ready=is_ready)
    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(piece.identity), sql.Literal(text))


def _lock(piece: Piece) -> int:
    """A number for the advisory lock."""
    return int.from_bytes(hashlib.sha256(piece.identity.encode()).digest()[:8], "big", signed=True)


_: type[ServiceDriver] = PostgresServer
