"""MySQL and MariaDB: a piece is a database, with accounts that may do everything in it and nothing outside it.

An account is locked while it is made, and opened last of all: until then nobody gets in, and what a crash leaves is dropped and made anew.
Must not: run an app's SQL, or read what it has stored, with more rights than the app's (texts of routines apart, which a dump needs).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from mooring.drivers.service import marks
from mooring.drivers.service.contract import Login, ServerFacts, ServiceDriver
from mooring.drivers.service.mysql import accounts, carrying, marking
from mooring.drivers.service.mysql.inspection import findings, version_of
from mooring.drivers.service.mysql.marking import Marked, What
from mooring.drivers.service.mysql.session import Address, Connection, account, connected, quoted
from mooring.errors import MooringError, NotFound
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece

_IS_THERE = "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s"
_LETTERS = "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = %s"
_IS_FILLED = (
    "SELECT 1 FROM information_schema.tables WHERE table_schema = %s UNION ALL"
    " SELECT 1 FROM information_schema.routines WHERE routine_schema = %s LIMIT 1"
)
_FILES = "SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_sys_tablespaces WHERE name LIKE %s"
_FILES_OF_MYSQL = "SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_tablespaces WHERE name LIKE %s"
_ESTIMATE = (
    "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = %s AND engine <> 'InnoDB'"
)
_TRIAL = "_try"


class MysqlServer:
    """One server, as the account in its address: one with `inspection.RIGHTS`."""

    def __init__(self, url: Secret, *, controller: str) -> None:
        self._address = Address(url)
        self._controller = controller

    async def inspect(self) -> ServerFacts:
        async with connected(self._address) as connection:
            version, found = await findings(connection)
        return ServerFacts(place=self._address.place, version=version, findings=found)

    def variables(self, piece: Piece, login: Login) -> dict[str, Secret]:
        options = f"?{urlencode(self._address.options)}" if self._address.options else ""
        password = quote(login.password.reveal(), safe="")
        return {"URL": Secret(f"mysql://{login.name}:{password}@{self._address.place}/{piece.identity}{options}")}

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> None:
        await self._made(mark, piece, login, source=None, mask="")

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> None:
        await self._made(mark, piece, login, source=source, mask=mask)

    async def _made(self, mark: Mark, piece: Piece, login: Login, *, source: Piece | None, mask: str) -> None:
        async with self._alone(mark, piece) as connection:
            found = await marking.find(connection, What.DATABASE, piece.identity, piece)
            if found is None or not found.is_ready:
                letters = await self._letters(connection, source)
                await self._emptied(connection, piece, Marked(mark.fence, is_ready=False, is_made=False), letters=letters)
            await accounts.ensure(connection, piece, login, database=piece.identity)
            if source is not None and (found is None or not found.is_ready):
                await self._filled(connection, piece, login, source=source, mask=mask)
            await marking.write(connection, What.DATABASE, piece.identity, piece, Marked(mark.fence, is_ready=True, is_made=True))
            await accounts.admit(connection, login)

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> None:
        async with self._alone(mark, piece) as connection:
            await self._ready(connection, piece)
            await accounts.ensure(connection, piece, login, database=piece.identity)
            await accounts.admit(connection, login)

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        async with self._alone(mark, piece) as connection:
            for name in await marking.names(connection, What.LOGIN, piece):
                if name != keep:
                    await accounts.end(connection, name)

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        """Not as the login: whoever did not define a routine cannot read its text."""
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            async with self._reader(connection, piece, piece) as reader:
                await carrying.dump(self._address, piece.identity, reader, into)

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        """MySQL knows no transaction over the making of tables: so the whole dump is tried beside first, by somebody who gets nowhere else.
        What cannot be brought back has changed nothing then."""
        async with self._alone(mark, piece) as connection:
            await self._ready(connection, piece)
            async with self._trial(connection, mark, piece) as (database, visitor):
                await carrying.load(self._address, database, visitor, dump)
            await carrying.load(self._address, piece.identity, login, dump)

    async def size(self, piece: Piece) -> int:
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            names = piece.identity.replace("_", r"\_") + "/%"
            files = await connection.execute(_FILES if await _is_mariadb(connection) else _FILES_OF_MYSQL, names)
            others = await connection.execute(_ESTIMATE, piece.identity)
            return int(str(files[0][0])) + int(str(others[0][0]))

    async def remove(self, mark: Mark, piece: Piece) -> None:
        async with self._alone(mark, piece) as connection:
            if await connection.execute(_IS_THERE, piece.identity):
                await self._check_ours(connection, piece, piece.identity)
            logins = await marking.names(connection, What.LOGIN, piece)
            for name in logins:
                await accounts.shut_out(connection, name)
            for name in await marking.names(connection, What.DATABASE, piece):
                await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
            for name in logins:
                await accounts.drop(connection, name)
            for name in sorted(await marking.names(connection, What.DATABASE, piece), key=len, reverse=True):
                await marking.erase(connection, What.DATABASE, name)

    async def find_owned(self) -> tuple[Owned, ...]:
        async with connected(self._address) as connection:
            return await marking.owned(connection, self._controller)

    @asynccontextmanager
    async def _alone(self, mark: Mark, piece: Piece) -> AsyncIterator[Connection]:
        """Nobody else acts on the piece meanwhile; who comes with an older number is sent away. Raises StaleFence."""
        async with connected(self._address) as connection:
            await marking.prepare(connection)
            async with marking.turn(self._address, piece):
                seen = await marking.find(connection, What.DATABASE, piece.identity, piece)
                marks.check_fence(piece, seen.fence if seen is not None else 0, mark.fence, where=self._address.place)
                if seen is not None and seen.fence < mark.fence:
                    raised = Marked(mark.fence, seen.is_ready, seen.is_made)
                    await marking.write(connection, What.DATABASE, piece.identity, piece, raised)
                yield connection

    async def _ready(self, connection: Connection, piece: Piece) -> None:
        """Raises NotFound."""
        await marking.prepare(connection)
        found = await marking.find(connection, What.DATABASE, piece.identity, piece)
        if found is None or not found.is_ready:
            raise NotFound(f"{piece.environment} has no {piece.service} on this server", where=self._address.place)

    async def _emptied(self, connection: Connection, piece: Piece, marked: Marked, *, letters: str, name: str = "") -> None:
        """A database with nothing in it; what a crash left of one is dropped. Raises Refused for another's."""
        name = name or piece.identity
        if await connection.execute(_IS_THERE, name):
            await self._check_ours(connection, piece, name)
        await marking.write(connection, What.DATABASE, name, piece, marked)
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
        await connection.execute(f"CREATE DATABASE {quoted(name)} {letters}")
        await marking.write(connection, What.DATABASE, name, piece, Marked(marked.fence, marked.is_ready, is_made=True))

    async def _check_ours(self, connection: Connection, piece: Piece, name: str) -> None:
        """One whose making is not known to have been Mooring's is taken while nothing is in it. Raises Refused."""
        found = await marking.find(connection, What.DATABASE, name, piece)
        if found is None or (not found.is_made and await connection.execute(_IS_FILLED, name, name)):
            raise marks.not_marked(f"the database {name}", piece, hint="rename it")

    async def _letters(self, connection: Connection, source: Piece | None) -> str:
        """Character set and collation: those of what is copied. Raises NotFound."""
        if source is None:
            return "CHARACTER SET utf8mb4"
        await self._ready(connection, source)
        rows = await connection.execute(_LETTERS, source.identity)
        if not rows:
            raise NotFound(f"{source.environment} has dropped its {source.service} itself", where=self._address.place)
        letters, collation = (quoted(str(word)) for word in rows[0])
        return f"CHARACTER SET {letters} COLLATE {collation}"

    async def _filled(self, connection: Connection, piece: Piece, login: Login, *, source: Piece, mask: str) -> None:
        """As the login, whom nobody else has yet: no SQL of an app runs with more rights than the app's. What fails leaves no database."""
        await accounts.admit(connection, login)
        try:
            async with self._reader(connection, source, piece) as reader:
                await carrying.copy(self._address, source.identity, reader, piece.identity, login)
            if mask:
                async with connected(self._address, login, database=piece.identity, several=True) as inside:
                    await inside.execute(mask)
        except MooringError:
            await accounts.shut_out(connection, login.name)
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(piece.identity)}")
            raise

    @asynccontextmanager
    async def _reader(self, connection: Connection, source: Piece, guest: Piece) -> AsyncIterator[Login]:
        """Somebody who can read a database, and the texts of routines; marked as the guest's."""
        async with accounts.visitor(connection, guest, source.identity, accounts.READING) as reader:
            texts = "SELECT ON mysql.proc" if await _is_mariadb(connection) else "SHOW_ROUTINE ON *.*"
            await connection.execute(f"GRANT {texts} TO {account(reader.name)}")
            yield reader

    @asynccontextmanager
    async def _trial(self, connection: Connection, mark: Mark, piece: Piece) -> AsyncIterator[tuple[str, Login]]:
        """A database beside, and the one who gets in there and nowhere else. Both are gone in the end."""
        name = piece.identity + _TRIAL
        marked = Marked(mark.fence, is_ready=False, is_made=False)
        await self._emptied(connection, piece, marked, letters=await self._letters(connection, piece), name=name)
        try:
            async with accounts.visitor(connection, piece, name, accounts.ALL) as visitor:
                yield name, visitor
        finally:
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
            await marking.erase(connection, What.DATABASE, name)


async def _is_mariadb(connection: Connection) -> bool:
    make, _ = version_of(str((await connection.execute("SELECT VERSION()"))[0][0]))
    return make == "MariaDB"


_: type[ServiceDriver] = MysqlServer
