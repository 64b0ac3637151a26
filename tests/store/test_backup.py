"""One file brings a state back on another machine; anything that is not such a file changes nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, MooringError, NotFound, Refused, StateDamaged
from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.records import EnvironmentRecord
from mooring.model.secret import Secret
from mooring.store.backup import backup
from mooring.store.memory import SqliteMemory
from mooring.store.restore import restore
from mooring.testing.samples import SHOP, a_release

PASSPHRASE = Secret("correct horse battery")
VALUES = {"LEVEL": "info", "API_KEY": Secret("s3cr3t-sentinel-value")}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a release, config and a token."""
    directory = tmp_path / "old machine" / "state"
    memory = SqliteMemory.open(directory)
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    memory.add_release(a_release())
    memory.put_config(SHOP, changes=VALUES, by="anna", at=1.0)
    memory.create_token("ci", Role.DEPLOYER, at=1.0)
    memory.close()
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new machine" / "state"


@pytest.fixture
def made(state: Path, tmp_path: Path) -> Path:
    """A backup without a passphrase."""
    return backup(state, tmp_path / "mooring.backup", at=5.0).file


@pytest.fixture
def reopened(target: Path) -> Iterator[Callable[[], SqliteMemory]]:
    memories: list[SqliteMemory] = []

    def reopen() -> SqliteMemory:
        memories.append(SqliteMemory.open(target))
        return memories[-1]

    yield reopen
    for memory in memories:
        memory.close()


def test_with_a_passphrase_one_file_restores_everything(
    state: Path, target: Path, tmp_path: Path, reopened: Callable[[], SqliteMemory]
) -> None:
    made = backup(state, tmp_path / "mooring.backup", at=5.0, passphrase=PASSPHRASE)
    assert made.left_out == ()
    assert "one file is all it takes" in made.advice
    restored = restore(made.file, target, passphrase=PASSPHRASE, at=6.0)
    assert (restored.made_at, restored.previous) == (5.0, None)
    memory = reopened()
    assert memory.config(SHOP, 1) == VALUES
    assert memory.releases(SHOP) == (a_release(),)
    assert [token.name for token in memory.tokens()] == ["ci"]


def test_without_a_passphrase_the_key_is_left_out_and_named_and_given_back_by_hand(
    state: Path, target: Path, tmp_path: Path, reopened: Callable[[], SqliteMemory]
) -> None:
    made = backup(state, tmp_path / "mooring.backup", at=5.0)
    assert made.left_out == (state / "secrets.key",)
    assert str(state / "secrets.key") in made.advice
    with pytest.raises(InvalidInput, match="made without a passphrase, so the key of its encrypted config is not in it"):
        restore(made.file, target, at=6.0)
    assert not target.exists()
    restore(made.file, target, key_file=state / "secrets.key", at=6.0)
    assert reopened().config(SHOP, 1) == VALUES


def test_neither_backup_holds_the_key_or_a_secret_in_clear(state: Path, tmp_path: Path) -> None:
    key = (state / "secrets.key").read_bytes().split()[1]
    for passphrase in (None, PASSPHRASE):
        made = backup(state, tmp_path / "mooring.backup", at=5.0, passphrase=passphrase).file
        with zipfile.ZipFile(made) as archive:
            contents = [made.read_bytes(), *(archive.read(name) for name in archive.namelist())]
        assert not any(b"sentinel" in content or key in content for content in contents)


