"""Files of SQLite: the contract but for passwords, which a file has none of; hostile masks and dumps; a crash at every step."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from services.sqlite import SqliteRig, file_of

from mooring.drivers.service.sqlite.files import SqliteFiles
from mooring.errors import InvalidInput, Refused, Unavailable
from mooring.model.host import Weight
from mooring.model.secret import Secret
from mooring.testing.service_contract import BLOG, SHOP, ServiceContract, a_login, a_mark, a_piece


@pytest.fixture
def rig(tmp_path: Path) -> SqliteRig:
    root = tmp_path / "databases"
    root.mkdir(mode=0o700)
    return SqliteRig(root)


class TestSqlite(ServiceContract):
    async def test_a_wrong_password_opens_nothing(self, rig: SqliteRig) -> None:
        """A file has none: nothing of one stands in its address."""
        piece = a_piece()
        assert rig.driver.variables(piece, a_login(piece, 1, "a")) == rig.driver.variables(piece, a_login(piece, 2, "b"))

    async def test_a_withdrawn_login_gets_in_no_more_and_its_work_stays(self, rig: SqliteRig) -> None:
        """There is nobody to withdraw, and what was written stays."""
        piece = a_piece()
        await rig.driver.provide(a_mark(), piece, a_login(piece))
        await rig.write(rig.driver.variables(piece, a_login(piece)), "a", "1")
        await rig.driver.withdraw(a_mark(), piece, keep=a_login(piece, 2).name)
        assert await rig.read(rig.driver.variables(piece, a_login(piece, 2))) == {"a": "1"}


async def filled(rig: SqliteRig) -> dict[str, Secret]:
    piece = a_piece(SHOP)
    await rig.driver.provide(a_mark(), piece, a_login(piece))
    variables = rig.driver.variables(piece, a_login(piece))
    await rig.write(variables, "a", "real")
    return variables


def everything_in(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "address",
    ["sqlite:///relative", "/srv", "sqlite:////srv/../etc", "sqlite:////srv/a b", "sqlite:////srv\n", "postgresql://h/d", "sqlite:///"],
)
def test_what_is_no_plain_directory_is_no_address(address: str) -> None:
    with pytest.raises(InvalidInput, match="no directory"):
        SqliteFiles(Secret(address), controller="c")


async def test_a_directory_that_others_may_look_into_or_that_is_none_is_told(rig: SqliteRig) -> None:
    assert (await rig.driver.inspect()).findings == ()
    rig.root.chmod(0o755)
    (found,) = (await rig.driver.inspect()).findings
    assert (found.subject, found.weight, found.hint) == ("isolation", Weight.FAULT, f"chmod 700 {rig.root}")
    rig.root.rmdir()
    (found,) = (await rig.driver.inspect()).findings
    assert (found.subject, found.weight) == ("directory", Weight.FAULT)


async def test_all_that_is_made_is_for_our_account_alone(rig: SqliteRig, tmp_path: Path) -> None:
    file = file_of(await filled(rig))
    await rig.driver.dump(a_piece(), a_login(a_piece()), tmp_path / "dump")
    assert {oct(path.stat().st_mode & 0o077) for path in (file, file.parent, tmp_path / "dump")} == {"0o0"}


ATTEMPTS = (
    "ATTACH DATABASE '{others}' AS others; UPDATE others.entries SET value = 'stolen'",
    "COMMIT; ATTACH DATABASE '{others}' AS others; INSERT INTO entries SELECT 'b', value FROM others.entries; BEGIN",
    "COMMIT; VACUUM INTO '{elsewhere}'; BEGIN",
    "PRAGMA temp_store_directory = '{elsewhere}'",
    "PRAGMA writable_schema = ON",
    "SELECT load_extension('{elsewhere}')",
    "SELECT writefile('{elsewhere}', 'x')",
    "CREATE VIRTUAL TABLE t USING csv(filename = '/etc/passwd')",
)


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_mask_reaches_its_own_copy_and_nothing_else(rig: SqliteRig, tmp_path: Path, attempt: str) -> None:
    source = await filled(rig)
    others = a_piece(BLOG)
    await rig.driver.provide(a_mark(BLOG), others, a_login(others))
    await rig.write(rig.driver.variables(others, a_login(others)), "b", "private")
    before = everything_in(tmp_path)
    copy = a_piece(BLOG, "copy")
    mask = attempt.format(others=file_of(rig.driver.variables(others, a_login(others))), elsewhere=tmp_path / "written")
    with pytest.raises(Unavailable, match="SQLite: "):
        await rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=a_piece(SHOP), mask=mask)
    assert everything_in(tmp_path) == before, "no copy is left, and nothing else has changed"
    assert await rig.read(source) == {"a": "real"}


async def test_a_copy_is_made_while_the_source_is_in_use_and_holds_what_was_committed(rig: SqliteRig) -> None:
    source = await filled(rig)
    with closing(sqlite3.connect(file_of(source), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO entries VALUES ('b', 'not yet')")
        copy = a_piece(BLOG)
        await rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=a_piece(SHOP), mask="")
        writer.execute("COMMIT")
    assert await rig.read(rig.driver.variables(copy, a_login(copy))) == {"a": "real"}
    assert await rig.read(source) == {"a": "real", "b": "not yet"}


async def test_who_has_it_open_sees_what_a_dump_brings_back(rig: SqliteRig, tmp_path: Path) -> None:
    variables, piece = await filled(rig), a_piece()
    await rig.driver.dump(piece, a_login(piece), tmp_path / "dump")
    await rig.write(variables, "a", "spoilt")
    with closing(sqlite3.connect(file_of(variables))) as app:
        assert app.execute("SELECT value FROM entries").fetchall() == [("spoilt",)]
        await rig.driver.restore(a_mark(), piece, a_login(piece), tmp_path / "dump")
        assert app.execute("SELECT value FROM entries").fetchall() == [("real",)]


async def test_a_broken_dump_changes_nothing(rig: SqliteRig, tmp_path: Path) -> None:
    variables, piece = await filled(rig), a_piece()
    with closing(sqlite3.connect(file_of(variables))) as app, app:
        app.executemany("INSERT INTO entries VALUES (?, ?)", [(str(number), "x" * 50) for number in range(2_000)])
    dump = tmp_path / "dump"
    await rig.driver.dump(piece, a_login(piece), dump)
    content = dump.read_bytes()
    dump.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    before = await rig.read(variables)
    with pytest.raises(Unavailable):
        await rig.driver.restore(a_mark(), piece, a_login(piece), dump)
    assert await rig.read(variables) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["databases", "dump"], "nothing is left beside it"


async def test_a_link_in_the_place_of_a_piece_leads_nowhere(rig: SqliteRig, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "payroll").write_text("salary")
    (rig.root / a_piece().identity).symlink_to(elsewhere)
    for effect in (rig.driver.provide(a_mark(), a_piece(), a_login(a_piece())), rig.driver.remove(a_mark(), a_piece())):
        with pytest.raises(Refused, match="does not carry the mark"):
            await effect
    assert (elsewhere / "payroll").read_text() == "salary"


@contextmanager
def replaced(place: Path, kind: str) -> Iterator[None]:
    """By what an app could put there: nothing that is a mark of its piece to whoever looks closely."""
    content = place.read_text() if place.exists() else ""
    place.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "link":
            (place.parent / "elsewhere").write_text(content)
            place.symlink_to("elsewhere")
        case "long":
            place.write_text(content.replace("{", " " * 100_000 + "{", 1))
        case "deep":
            place.write_text('mooring {"deep": ' + "[" * 4_000)
    try:
        yield
    finally:
        if place.is_fifo():
            os.close(os.open(place, os.O_RDWR | os.O_NONBLOCK))  # whoever waits for it waits no more


@pytest.mark.parametrize("kind", ["pipe", "link", "long", "deep"])
async def test_what_an_app_puts_in_the_place_of_its_mark_is_not_believed_and_stops_nobody_else(rig: SqliteRig, kind: str) -> None:
    """As a confined app may: it writes wherever its database lies."""
    variables, other = await filled(rig), a_piece(BLOG)
    with replaced(file_of(variables).parent / "mooring-mark", kind):
        async with asyncio.timeout(20):
            await rig.driver.provide(a_mark(BLOG), other, a_login(other))
            owned = [each.piece for each in await rig.driver.find_owned()]
            with pytest.raises(Refused, match="does not carry the mark"):
                await rig.driver.remove(a_mark(), a_piece())
    assert owned == [other]
    assert await rig.read(variables) == {"a": "real"}


async def test_a_new_mark_is_not_written_into_what_an_app_has_made_in_its_place(rig: SqliteRig) -> None:
    place = file_of(await filled(rig)).parent
    with replaced(place / "mooring-mark.new", "pipe"):
        async with asyncio.timeout(20):
            await rig.driver.admit(a_mark(fence=9), a_piece(), a_login(a_piece()))
    assert '"fence":9' in (place / "mooring-mark").read_text()


@pytest.mark.parametrize("act", ["dump", "restore", "clone"])
async def test_a_link_in_the_place_of_a_database_is_not_followed(rig: SqliteRig, tmp_path: Path, act: str) -> None:
    """To another environment's data, which would be given away or lost."""
    variables, other = await filled(rig), a_piece(BLOG)
    await rig.driver.provide(a_mark(BLOG), other, a_login(other))
    theirs = rig.driver.variables(other, a_login(other))
    await rig.write(theirs, "b", "private")
    await rig.driver.dump(a_piece(), a_login(a_piece()), tmp_path / "before")
    file_of(variables).unlink()
    file_of(variables).symlink_to(file_of(theirs))
    copy = a_piece(BLOG, "copy")
    effect = {
        "dump": lambda: rig.driver.dump(a_piece(), a_login(a_piece()), tmp_path / "dump"),
        "restore": lambda: rig.driver.restore(a_mark(), a_piece(), a_login(a_piece()), tmp_path / "before"),
        "clone": lambda: rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=a_piece(), mask=""),
    }[act]
    with pytest.raises(Unavailable, match="is a link"):
        await effect()
    assert await rig.read(theirs) == {"b": "private"}
    assert not (tmp_path / "dump").exists() and copy not in [owned.piece for owned in await rig.driver.find_owned()]


