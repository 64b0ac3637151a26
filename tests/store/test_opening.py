"""A state directory is made once, opened as often as wanted, kept from others, and refused when it is not what it was."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from mooring.errors import NeedsPerson, StateDamaged
from mooring.model.records import EnvironmentRecord
from mooring.store import opening, schema
from mooring.store.database import PRAGMAS, Database
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import SHOP, a_release


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that holds an environment, a release and config."""
    directory = tmp_path / "state"
    with opened(directory) as memory:
        memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
        memory.add_release(a_release())
        memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
    return directory


def test_a_fresh_database_has_the_schema_and_nothing_to_migrate(tmp_path: Path) -> None:
    with opened(tmp_path / "state"):
        pass
    database = Database(tmp_path / "state" / "mooring.db")
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    database.close()
    assert opening.read_version(tmp_path / "state" / "mooring.db") == schema.VERSIONS[-1]


def test_the_versions_known_are_the_migrations_there_are() -> None:
    migrations = ScriptDirectory(str(Path(opening.__file__).parent / "migrations"))
    assert [script.revision for script in migrations.walk_revisions()] == list(reversed(schema.VERSIONS))


def test_opening_again_keeps_everything_and_needs_no_alembic(state: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from mooring.store.memory import SqliteMemory
from mooring.model.environment import EnvironmentId
shop = EnvironmentId.parse("shop")
memory = SqliteMemory.open(Path({str(state)!r}))
print(memory.releases(shop)[0].version, dict(memory.config(shop, 1)), "alembic" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split("\n")[0] == "v1 {'A': '1'} False"


def test_a_database_that_was_never_migrated_is_brought_up_to_date(state: Path) -> None:
    path = state / "mooring.db"
    path.unlink()
    (state / "secrets.key").unlink()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA user_version=1")
    with opened(state) as memory:
        assert memory.environments() == ()
    assert opening.read_version(path) == schema.VERSIONS[-1]


def test_a_state_of_the_first_version_is_brought_up_to_date_and_loses_nothing(state: Path) -> None:
    path = state / "mooring.db"
    with closing(sqlite3.connect(path)) as plain:
        tables = (
            "forge_hindered",
            "forge_shown",
            "loans",
            "services",
            "service_servers",
            "forge_pulls",
            "forge_watches",
            "forge_deliveries",
            "forge_heads",
            "forges",
            "registries",
            "hosts",
        )
        for table in (*tables, "certificate_attempts"):
            plain.execute(f"DROP TABLE {table}")
        plain.execute("UPDATE alembic_version SET version_num = '0001'")
        plain.commit()
        before = plain.execute("SELECT record FROM releases").fetchall()
    with opened(state) as memory:
        assert (memory.hosts(), memory.forges(), memory.service_servers(), memory.services()) == ((), (), (), ())
        assert memory.loans() == ()
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT record FROM releases").fetchall() == before != []
    assert opening.read_version(path) == schema.VERSIONS[-1]


def test_a_migration_that_fails_leaves_the_database_as_it_was(state: Path) -> None:
    path = state / "mooring.db"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("DROP TABLE alembic_version")
        before = plain.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(StateDamaged):
        SqliteMemory.open(state)
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before


def test_a_state_of_a_newer_mooring_is_refused_and_left_alone(state: Path) -> None:
    with closing(sqlite3.connect(state / "mooring.db")) as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
        plain.commit()
    before = (state / "mooring.db").read_bytes()
    with pytest.raises(StateDamaged, match="the state has version '9999', and this Mooring knows 0010 and older") as refused:
        SqliteMemory.open(state)
    assert "install that Mooring again" in refused.value.hint
    assert (state / "mooring.db").read_bytes() == before


def _overwrite(offset: int) -> Callable[[Path], None]:
    def garble(state: Path) -> None:
        with (state / "mooring.db").open("r+b") as file:
            file.seek(offset)
            file.write(b"\xa5" * 4096)

    return garble


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the database is text": lambda state: (state / "mooring.db").write_text("not a database " * 1000) and None,
    "the database is empty": lambda state: (state / "mooring.db").write_bytes(b"") and None,
    "the database is missing": lambda state: (state / "mooring.db").unlink(),
    "the database is cut off": lambda state: os.truncate(state / "mooring.db", 20_000),
    "the first page is garbled": _overwrite(0),
    "the header's end is garbled": _overwrite(100),
    "a page in the middle is garbled": _overwrite(4096 * 3),
    "the key file is missing": lambda state: (state / "secrets.key").unlink(),
    "the key file is empty": lambda state: (state / "secrets.key").write_bytes(b"") and None,
    "the key file is garbled": lambda state: (state / "secrets.key").write_bytes(b"\x00\xff" * 100) and None,
    "the key file holds another key": lambda state: (state / "secrets.key").write_text("mooring-key-1 " + "A" * 43 + "=\n") and None,
    "the key file is a link": lambda state: (state / "secrets.key").unlink() or (state / "secrets.key").symlink_to("/etc/hostname"),
    "the key file is a directory": lambda state: (state / "secrets.key").unlink() or (state / "secrets.key").mkdir(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_refused_with_a_hint_and_nothing_new_is_made(damage: str, state: Path) -> None:
    DAMAGES[damage](state)
    before = {path.name: path.lstat().st_size for path in state.iterdir()}
    with pytest.raises(StateDamaged) as refused:
        SqliteMemory.open(state)
    assert refused.value.hint
    assert str(state) in refused.value.where
    assert {path.name: path.lstat().st_size for path in state.iterdir()} == before


def test_the_log_beside_a_damaged_database_stays_as_it_is(state: Path) -> None:
    memory = SqliteMemory.open(state)
    memory.append_audit(who="anna", what="deploy", at=1.0)
    saved = (state / "mooring.db-wal").read_bytes()  # as a power cut leaves it
    assert saved
    memory.close()
    (state / "mooring.db-wal").write_bytes(saved)
    _overwrite(0)(state)
    with pytest.raises(StateDamaged):
        SqliteMemory.open(state)
    assert (state / "mooring.db-wal").read_bytes() == saved, "what was committed last is only there"


def test_a_garbled_key_is_refused_even_before_anything_is_sealed_with_it(tmp_path: Path) -> None:
    with opened(tmp_path / "state"):
        pass
    (tmp_path / "state" / "secrets.key").write_text("mooring-key-1 short\n")
    with pytest.raises(StateDamaged, match="the key file is garbled"):
        SqliteMemory.open(tmp_path / "state")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_nobody_else_can_read_the_state_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with opened(tmp_path / "state") as memory:
            memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
            memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["mooring.db", "mooring.db-wal", "mooring.db-shm", "secrets.key"], 0o600)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_rights_that_were_opened_are_closed_again(state: Path) -> None:
    state.chmod(0o755)
    (state / "mooring.db").chmod(0o644)
    (state / "secrets.key").chmod(0o640)
    with opened(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    foreign = Path("/")
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)
    with pytest.raises(NeedsPerson, match=r"the state directory belongs to user \d+, and this is user \d+"):
        SqliteMemory.open(foreign)


def test_every_connection_has_its_pragmas_and_readers_cannot_write(state: Path) -> None:
    database = Database(state / "mooring.db")
    with database.read() as one, database.read() as other, database.write() as writer:
        for connection in (one, other, writer):
            got = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
            assert got == PRAGMAS
        assert [connection.exec_driver_sql("PRAGMA query_only").scalar() for connection in (one, other, writer)] == [1, 1, 0]
    database.close()


@contextmanager
def opened(directory: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(directory)
    try:
        yield memory
    finally:
        memory.close()