def test_a_backup_is_readable_by_its_owner_only_and_replaces_an_older_one(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "mooring.backup"
    target.write_bytes(b"older")
    target.chmod(0o644)
    made = backup(state, target, at=5.0)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert made.size == target.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_of_a_running_store_has_all_that_was_written_before_it(state: Path, target: Path, tmp_path: Path) -> None:
    memory = SqliteMemory.open(state)
    memory.put_config(SHOP, changes={"LATE": "1"}, by="anna", at=2.0)
    made = backup(state, tmp_path / "mooring.backup", at=5.0, passphrase=PASSPHRASE)
    memory.put_config(SHOP, changes={"LATER": "1"}, by="anna", at=3.0)
    memory.close()
    restore(made.file, target, passphrase=PASSPHRASE, at=6.0)
    restored = SqliteMemory.open(target)
    assert set(restored.config(SHOP, 2)) == {"LEVEL", "API_KEY", "LATE"}
    assert len(restored.config_versions(SHOP)) == 2
    restored.close()


def test_other_files_come_along_the_secret_ones_only_sealed(state: Path, target: Path, tmp_path: Path) -> None:
    authority = tmp_path / "authority"
    (authority / "issued").mkdir(parents=True)
    (authority / "root.crt").write_bytes(b"public")
    (authority / "issued" / "one.crt").write_bytes(b"also public")
    (tmp_path / "root.key").write_bytes(b"private-sentinel")
    made = backup(
        state,
        tmp_path / "mooring.backup",
        at=5.0,
        passphrase=PASSPHRASE,
        extra={"ca": authority, "absent": tmp_path / "nothing"},
        secret_extra={"ca/root.key": tmp_path / "root.key"},
    )
    restore(made.file, target, passphrase=PASSPHRASE, at=6.0)
    assert (target / "ca" / "issued" / "one.crt").read_bytes() == b"also public"
    assert (target / "ca" / "root.key").read_bytes() == b"private-sentinel"
    assert all(stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600) for path in target.rglob("*"))


def test_a_link_among_the_other_files_is_refused(state: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInput, match="is neither a file nor a directory"):
        backup(state, tmp_path / "mooring.backup", at=5.0, extra={"link": tmp_path / "link"})
    assert not (tmp_path / "mooring.backup").exists()


def test_what_was_restored_takes_over_from_the_one_it_is_a_copy_of_and_the_later_restore_from_the_earlier(
    state: Path, target: Path, tmp_path: Path
) -> None:
    """Also where the older one goes on to act for years, and for an environment that neither knew then."""
    made = backup(state, tmp_path / "mooring.backup", at=5.0)
    now = 2e9  # seconds
    restore(made.file, target, key_file=state / "secrets.key", at=now)
    restore(made.file, tmp_path / "later", key_file=state / "secrets.key", at=now + 1)
    older, first, second = (SqliteMemory.open(directory) for directory in (state, target, tmp_path / "later"))
    blog = EnvironmentId.parse("blog/production")
    for environment in (SHOP, blog):
        in_years = older.take_lease(environment, holder="older", now=2 * now, dead_after=10).fence
        fences = [first.take_lease(environment, holder="first", now=now + 2, dead_after=10).fence for _ in range(3)]
        assert in_years < fences[0] < fences[1] < fences[2]
        assert second.take_lease(environment, holder="second", now=now + 2, dead_after=10).fence > fences[2]
    for memory in (older, first, second):
        memory.close()


def test_a_wrong_passphrase_changes_nothing(state: Path, target: Path, tmp_path: Path) -> None:
    made = backup(state, tmp_path / "mooring.backup", at=5.0, passphrase=PASSPHRASE)
    with pytest.raises(StateDamaged, match="the passphrase does not open this backup"):
        restore(made.file, target, passphrase=Secret("another one"), at=6.0)
    with pytest.raises(InvalidInput, match="sealed with a passphrase"):
        restore(made.file, target, at=6.0)
    with pytest.raises(InvalidInput, match="less than 8 characters"):
        backup(state, tmp_path / "mooring.backup", at=5.0, passphrase=Secret("short"))
    assert list(target.parent.iterdir()) == []


def test_a_wrong_key_file_changes_nothing(made: Path, target: Path, tmp_path: Path) -> None:
    other = SqliteMemory.open(tmp_path / "other")
    other.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    other.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
    other.close()
    with pytest.raises(StateDamaged, match="is not in the key file"):
        restore(made, target, key_file=tmp_path / "other" / "secrets.key", at=6.0)
    assert not target.exists()