DIES = """
import asyncio, os, sys
from pathlib import Path
from services.sqlite import SqliteRig
from mooring.testing.service_contract import BLOG, SHOP, a_login, a_mark, a_piece

rig, deadly, act = SqliteRig(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
calls = 0

def count(event, arguments):
    global calls
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "sqlite3.connect") and str(rig.root) in str(arguments[0]):
        calls += 1
        if calls == deadly:
            os._exit(9)

sys.addaudithook(count)
piece = a_piece(BLOG)
if act == "clone":
    asyncio.run(rig.driver.clone(a_mark(BLOG), piece, a_login(piece), source=a_piece(SHOP), mask="UPDATE entries SET value = 'masked'"))
else:
    asyncio.run(rig.driver.remove(a_mark(BLOG), piece))
"""


def killed(rig: SqliteRig, act: str, at: int) -> bool:
    """Whether it died before it was done: in its effect on the disk of this number."""
    import mooring

    places = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(mooring.__file__).parents[1])])
    done = subprocess.run([sys.executable, "-c", DIES, str(rig.root), str(at), act], env={**os.environ, "PYTHONPATH": places})
    assert done.returncode in (0, 9)
    return done.returncode == 9


@pytest.mark.parametrize("act", ["clone", "remove"])
async def test_who_dies_over_an_effect_leaves_a_whole_piece_or_none_and_the_next_one_finishes_it(rig: SqliteRig, act: str) -> None:
    await filled(rig)
    piece = a_piece(BLOG)
    whole = {"a": "masked"}
    variables = rig.driver.variables(piece, a_login(piece))
    mask = "UPDATE entries SET value = 'masked'"
    at = 0
    while True:
        at += 1
        if act == "remove":
            await rig.driver.clone(a_mark(BLOG), piece, a_login(piece), source=a_piece(SHOP), mask=mask)
        died = killed(rig, act, at)
        assert not file_of(variables).exists() or await rig.read(variables) == whole, at
        if act == "clone":
            await rig.driver.clone(a_mark(BLOG), piece, a_login(piece), source=a_piece(SHOP), mask=mask)
            assert await rig.read(variables) == whole, at
        await rig.driver.remove(a_mark(BLOG), piece)
        assert {owned.piece for owned in await rig.driver.find_owned()} == {a_piece(SHOP)}, at
        assert [path.name for path in rig.root.iterdir()] == [a_piece(SHOP).identity], at
        if not died:
            break
    assert at > 4, "it died somewhere"
