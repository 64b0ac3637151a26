"""A bucket: a piece is what begins with one prefix of it, and users of the endpoint whose keys reach that and nothing else.

Marks are objects below `.mooring/`, where no key of an app reaches. A piece that is not marked as ready was begun, and nobody has its keys.
Must not: read an app's objects with the administrator's key, but to have the server copy them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from mooring.drivers.service import marks
from mooring.drivers.service.bucket import dumping, marking, objects, users
from mooring.drivers.service.bucket.inspection import findings
from mooring.drivers.service.bucket.marking import Found
from mooring.drivers.service.bucket.session import Address, halves, objects_of, translated, users_of
from mooring.drivers.service.bucket.users import prefix
from mooring.drivers.service.contract import Login, ServerFacts, ServiceDriver
from mooring.errors import MooringError, NotFound, Refused
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece

T = TypeVar("T")


class BucketServer:
    """One bucket, as the administrator in its address."""

    def __init__(self, url: Secret, *, controller: str) -> None:
        self._address = Address(url)
        self._controller = controller

    async def inspect(self) -> ServerFacts:
        version, found = await self._apart(lambda: findings(self._s3, self._iam, self._address.bucket))
        return ServerFacts(place=self._address.place, version=version, findings=found)

    def variables(self, piece: Piece, login: Login) -> dict[str, Secret]:
        name, secret = halves(login.password)
        return {
            "URL": Secret(f"s3://{self._address.bucket}/{prefix(piece)}"),
            "BUCKET": Secret(self._address.bucket),
            "PREFIX": Secret(prefix(piece)),
            "ENDPOINT_URL": Secret(self._address.endpoint),
            "REGION": Secret(self._address.region),
            "ACCESS_KEY_ID": Secret(name),
            "SECRET_ACCESS_KEY": secret,
        }

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> Login:
        return await self._apart(lambda: self._made(mark, piece, login, lambda: None))

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> Login:
        def fill() -> None:
            self._ready(source)
            objects.copy(self._s3, self._address.bucket, prefix(source), prefix(piece), kept=objects.mask(mask))

        return await self._apart(lambda: self._made(mark, piece, login, fill))

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> Login:
        def let_in() -> Login:
            self._step(mark, piece, self._ready(piece))
            return users.let_in(self._iam, self._address, piece, login)

        return await self._apart(let_in)

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        def end() -> None:
            self._step(mark, piece, self._ready(piece))
            self._end_users(piece, keep=keep)

        await self._apart(end)

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        def carry() -> None:
            self._ready(piece)
            dumping.dump(objects_of(self._address, login.password), self._address.bucket, prefix(piece), into)

        await self._apart(carry)

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        """A server that dies in the middle has some objects of the dump and some older ones: it is restored again."""

        def carry() -> None:
            self._step(mark, piece, self._ready(piece))
            dumping.restore(objects_of(self._address, login.password), self._address.bucket, prefix(piece), dump)

        await self._apart(carry)

    async def size(self, piece: Piece) -> int:
        def measured() -> int:
            self._ready(piece)
            return sum(size for _, size in objects.listing(self._s3, self._address.bucket, prefix(piece)))

        return await self._apart(measured)

    async def remove(self, mark: Mark, piece: Piece) -> None:
        def take_away() -> None:
            found = marking.find(self._s3, self._address.bucket, piece)
            if found.mark is None:
                self._check_free(piece)
                return
            self._step(mark, piece, found, is_ready=False)
            self._emptied(piece)
            marking.erase(self._s3, self._address.bucket, piece)

        await self._apart(take_away)

    async def find_owned(self) -> tuple[Owned, ...]:
        def found() -> tuple[Owned, ...]:
            pieces = marking.pieces(self._s3, self._address.bucket, self._controller)
            names = users.every(self._iam)
            logins = [Owned(what="login", name=name, piece=piece) for piece in pieces for name in users.of_piece(names, piece)]
            return tuple(sorted([*(Owned(what="prefix", name=piece.identity, piece=piece) for piece in pieces), *logins], key=_name))

        return await self._apart(found)

    @cached_property
    def _s3(self) -> Any:
        return objects_of(self._address)

    @cached_property
    def _iam(self) -> Any:
        return users_of(self._address)

    async def _apart(self, work: Callable[[], T]) -> T:
        """In a thread of its own, since the library waits."""

        def run() -> T:
            with translated(self._address):
                return work()

        return await asyncio.to_thread(run)

    def _made(self, mark: Mark, piece: Piece, login: Login, fill: Callable[[], None]) -> Login:
        found = marking.find(self._s3, self._address.bucket, piece)
        if found.mark is None:
            self._check_free(piece)
        if found.mark is None or not found.mark.is_ready:
            found = self._step(mark, piece, found, is_ready=False)
            self._emptied(piece)
            try:
                fill()
            except MooringError:
                self._emptied(piece)
                raise
        valid = users.let_in(self._iam, self._address, piece, login)
        self._step(mark, piece, found)
        return valid

    def _step(self, mark: Mark, piece: Piece, found: Found, *, is_ready: bool = True) -> Found:
        """The mark as it is to be, written over the one that was found. Raises StaleFence, and as `marking.write`."""
        marks.check_fence(piece, found.mark.fence if found.mark else 0, mark.fence, where=self._address.place)
        return marking.write(self._s3, self._address.bucket, piece, found, fence=mark.fence, is_ready=is_ready)

    def _ready(self, piece: Piece) -> Found:
        """Raises NotFound."""
        found = marking.find(self._s3, self._address.bucket, piece)
        if found.mark is None or not found.mark.is_ready:
            raise NotFound(f"{piece.environment} has no {piece.service} in this bucket", where=self._address.place)
        return found

    def _check_free(self, piece: Piece) -> None:
        """Raises Refused where something of that name is there, which Mooring has not made."""
        if objects.are_there(self._s3, self._address.bucket, prefix(piece)):
            raise Refused(f"objects {prefix(piece)}… are there and do not carry the mark of {piece.environment}", hint="rename them")
        if named := users.of_piece(users.every(self._iam), piece):
            raise Refused(f"the user {named[0]} is there, and {piece.environment} has no mark in this bucket", hint="rename it")

    def _emptied(self, piece: Piece) -> None:
        self._end_users(piece)
        objects.remove(self._s3, self._address.bucket, prefix(piece))

    def _end_users(self, piece: Piece, *, keep: str = "") -> None:
        for name in users.of_piece(users.every(self._iam), piece):
            if name != keep:
                users.end(self._iam, name)


def _name(owned: Owned) -> str:
    return owned.name


_: type[ServiceDriver] = BucketServer
