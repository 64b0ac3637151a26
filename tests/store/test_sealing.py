"""Config is sealed where it lies: not readable, not movable, and readable again after every rotation, finished or not."""

from __future__ import annotations

import base64
import html
import json
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import quote

import pytest

from mooring.errors import StateDamaged, Unavailable
from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.records import EnvironmentRecord
from mooring.model.secret import Secret
from mooring.store.keys import KeyRing, read_ring
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import BLOG, SHOP

SENTINEL = "sentinel <&'\"$> ü /+ value"
ENCODINGS: list[Callable[[str], bytes]] = [
    lambda value: value.encode(),
    lambda value: base64.b64encode(value.encode()),
    lambda value: base64.urlsafe_b64encode(value.encode()),
    lambda value: value.encode().hex().encode(),
    lambda value: quote(value, safe="").encode(),
    lambda value: json.dumps(value)[1:-1].encode(),
    lambda value: html.escape(value).encode(),
    lambda value: shlex.quote(value)[1:-1].encode(),
]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def memory(state: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(state)
    for environment in (SHOP, BLOG):
        memory.save_environment(EnvironmentRecord(environment=environment, created_at=0.0))
    memory.put_config(SHOP, changes={"KEY": Secret(SENTINEL), "PLAIN": SENTINEL, "OTHER": "other"}, by="anna", at=1.0)
    memory.put_config(BLOG, changes={"KEY": Secret("blog")}, by="anna", at=1.0)
    yield memory
    memory.close()


def _files(state: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in state.iterdir()}


def test_no_value_and_no_token_lies_readable_in_any_file(memory: SqliteMemory, state: Path) -> None:
    _, token = memory.create_token("ci", Role.ADMIN, at=1.0)
    memory.rotate_key()
    memory.put_config(SHOP, changes={"MORE": Secret(SENTINEL)}, unset=frozenset({"KEY"}), by="anna", at=2.0)
    words = [SENTINEL, token.reveal(), token.reveal().split("_", 2)[2]]
    for name, content in _files(state).items():
        hits = [encode(word) for word in words for encode in ENCODINGS if encode(word) in content]
        assert hits == [], name
    memory.close()
    assert sorted(_files(state)) == ["mooring.db", "secrets.key"]
    assert not any(encode(word) in content for content in _files(state).values() for word in words for encode in ENCODINGS)


def test_the_same_value_is_never_sealed_to_the_same_bytes(memory: SqliteMemory, state: Path) -> None:
    for number in range(20):
        memory.put_config(SHOP, changes={"COUNT": str(number)}, by="anna", at=2.0)
    sealed = [row[0] for row in _rows(state, "SELECT sealed FROM config_values")]
    assert len(sealed) > 60
    assert len({blob[:12] for blob in sealed}) == len(sealed)
    assert len(set(sealed)) == len(sealed)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE config_values SET sealed = (SELECT sealed FROM config_values WHERE name = 'OTHER') WHERE name = 'PLAIN'",
        "UPDATE config_values SET sealed = (SELECT sealed FROM config_values WHERE environment = 'blog/staging') WHERE name = 'KEY'",
        "UPDATE config_values SET kind = 'config' WHERE name = 'KEY'",
        "UPDATE config_values SET sealed = CAST(substr(sealed, 1, length(sealed) - 1)"
        " || CASE substr(sealed, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB) WHERE name = 'KEY'",
        "UPDATE config_values SET sealed = x'' WHERE name = 'KEY'",
        "UPDATE config_values SET sealed = substr(sealed, 1, 20) WHERE name = 'KEY'",
    ],
)
def test_a_value_that_was_moved_relabelled_or_changed_does_not_open(memory: SqliteMemory, state: Path, tampering: str) -> None:
    _rows(state, tampering)
    with pytest.raises(StateDamaged, match=r"the value of \w+ in config version 1 of shop/production was changed from outside"):
        memory.config(SHOP, 1)


def test_a_value_of_one_version_does_not_open_in_another(memory: SqliteMemory, state: Path) -> None:
    memory.put_config(SHOP, changes={"KEY": Secret("newer")}, by="anna", at=2.0)
    older = "(SELECT sealed FROM config_values WHERE name = 'KEY' AND version = 1 AND environment = 'shop/production')"
    _rows(state, f"UPDATE config_values SET sealed = {older} WHERE name = 'KEY' AND version = 2")
    with pytest.raises(StateDamaged, match="the value of KEY in config version 2"):
        memory.config(SHOP, 2)


def test_rotation_seals_every_value_anew_and_retires_the_old_key(memory: SqliteMemory, state: Path) -> None:
    old = read_ring(state / "secrets.key")
    before = dict(_rows(state, "SELECT environment || version || name, sealed FROM config_values"))
    assert memory.rotate_key() == 4
    fresh = read_ring(state / "secrets.key")
    after = dict(_rows(state, "SELECT environment || version || name, sealed FROM config_values"))
    assert len(fresh.keys) == 1
    assert fresh.active.id != old.active.id
    assert all(after[place] != before[place] for place in before)
    assert _rows(state, "SELECT DISTINCT key FROM config_values") == [(fresh.active.id,)]
    assert memory.config(SHOP, 1)["KEY"] == Secret(SENTINEL)
    with pytest.raises(StateDamaged, match="is not in the key file"):
        KeyRing(old.keys, where=state).find(fresh.active.id)


