"""What every server of a data service does, fake or real: a subclass gives the fixture `rig`, and pytest runs all of it.

Must not: look inside a server but through its rig.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from mooring.drivers.service.contract import Login, ServiceDriver
from mooring.errors import DriverError, MooringError, Refused, StaleFence
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import ServiceName
from mooring.model.secret import Secret
from mooring.model.service import Piece, login_of

SHOP, BLOG = EnvironmentId.parse("shop"), EnvironmentId.parse("blog/staging")
CONTROLLER = "c0ffee"


class ServiceRig(Protocol):
    """A server, and how an app uses it: with nothing but what it is given."""

    @property
    def driver(self) -> ServiceDriver: ...

    @property
    def emptying(self) -> str:
        """A mask that takes away all that was written."""

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        """Raises MooringError or the client's own where the login does not get in."""

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]: ...

    async def occupy(self, piece: Piece) -> None:
        """Somebody else has something of that piece's name, without a mark."""

    async def is_occupied(self, piece: Piece) -> bool:
        """Whether that is there still, as it was."""


def a_piece(environment: EnvironmentId = SHOP, service: str = "db") -> Piece:
    return Piece(CONTROLLER, environment, ServiceName(service))


def a_login(piece: Piece, number: int = 1, password: str = "first sesame / @:?") -> Login:  # noqa: S107 (of a test)
    return Login(login_of(piece, number), Secret(password))


def a_mark(environment: EnvironmentId = SHOP, fence: int = 1) -> Mark:
    return Mark(environment, "d1", fence)


