"""What a server of a data service must do: make pieces of it that reach nothing but themselves, and say truthfully which are there.

Promises, tested by `mooring.testing.service_contract` on every driver and on the fake:
  - What is made carries Mooring's mark from the moment it is there; what does not carry it is never touched or told.
  - Every effect may be repeated, and finishes what a crash left half done: a piece is there as a whole, once, or nobody can use it.
  - A login reaches its own piece and no other. A password stands in nothing that the server logs.
  - Where the server makes passwords itself, one that nobody was told is taken back when the effect is repeated, and another made.
  - Any login of a piece may use all that any other of it has made; one that is withdrawn gets in no more, and nothing of its work goes.
  - An effect whose mark is older than one seen for that piece raises StaleFence and does nothing.
Raises Unavailable (certainly nothing happened), OutcomeUnknown (look again) or Refused, never a foreign error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from mooring.model.host import Finding
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece, ServiceServer

ISOLATION = "isolation"
"""The subject of a finding that a person may accept: logins of pieces reach something there that is not theirs."""


@dataclass(frozen=True)
class Login:
    """A name on the server with its password. A piece may have several for a while."""

    name: str
    password: Secret


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on a server. `place` may be shown, the address may not. With a fault among its findings it cannot be used."""

    place: str
    version: str
    findings: tuple[Finding, ...] = ()


class ServiceDriver(Protocol):
    """One server, as its administrator."""

    async def inspect(self) -> ServerFacts:
        """Changes nothing."""

    def variables(self, piece: Piece, login: Login) -> dict[str, Secret]:
        """What an app is given to reach the piece, by what stands behind the prefix: URL; what all keys of it begin with, PREFIX;
        of a bucket all that a client of S3 needs."""

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> Login | None:
        """The piece, empty, with this login. One that is there stays as it is. Gives the login with the password that is valid, where the
        server makes passwords itself; None where it is as it was given. Raises Refused where something of another's has its name."""

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> Login | None:
        """Like `provide`, but it begins with all that is in another piece of this server. `mask` is SQL, or a script of Redis', run in it
        with no more rights than the login's before anybody gets in; of a bucket it says which objects are copied. Raises Refused
        where the server copies nothing that is in use, Unavailable where the mask fails: then nothing of it stays."""

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> Login | None:
        """One more login, beside those that there are; its password where it is there already. Gives what `provide` does."""

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        """Every login but this one."""

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        """All that is in it, as one new file, 0600."""

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        """What a dump holds takes the place of what has the same name: all of it, or nothing. Runs as the login, never as more."""

    async def size(self, piece: Piece) -> int:
        """Bytes on the server's disk."""

    async def remove(self, mark: Mark, piece: Piece) -> None:
        """It with all that is in it and all its logins. One that is gone is no error."""

    async def find_owned(self) -> tuple[Owned, ...]:
        """All that carries this controller's mark, by name."""


@runtime_checkable
class OnDisk(Protocol):
    """The optional power of a server whose pieces are files of this machine, which whoever runs as the same account can open."""

    @property
    def root(self) -> str:
        """The directory in which all of them lie."""

    def place(self, piece: Piece) -> str:
        """The piece's own directory below it, where nothing of another's is."""


class ServiceDrivers(Protocol):
    """Of one controller, which is named in the marks."""

    @property
    def controller(self) -> str: ...

    def driver(self, server: ServiceServer, address: Secret) -> ServiceDriver:
        """Raises InvalidInput for an address that is none."""
