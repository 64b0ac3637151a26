"""Registries with their passwords: kept sealed, replaced, forgotten, readable after every rotation, and each in its own place only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mooring.errors import StateDamaged
from mooring.model.registry import Registry, RegistryLogin
from mooring.model.secret import Secret
from mooring.store.memory import SqliteMemory

SENTINEL = "s3ntinel-of-a-registry"
GHCR = Registry(host="ghcr.io", username="anna", added_at=1.0)
OWN = Registry(host="registry.example:5000", username="ci", images="team/apps", added_at=2.0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_registry(OWN, Secret("other"))
    memory.save_registry(GHCR, Secret(SENTINEL))
    yield memory
    memory.close()


def test_each_is_known_with_its_password_and_listed_without(memory: SqliteMemory) -> None:
    assert memory.registries() == (GHCR, OWN)
    assert memory.registry_logins() == (
        RegistryLogin(registry=GHCR, password=Secret(SENTINEL)),
        RegistryLogin(registry=OWN, password=Secret("other")),
    )


def test_one_that_is_added_again_is_replaced_and_one_that_is_forgotten_is_gone(memory: SqliteMemory) -> None:
    bert = Registry(host="ghcr.io", username="bert")
    memory.save_registry(bert, Secret("new"))
    memory.forget_registry(OWN.host)
    assert memory.registry_logins() == (RegistryLogin(registry=bert, password=Secret("new")),)


def test_a_password_lies_readable_in_no_file_and_is_sealed_anew_with_the_rest(memory: SqliteMemory, tmp_path: Path) -> None:
    before = _sealed(tmp_path)
    assert memory.rotate_key() == 2
    assert memory.registry_logins()[0].password == Secret(SENTINEL)
    content = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert SENTINEL.encode() not in content
    assert not set(before) & set(_sealed(tmp_path))


def test_the_key_is_never_made_anew_while_a_password_needs_it(memory: SqliteMemory, tmp_path: Path) -> None:
    (tmp_path / "state/secrets.key").unlink()
    with pytest.raises(StateDamaged, match="the key file is missing"):
        memory.save_registry(GHCR, Secret("x"))


def test_one_that_was_moved_to_another_registry_does_not_open(memory: SqliteMemory, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state/mooring.db")) as plain:
        plain.execute("UPDATE registries SET sealed = (SELECT sealed FROM registries WHERE host = 'ghcr.io')")
        plain.commit()
    with pytest.raises(StateDamaged, match=r"the password of registry registry\.example:5000 was changed from outside"):
        memory.registry_logins()


def _sealed(directory: Path) -> list[bytes]:
    with closing(sqlite3.connect(directory / "state/mooring.db")) as plain:
        return [row[0] for row in plain.execute("SELECT sealed FROM registries")]