def test_after_rotation_nothing_sealed_with_the_old_key_is_left_in_any_file(memory: SqliteMemory, state: Path) -> None:
    before = [row[0] for row in _rows(state, "SELECT sealed FROM config_values")]
    memory.rotate_key()
    assert not any(blob in content for content in _files(state).values() for blob in before)


@pytest.mark.parametrize("moment", ["before the values are sealed anew", "before the old key is retired"])
def test_a_rotation_that_was_cut_off_leaves_every_value_readable(
    memory: SqliteMemory, state: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if moment == "before the values are sealed anew":
        read_ring(state / "secrets.key").rotated().save()
    else:
        with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
            broken.setattr(KeyRing, "retired", _cut_off)
            memory.rotate_key()
    memory.close()
    reopened = SqliteMemory.open(state)
    assert reopened.config(SHOP, 1)["KEY"] == Secret(SENTINEL)
    assert len(read_ring(state / "secrets.key").keys) == 2
    assert reopened.rotate_key() == 4
    assert len(read_ring(state / "secrets.key").keys) == 1
    assert reopened.config(SHOP, 1)["KEY"] == Secret(SENTINEL)
    reopened.close()


def _cut_off(_: KeyRing) -> KeyRing:
    raise KeyboardInterrupt


def test_what_was_sealed_for_a_forgotten_environment_is_in_no_file_any_more(memory: SqliteMemory, state: Path) -> None:
    sealed = [row[0] for row in _rows(state, "SELECT sealed FROM config_values WHERE environment = 'blog/staging'")]
    memory.forget_environment(BLOG)
    memory.close()
    assert len(sealed) == 1
    assert not any(sealed[0] in content for content in _files(state).values())


def test_a_rotation_that_fails_in_the_database_loses_no_key(memory: SqliteMemory, state: Path) -> None:
    _rows(state, "CREATE TRIGGER full BEFORE UPDATE ON config_values BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="nothing was written"):
        memory.rotate_key()
    assert memory.config(SHOP, 1)["KEY"] == Secret(SENTINEL)
    memory.put_config(SHOP, changes={"NEW": Secret("new")}, by="anna", at=2.0)
    memory.close()
    reopened = SqliteMemory.open(state)
    assert reopened.config(SHOP, 2)["NEW"] == Secret("new")
    reopened.close()


def test_a_store_that_is_open_elsewhere_follows_a_rotation(memory: SqliteMemory, state: Path) -> None:
    other = SqliteMemory.open(state)
    other.rotate_key()
    assert memory.config(SHOP, 1)["KEY"] == Secret(SENTINEL)
    memory.put_config(SHOP, changes={"LATE": Secret("late")}, by="anna", at=2.0)
    assert other.config(SHOP, 2)["LATE"] == Secret("late")
    other.close()


@pytest.mark.parametrize("content", [None, b"", b"mooring-key-1 AAAA\n", b"\xff" * 50])
def test_a_key_lost_while_the_store_is_open_is_told_and_never_made_anew(memory: SqliteMemory, state: Path, content: bytes | None) -> None:
    path = state / "secrets.key"
    path.unlink() if content is None else path.write_bytes(content)
    for asked in (
        lambda: memory.config(SHOP, 1),
        lambda: memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=2.0),
        memory.rotate_key,
        memory.check_keys,
    ):
        with pytest.raises(StateDamaged, match="the key file is") as lost:
            asked()
        assert "put back the key file" in lost.value.hint
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_lost_key_is_not_made_anew_even_when_only_another_environment_was_sealed_with_it(memory: SqliteMemory, state: Path) -> None:
    memory.save_environment(EnvironmentRecord(environment=EnvironmentId.parse("new"), created_at=0.0))
    (state / "secrets.key").unlink()
    with pytest.raises(StateDamaged, match="the key file is missing"):
        memory.put_config(EnvironmentId.parse("new"), changes={"A": "1"}, by="anna", at=2.0)


def test_a_snapshot_that_fails_in_the_middle_leaves_no_trace(memory: SqliteMemory, state: Path) -> None:
    """The first value is stored when the second turns out to be no text."""
    with pytest.raises(Exception, match="the value of B is no text"):
        memory.put_config(SHOP, changes={"A": "fine", "B": "\ud800"}, by="anna", at=2.0)
    assert len(memory.config_versions(SHOP)) == 1
    assert _rows(state, "SELECT count(*) FROM config_values") == [(4,)]


def test_a_disk_without_room_for_the_first_key_keeps_no_value_and_half_a_key_neither(
    tmp_path: Path, unwritable_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    with unwritable_disk(), pytest.raises(Unavailable, match="nothing was written"):
        memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
    assert not any(path.name.startswith("secrets.key") for path in (tmp_path / "state").iterdir())
    assert memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0) == 1
    memory.close()


def test_a_value_that_is_no_bytes_any_more_is_told(memory: SqliteMemory, state: Path) -> None:
    _rows(state, "UPDATE config_values SET sealed = 'text' WHERE name = 'KEY'")
    with pytest.raises(StateDamaged):
        memory.config(SHOP, 1)


def _rows(state: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(state / "mooring.db")) as plain:
        rows = plain.execute(statement).fetchall()
        plain.commit()
        return rows