def test_a_directory_that_holds_something_is_replaced_only_when_asked_and_kept_aside(state: Path, made: Path, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "precious").write_text("mine")
    with pytest.raises(Refused, match="holds a state already"):
        restore(made, target, key_file=state / "secrets.key", at=6.0)
    assert [path.name for path in target.iterdir()] == ["precious"]
    restored = restore(made, target, key_file=state / "secrets.key", replaces=True, at=6.0)
    assert restored.previous is not None
    assert (restored.previous / "precious").read_text() == "mine"
    assert sorted(path.name for path in target.iterdir()) == ["mooring.db", "secrets.key"]
    assert sorted(path.name for path in target.parent.iterdir()) == sorted([target.name, restored.previous.name])


def test_a_backup_whose_key_is_lost_is_not_made(state: Path, tmp_path: Path) -> None:
    (state / "secrets.key").unlink()
    with pytest.raises(StateDamaged, match="the key file is missing"):
        backup(state, tmp_path / "mooring.backup", at=5.0)


def test_a_directory_without_state_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no state in"):
        backup(tmp_path, tmp_path / "mooring.backup", at=5.0)
    with pytest.raises(InvalidInput, match="there is no file"):
        restore(tmp_path / "mooring.backup", tmp_path / "state", at=6.0)