class ServiceContract:
    async def test_what_is_provided_can_be_written_and_read(self, rig: ServiceRig) -> None:
        piece, _, variables = await _provided(rig)
        await rig.write(variables, "a", "1")
        assert await rig.read(variables) == {"a": "1"}
        assert await rig.driver.size(piece) > 0

    async def test_providing_again_changes_nothing(self, rig: ServiceRig) -> None:
        piece, login, variables = await _provided(rig)
        await rig.write(variables, "a", "1")
        await rig.driver.provide(a_mark(), piece, login)
        assert await rig.read(variables) == {"a": "1"}

    async def test_providing_again_with_a_password_that_is_not_known_there_ends_with_one_that_is(self, rig: ServiceRig) -> None:
        piece, _, variables = await _provided(rig)
        await rig.write(variables, "a", "1")
        made = await rig.driver.provide(a_mark(), piece, a_login(piece, 1, "another")) or a_login(piece, 1, "another")
        assert await rig.read(rig.driver.variables(piece, made)) == {"a": "1"}

    async def test_a_wrong_password_opens_nothing(self, rig: ServiceRig) -> None:
        piece, _, _ = await _provided(rig)
        with pytest.raises(Exception):  # noqa: B017 (each client has its own)
            await rig.read(rig.driver.variables(piece, a_login(piece, 1, "guessed")))

    async def test_two_pieces_know_nothing_of_each_other(self, rig: ServiceRig) -> None:
        _, _, mine = await _provided(rig)
        _, _, others = await _provided(rig, a_piece(BLOG))
        await rig.write(mine, "a", "1")
        await rig.write(others, "b", "2")
        assert (await rig.read(mine), await rig.read(others)) == ({"a": "1"}, {"b": "2"})

    async def test_two_logins_are_valid_beside_each_other_and_see_the_same(self, rig: ServiceRig) -> None:
        piece, _, first = await _provided(rig)
        await rig.write(first, "a", "1")
        admitted = a_login(piece, 2, "second")
        for _ in range(2):
            admitted = await rig.driver.admit(a_mark(), piece, admitted) or admitted
        second = rig.driver.variables(piece, admitted)
        await rig.write(second, "b", "2")
        await rig.write(first, "c", "3")
        assert await rig.read(first) == await rig.read(second) == {"a": "1", "b": "2", "c": "3"}

    async def test_a_withdrawn_login_gets_in_no_more_and_its_work_stays(self, rig: ServiceRig) -> None:
        piece, _, first = await _provided(rig)
        await rig.write(first, "a", "1")
        admitted = await rig.driver.admit(a_mark(), piece, a_login(piece, 2, "second")) or a_login(piece, 2, "second")
        second = rig.driver.variables(piece, admitted)
        await rig.driver.withdraw(a_mark(), piece, keep=a_login(piece, 2).name)
        await rig.driver.withdraw(a_mark(), piece, keep=a_login(piece, 2).name)
        with pytest.raises(Exception):  # noqa: B017 (each client has its own)
            await rig.read(first)
        await rig.write(second, "b", "2")
        assert await rig.read(second) == {"a": "1", "b": "2"}

    async def test_a_dump_brings_back_what_was_there(self, rig: ServiceRig, tmp_path: Path) -> None:
        piece, login, variables = await _provided(rig)
        await rig.write(variables, "a", "1")
        await rig.driver.dump(piece, login, tmp_path / "dump")
        assert (tmp_path / "dump").stat().st_mode & 0o777 == 0o600
        await rig.write(variables, "a", "spoilt")
        await rig.driver.restore(a_mark(), piece, login, tmp_path / "dump")
        assert await rig.read(variables) == {"a": "1"}

    async def test_what_is_no_dump_changes_nothing(self, rig: ServiceRig, tmp_path: Path) -> None:
        piece, login, variables = await _provided(rig)
        await rig.write(variables, "a", "1")
        (tmp_path / "dump").write_bytes(b"no dump at all")
        with pytest.raises(DriverError):
            await rig.driver.restore(a_mark(), piece, login, tmp_path / "dump")
        assert await rig.read(variables) == {"a": "1"}

    async def test_a_clone_begins_with_all_of_its_source_and_is_its_own(self, rig: ServiceRig) -> None:
        source, _, first = await _provided(rig)
        await rig.write(first, "a", "1")
        copy = a_piece(BLOG)
        made = a_login(copy)
        for _ in range(2):
            made = await rig.driver.clone(a_mark(BLOG), copy, made, source=source, mask="") or made
        second = rig.driver.variables(copy, made)
        assert await rig.read(second) == {"a": "1"}
        await rig.write(second, "b", "2")
        assert await rig.read(first) == {"a": "1"}
        await rig.driver.remove(a_mark(), source)
        assert await rig.read(second) == {"a": "1", "b": "2"}

    async def test_a_mask_is_over_a_clone_before_anybody_gets_in(self, rig: ServiceRig) -> None:
        source, _, first = await _provided(rig)
        await rig.write(first, "a", "real")
        copy = a_piece(BLOG)
        variables = rig.driver.variables(copy, a_login(copy))
        with pytest.raises(DriverError):
            await rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask="no SQL")
        with pytest.raises(Exception):  # noqa: B017 (each client has its own)
            await rig.read(variables)
        made = await rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask=rig.emptying) or a_login(copy)
        assert await rig.read(rig.driver.variables(copy, made)) == {}
        assert await rig.read(first) == {"a": "real"}

    async def test_removing_takes_all_of_it_and_nothing_else(self, rig: ServiceRig) -> None:
        piece, _, variables = await _provided(rig)
        _, _, others = await _provided(rig, a_piece(BLOG))
        await rig.write(others, "b", "2")
        await rig.driver.remove(a_mark(), piece)
        await rig.driver.remove(a_mark(), piece)
        with pytest.raises(Exception):  # noqa: B017 (each client has its own)
            await rig.read(variables)
        assert {owned.piece for owned in await rig.driver.find_owned()} == {a_piece(BLOG)}
        assert await rig.read(others) == {"b": "2"}

    async def test_what_was_removed_can_be_provided_anew_and_is_empty(self, rig: ServiceRig) -> None:
        piece, login, variables = await _provided(rig)
        await rig.write(variables, "a", "1")
        await rig.driver.remove(a_mark(), piece)
        made = await rig.driver.provide(a_mark(), piece, login) or login
        assert await rig.read(rig.driver.variables(piece, made)) == {}

    async def test_an_older_number_is_refused_and_does_nothing(self, rig: ServiceRig) -> None:
        piece, _, variables = await _provided(rig, fence=5)
        await rig.driver.admit(a_mark(fence=7), piece, a_login(piece, 2, "second"))
        with pytest.raises(StaleFence):
            await rig.driver.remove(a_mark(fence=6), piece)
        with pytest.raises(StaleFence):
            await rig.driver.withdraw(a_mark(fence=6), piece, keep=a_login(piece, 2).name)
        assert await rig.read(variables) == {}

    async def test_what_is_not_marked_is_never_touched(self, rig: ServiceRig) -> None:
        piece = a_piece()
        await rig.occupy(piece)
        with pytest.raises(Refused):
            await rig.driver.provide(a_mark(), piece, a_login(piece))
        with pytest.raises(Refused):
            await rig.driver.remove(a_mark(), piece)
        assert await rig.is_occupied(piece)
        assert await rig.driver.find_owned() == ()

    async def test_all_that_is_owned_is_found_by_whose_it_is(self, rig: ServiceRig) -> None:
        for piece in (a_piece(), a_piece(BLOG), a_piece(BLOG, "cache")):
            await _provided(rig, piece)
        found = await rig.driver.find_owned()
        assert {owned.piece for owned in found} == {a_piece(), a_piece(BLOG), a_piece(BLOG, "cache")}
        assert all(owned.name.startswith(owned.piece.identity) for owned in found)

    async def test_the_size_of_what_is_not_there_is_an_error(self, rig: ServiceRig) -> None:
        with pytest.raises(MooringError):
            await rig.driver.size(a_piece())

    async def test_an_inspection_tells_where_and_which_version(self, rig: ServiceRig) -> None:
        facts = await rig.driver.inspect()
        assert facts.place and facts.version


async def _provided(rig: ServiceRig, piece: Piece | None = None, *, fence: int = 1) -> tuple[Piece, Login, dict[str, Secret]]:
    piece = piece or a_piece()
    login = await rig.driver.provide(a_mark(piece.environment, fence), piece, a_login(piece)) or a_login(piece)
    return piece, login, rig.driver.variables(piece, login)
