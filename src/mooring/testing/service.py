"""Servers of data services in memory: pieces are dictionaries, logins open them. Whole, stateful, and as strict as the real ones.

`before` and `after` are called around each effect with its name and the piece, and may raise: nothing has happened, or it has landed.
Must not: keep anything beyond the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec

from mooring.drivers.service.contract import ISOLATION, Login, ServerFacts, ServiceDriver, ServiceDrivers
from mooring.errors import InvalidInput, NotFound, Refused, StaleFence, Unavailable
from mooring.model.host import Finding, Weight
from mooring.model.lease import Mark
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece, ServiceServer

Hook = Callable[[str, str], None]


@dataclass(eq=False)
class Stored:
    """What lies on a server under one name. `piece` None: somebody else's."""

    piece: Piece | None
    fence: int = 0
    passwords: dict[str, Secret] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """One server, and its driver. `is_open`: logins reach something that is not theirs; `is_down`: it does not answer;
    `makes_passwords`: itself, and tells each once."""

    def __init__(self, *, controller: str = "c0ffee", place: str = "db.test:5432") -> None:
        self.stored: dict[str, Stored] = {}
        self.is_open = False
        self.is_down = False
        self.makes_passwords = False
        self._made = 0
        self.before: Hook = lambda name, subject: None
        self.after: Hook = lambda name, subject: None
        self._controller = controller
        self._place = place

    # as an app

    def enter(self, url: Secret) -> dict[str, str]:
        """What lies in the piece that a login's URL opens. Raises Refused for a wrong one."""
        parts = urlsplit(url.reveal())
        stored = self.stored.get(parts.path.removeprefix("/"))
        if stored is None or stored.passwords.get(parts.username or "") != Secret(unquote(parts.password or "")):
            raise Refused("that login opens nothing here")
        return stored.content

    # as the contract has it

    async def inspect(self) -> ServerFacts:
        self._answer()
        found = Finding(subject=ISOLATION, weight=Weight.FAULT, said="everybody reaches everything", hint="close it")
        return ServerFacts(place=self._place, version="1.0", findings=(found,) if self.is_open else ())

    def variables(self, piece: Piece, login: Login) -> dict[str, Secret]:
        return {"URL": Secret(f"postgresql://{login.name}:{quote(login.password.reveal(), safe='')}@{self._place}/{piece.identity}")}

    async def provide(self, mark: Mark, piece: Piece, login: Login) -> Login | None:
        with self._effect("provide", mark, piece):
            stored = self.stored.setdefault(piece.identity, Stored(piece))
            stored.fence = mark.fence
            return self._let_in(stored, login)

    async def clone(self, mark: Mark, piece: Piece, login: Login, *, source: Piece, mask: str) -> Login | None:
        """Of SQL it understands one sentence alone: DELETE FROM entries."""
        with self._effect("clone", mark, piece):
            if mask not in ("", "DELETE FROM entries"):
                raise Unavailable("that is no SQL")
            content = {} if mask else dict(self._found(source).content)
            stored = self.stored.setdefault(piece.identity, Stored(piece, content=content))
            stored.fence = mark.fence
            return self._let_in(stored, login)

    async def admit(self, mark: Mark, piece: Piece, login: Login) -> Login | None:
        with self._effect("admit", mark, piece):
            return self._let_in(self._found(piece), login)

    async def withdraw(self, mark: Mark, piece: Piece, *, keep: str) -> None:
        with self._effect("withdraw", mark, piece):
            stored = self._found(piece)
            stored.passwords = {name: password for name, password in stored.passwords.items() if name == keep}

    async def dump(self, piece: Piece, login: Login, into: Path) -> None:
        self._answer()
        content = dict(self.enter(self.variables(piece, login)["URL"]))
        into.touch(mode=0o600, exist_ok=False)
        into.write_bytes(msgspec.json.encode(content))

    async def restore(self, mark: Mark, piece: Piece, login: Login, dump: Path) -> None:
        try:
            content = msgspec.json.decode(dump.read_bytes(), type=dict[str, str])
        except msgspec.DecodeError:
            raise Unavailable("that is no dump") from None
        with self._effect("restore", mark, piece):
            self.enter(self.variables(piece, login)["URL"]).update(content)

    async def size(self, piece: Piece) -> int:
        self._answer()
        return sum(len(key) + len(value) for key, value in self._found(piece).content.items())

    async def remove(self, mark: Mark, piece: Piece) -> None:
        with self._effect("remove", mark, piece):
            self.stored.pop(piece.identity, None)

    async def find_owned(self) -> tuple[Owned, ...]:
        self._answer()
        mine = [(name, each.piece) for name, each in sorted(self.stored.items()) if each.piece is not None]
        return tuple(Owned(what="database", name=name, piece=piece) for name, piece in mine if piece.controller == self._controller)

    @contextmanager
    def _effect(self, name: str, mark: Mark, piece: Piece) -> Iterator[None]:
        self.before(name, piece.identity)
        self._answer()
        stored = self.stored.get(piece.identity)
        if stored is not None and stored.piece != piece:
            raise Refused(f"{piece.identity} is there and does not carry the mark of {piece.environment}")
        if stored is not None and stored.fence > mark.fence:
            raise StaleFence(f"{piece.identity} has seen {stored.fence}, and this is {mark.fence}")
        if stored is not None:
            stored.fence = mark.fence
        yield
        self.after(name, piece.identity)

    def _let_in(self, stored: Stored, login: Login) -> Login | None:
        """What it was given is valid, unless this server makes passwords: then what it made, or a new one for what it did not make."""
        if not self.makes_passwords:
            stored.passwords[login.name] = login.password
            return None
        known = stored.passwords.get(login.name)
        if known is None or Login(login.name, known) != login:
            self._made += 1
            stored.passwords[login.name] = Secret(f"made-{self._made}:by the server")
        return Login(login.name, stored.passwords[login.name])

    def _found(self, piece: Piece) -> Stored:
        stored = self.stored.get(piece.identity)
        if stored is None:
            raise NotFound(f"there is no {piece.identity}")
        return stored

    def _answer(self) -> None:
        if self.is_down:
            raise Unavailable("the server does not answer", where=self._place)


class FakeServers:
    """The servers that there are, by their address."""

    controller = "c0ffee"

    def __init__(self) -> None:
        self.by_address: dict[str, FakeServer] = {}

    def add(self, address: str) -> FakeServer:
        return self.by_address.setdefault(
            address, FakeServer(controller=self.controller, place=urlsplit(address).netloc.rpartition("@")[2])
        )

    def driver(self, server: ServiceServer, address: Secret) -> ServiceDriver:
        known = self.by_address.get(address.reveal())
        if known is None:
            raise InvalidInput("that is no address of a server")
        return known


_: type[ServiceDriver] = FakeServer
_drivers: type[ServiceDrivers] = FakeServers