def test_a_backup_cut_off_anywhere_is_refused(state: Path, made: Path, target: Path, tmp_path: Path) -> None:
    content = made.read_bytes()
    cut = tmp_path / "cut"
    for length in range(0, len(content), max(len(content) // 150, 1)):
        cut.write_bytes(content[:length])
        with pytest.raises(StateDamaged, match="this is not a whole backup"):
            restore(cut, target, key_file=state / "secrets.key", at=6.0)
    assert not target.exists()


def test_a_backup_with_one_byte_changed_is_refused_or_is_still_the_same(state: Path, made: Path, tmp_path: Path) -> None:
    """A few bytes of a ZIP mean nothing (times, attributes); every other change must be seen."""
    content = made.read_bytes()
    changed = tmp_path / "changed"
    restore(made, tmp_path / "good", key_file=state / "secrets.key", at=6.0)
    database = (tmp_path / "good/mooring.db").read_bytes()
    survivors = 0
    for number, position in enumerate([*range(0, len(content), max(len(content) // 120, 1)), *range(len(content) - 200, len(content))]):
        changed.write_bytes(content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        target = tmp_path / f"target{number}"
        try:
            restore(changed, target, key_file=state / "secrets.key", at=6.0)
        except MooringError as error:
            assert error.hint, error
            assert not target.exists()
        else:
            survivors += 1
            assert (target / "mooring.db").read_bytes() == database
    assert survivors < 150


def _hostile(made: Path, path: Path, *, change: Callable[[dict[str, bytes], dict[str, object]], None]) -> Path:
    """The backup with other entries and another manifest, the hashes made to fit unless `change` says otherwise."""
    with zipfile.ZipFile(made) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries.pop("manifest.json"))
    change(entries, manifest)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return path


def _add_named(name: str, content: bytes = b"x") -> Callable[[dict[str, bytes], dict[str, object]], None]:
    def change(entries: dict[str, bytes], manifest: dict[str, object]) -> None:
        entries[name] = content
        listed = manifest["entries"]
        assert isinstance(listed, list)
        listed.append({"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})

    return change


def _set(**fields: object) -> Callable[[dict[str, bytes], dict[str, object]], None]:
    return lambda _, manifest: manifest.update(fields)


def _understate(entries: dict[str, bytes], manifest: dict[str, object]) -> None:
    """A bomb: much more than the manifest says."""
    _add_named("files/bomb", b"x")(entries, manifest)
    entries["files/bomb"] = bytes(50_000_000)


def _with_statement(statement: str) -> Callable[[dict[str, bytes], dict[str, object]], None]:
    def change(entries: dict[str, bytes], manifest: dict[str, object]) -> None:
        with closing(sqlite3.connect(":memory:")) as plain:
            plain.deserialize(entries["mooring.db"])
            plain.executescript(statement)
            changed = bytes(plain.serialize())
        entries["mooring.db"] = changed
        manifest["entries"] = [{"name": "mooring.db", "size": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}]

    return change


def _misstate(entries: dict[str, bytes], manifest: dict[str, object]) -> None:
    """Other content of the same size, which the ZIP's own checksum agrees with."""
    _add_named("files/one", b"what was there")(entries, manifest)
    entries["files/one"] = b"something else"


HOSTILE: dict[str, Callable[[dict[str, bytes], dict[str, object]], None]] = {
    "a name that climbs out": _add_named("files/../../escaped"),
    "an absolute name": _add_named("/tmp/escaped"),
    "a name outside its folder": _add_named("escaped"),
    "a name with an empty part": _add_named("files//escaped"),
    "a name with a backslash": _add_named("files/..\\escaped"),
    "a hidden name": _add_named("files/.ssh"),
    "a second database": _add_named("files/mooring.db-wal"),
    "a key in clear": _add_named("files/secrets.key"),
    "a name too deep": _add_named("files/" + "a/" * 20 + "b"),
    "an entry that the manifest does not list": lambda entries, _: entries.update({"files/more": b"x"}),
    "an entry that is missing": lambda entries, _: entries.pop("mooring.db") and None,
    "an entry larger than the manifest says": _understate,
    "an entry with another hash": _misstate,
    "a manifest with unknown words": _set(command="rm"),
    "a manifest of the wrong type": _set(entries="all"),
    "a format of the future": _set(format=2),
    "a schema of the future": _set(schema="9999"),
    "a sealed part that is not there": _set(has_sealed=True),
    "a trigger": _with_statement("CREATE TRIGGER t AFTER INSERT ON tokens BEGIN DELETE FROM audit; END"),
    "a view": _with_statement("CREATE VIEW v AS SELECT * FROM tokens"),
    "a table that is not ours": _with_statement("CREATE TABLE mine (a)"),
    "a virtual table": _with_statement("DROP TABLE answers; CREATE VIRTUAL TABLE answers USING fts5(scope)"),
    "a version of the future": _with_statement("UPDATE alembic_version SET version_num = '9999'"),
    "rows that refer to nothing": _with_statement("PRAGMA foreign_keys=0; DELETE FROM environments"),
    "no schema at all": _with_statement("PRAGMA writable_schema=1; DELETE FROM sqlite_master"),
    "a key that is not there": _with_statement("UPDATE config_values SET key = 'ffffffffffffffff'"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_backup_is_refused_and_nothing_is_written(kind: str, state: Path, made: Path, target: Path, tmp_path: Path) -> None:
    hostile = _hostile(made, tmp_path / "hostile", change=HOSTILE[kind])
    before = _tree(tmp_path)
    with pytest.raises(StateDamaged) as refused:
        restore(hostile, target, key_file=state / "secrets.key", at=6.0)
    assert refused.value.hint
    assert _tree(tmp_path) - before <= {target.parent}


def test_a_bomb_is_refused_as_soon_as_it_is_larger_than_it_says(state: Path, made: Path, target: Path, tmp_path: Path) -> None:
    bomb = _hostile(made, tmp_path / "bomb", change=_understate)
    with pytest.raises(StateDamaged, match="files/bomb is larger than the backup says"):
        restore(bomb, target, key_file=state / "secrets.key", at=6.0)


def test_the_hostile_backups_differ_from_a_good_one_only_by_what_they_are_named_for(
    state: Path, made: Path, target: Path, tmp_path: Path
) -> None:
    restore(_hostile(made, tmp_path / "same", change=_set()), target, key_file=state / "secrets.key", at=6.0)
    assert (target / "mooring.db").exists()


def test_a_manifest_changed_after_sealing_is_seen(state: Path, target: Path, tmp_path: Path) -> None:
    made = backup(state, tmp_path / "mooring.backup", at=5.0, passphrase=PASSPHRASE)
    hostile = _hostile(made.file, tmp_path / "hostile", change=_set(made_at=6.0))
    with pytest.raises(StateDamaged, match="or the backup was changed"):
        restore(hostile, target, passphrase=PASSPHRASE, at=6.0)


def _tree(directory: Path) -> set[Path]:
    return set(directory.rglob("*"))
