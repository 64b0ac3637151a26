"""Redis: a piece is what all its keys and channels begin with, and accounts that reach those and nothing else.

What belongs together is one transaction of the server's, so that a crash leaves a whole piece or one that nobody gets in to.
Must not: run an app's script with more rights than the app's.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from mooring.drivers.service import marks
from mooring.drivers.service.contract import Login, ServerFacts, ServiceDriver
from mooring.drivers.service.redis import accounts, keys
from mooring.drivers.service.redis.accounts import SAVE, Accounts, prefix
from mooring.drivers.service.redis.inspection import findings
from mooring.drivers.service.redis.session import Address, Connection, Words, connected
from mooring.errors import MooringError, NotFound, Refused
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece

Deciding = Callable[[Accounts], Sequence[Words]]


class RedisServer:
    """One server, as the account in its address, which may do everything."""

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
        url = f"{self._address.scheme}://{login.name}:{password}@{self._address.place}/0{options}"
        return {"URL": Secret(url), "PREFIX": Secret(prefix(piece))}

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> None:
        await self._made(mark, piece, login, source=None, mask="")

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> None:
        await self._made(mark, piece, login, source=source, mask=mask)

    async def _made(self, mark: Mark, piece: Piece, login: Login, *, source: Piece | None, mask: str) -> None:
        async with connected(self._address) as connection:
            await accounts.check(connection, piece, login.name)
            found = await accounts.find(connection, piece)
            if found.mark is None and await keys.are_there(connection, prefix(piece)):
                raise Refused(f"keys {prefix(piece)}… are there and do not carry the mark of {piece.environment}", hint="rename them")
            if found.mark is None or not found.mark.is_ready:
                await self._step(connection, mark, piece, lambda _: (), is_ready=False)
                if found.mark is not None:
                    await keys.remove(connection, prefix(piece))
                if source is not None:
                    await self._filled(connection, mark, piece, source=source, mask=mask)
            await self._step(connection, mark, piece, lambda _: [accounts.let_in(piece, login)])

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> None:
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            await accounts.check(connection, piece, login.name)
            await self._step(connection, mark, piece, lambda _: [accounts.let_in(piece, login)])

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            await self._step(connection, mark, piece, lambda found: [accounts.end(name) for name in found.logins if name != keep])

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            await keys.dump(connection, prefix(piece), into)

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            async with self._visitor(connection, mark, piece, accounts.restorer) as visitor, connected(self._address, visitor) as restorer:
                await keys.restore(restorer, connection, prefix(piece), dump)

    async def size(self, piece: Piece) -> int:
        async with connected(self._address) as connection:
            await self._ready(connection, piece)
            return await keys.size(connection, prefix(piece))

    async def remove(self, mark: Mark, piece: Piece) -> None:
        async with connected(self._address) as connection:
            found = await accounts.find(connection, piece)
            if found.mark is None:
                if await keys.are_there(connection, prefix(piece)):
                    raise Refused(f"keys {prefix(piece)}… are there and do not carry the mark of {piece.environment}", hint="rename them")
                return
            await self._step(connection, mark, piece, lambda found: [accounts.end(name) for name in found.logins], is_ready=False)
            await keys.remove(connection, prefix(piece))
            await self._step(connection, mark, piece, lambda _: [accounts.end(piece.identity), ("DEL", _turn(piece))])

    async def find_owned(self) -> tuple[Owned, ...]:
        async with connected(self._address) as connection:
            return await accounts.owned(connection, self._controller)

    async def _step(self, connection: Connection, mark: Mark, piece: Piece, deciding: Deciding, *, is_ready: bool = True) -> None:
        """The mark as it is to be, and what is decided over the accounts there are: all at once. Raises StaleFence."""

        async def decided() -> Sequence[Words]:
            found = await accounts.find(connection, piece)
            marks.check_fence(piece, found.mark.fence if found.mark else 0, mark.fence, where=self._address.place)
            return (accounts.marked(piece, fence=mark.fence, is_ready=is_ready), *deciding(found), SAVE)

        await connection.together(_turn(piece), decided)

    async def _ready(self, connection: Connection, piece: Piece) -> None:
        """Raises NotFound."""
        found = await accounts.find(connection, piece)
        if found.mark is None or not found.mark.is_ready:
            raise NotFound(f"{piece.environment} has no {piece.service} on this server", where=self._address.place)

    async def _filled(self, connection: Connection, mark: Mark, piece: Piece, *, source: Piece, mask: str) -> None:
        """What fails leaves no key. The mask is a script, and is given the names of all keys."""
        await self._ready(connection, source)
        try:
            await keys.copy(connection, prefix(source), prefix(piece))
            if mask:
                names = [name async for found in keys.batches(connection, prefix(piece)) for name in found]
                async with (
                    self._visitor(connection, mark, piece, accounts.let_in, is_ready=False) as visitor,
                    connected(self._address, visitor) as inside,
                ):
                    await inside.ask("EVAL", mask, len(names), *names, prefix(piece))
        except MooringError:
            await keys.remove(connection, prefix(piece))
            raise

    @asynccontextmanager
    async def _visitor(
        self, connection: Connection, mark: Mark, piece: Piece, account: Callable[[Piece, Login], Words], *, is_ready: bool = True
    ) -> AsyncIterator[Login]:
        """Somebody whom only this task knows. What a crash leaves of it goes with the next rotation."""
        suffix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
        login = Login(f"{piece.identity}_{suffix}", Secret(secrets.token_urlsafe(32)))
        await self._step(connection, mark, piece, lambda _: [account(piece, login)], is_ready=is_ready)
        try:
            yield login
        finally:
            await self._step(connection, mark, piece, lambda _: [accounts.end(login.name)], is_ready=is_ready)


def _turn(piece: Piece) -> str:
    return f"mooring:turn:{piece.identity}"


_: type[ServiceDriver] = RedisServer
