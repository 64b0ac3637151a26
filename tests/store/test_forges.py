"""Forges in the store: secrets that only their own place opens, and no message taken twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from mooring.errors import NotFound, StateDamaged
from mooring.model.forge import ForgeSecrets
from mooring.model.names import AppName, DeploymentId, EnvironmentName
from mooring.model.secret import Secret
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import a_forge, a_hindered, a_pull, a_shown, a_watch

SHOP, BLOG = AppName("shop"), AppName("blog")
SECRETS = ForgeSecrets(token=Secret("a token"), hook=Secret("a hook's secret"))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_forge(a_forge("shop"), SECRETS)
    yield memory
    memory.close()


def test_a_forge_is_kept_as_it_was_saved_last_until_it_is_forgotten(memory: SqliteMemory) -> None:
    memory.save_forge(a_forge("blog"), ForgeSecrets(token=Secret("another"), hook=Secret("")))
    assert memory.forges() == (a_forge("blog"), a_forge("shop"))
    memory.save_forge_head(SHOP, "main", "c1")
    memory.save_forge(a_forge("shop"), ForgeSecrets(token=Secret("newer"), hook=Secret("")))
    assert memory.forge_secrets(SHOP).token == Secret("newer")
    assert memory.forge_heads(SHOP) == {"main": "c1"}
    memory.forget_forge(SHOP)
    assert memory.forges() == (a_forge("blog"),)
    assert memory.forge_heads(SHOP) == {}
    with pytest.raises(NotFound, match="shop has no forge"):
        memory.forge_secrets(SHOP)


def test_secrets_open_in_their_own_place_only_and_after_a_rotation(memory: SqliteMemory, tmp_path: Path) -> None:
    memory.save_forge(a_forge("blog"), ForgeSecrets(token=Secret("another"), hook=Secret("")))
    assert memory.rotate_key() == 2
    assert memory.forge_secrets(SHOP) == SECRETS
    with closing(sqlite3.connect(tmp_path / "state" / "mooring.db")) as plain:
        assert not any(b"a token" in row[0] for row in plain.execute("SELECT sealed FROM forges"))
        plain.execute("UPDATE forges SET sealed = (SELECT sealed FROM forges WHERE app = 'blog')")
        plain.commit()
    with pytest.raises(StateDamaged):
        memory.forge_secrets(SHOP)


def test_a_lost_key_file_is_noticed_where_only_a_forge_was_sealed(memory: SqliteMemory, tmp_path: Path) -> None:
    (tmp_path / "state" / "secrets.key").unlink()
    with pytest.raises(StateDamaged, match="key file is missing"):
        memory.check_keys()
    with pytest.raises(StateDamaged):
        memory.save_forge(a_forge("blog"), SECRETS)


def test_a_message_is_new_once_until_it_is_forgotten_and_per_app(memory: SqliteMemory) -> None:
    memory.save_forge(a_forge("blog"), SECRETS)
    assert [memory.is_first_delivery(SHOP, b"one", at=at) for at in (1.0, 2.0)] == [True, False]
    assert memory.is_first_delivery(BLOG, b"one", at=2.0)
    assert memory.forget_deliveries(before=1.5) == 1
    assert memory.is_first_delivery(SHOP, b"one", at=3.0)


def test_heads_and_watches_follow_their_forge_and_none_is_made_without_it(memory: SqliteMemory) -> None:
    memory.save_forge_head(SHOP, "main", "c1")
    memory.save_forge_head(SHOP, "main", "c2")
    memory.save_forge_head(SHOP, "old", "c1")
    memory.save_forge_head(SHOP, "old", "")
    assert memory.forge_heads(SHOP) == {"main": "c2"}
    memory.save_forge_watch(a_watch())
    assert memory.forge_watches() == (a_watch(),)
    memory.forget_forge_watch(DeploymentId("d1"))
    assert memory.forge_watches() == ()
    memory.forget_forge(SHOP)
    memory.save_forge_head(SHOP, "main", "c3")
    memory.save_forge_watch(a_watch())
    assert (memory.forge_heads(SHOP), memory.forge_watches()) == ({}, ())


def test_what_became_of_pull_requests_is_kept_until_it_is_forgotten_or_its_forge(memory: SqliteMemory) -> None:
    for pull in (a_pull(12), a_pull(2), a_pull(3)):
        memory.save_forge_pull(pull)
    changed = msgspec.structs.replace(a_pull(3), comment="900", told="it serves")
    memory.save_forge_pull(changed)
    memory.forget_forge_pull(SHOP, 2)
    assert memory.forge_pulls(SHOP) == (changed, a_pull(12))
    assert [memory.forge_pull(SHOP, number) for number in (2, 3, 12)] == [None, changed, a_pull(12)]
    assert memory.forge_pull(BLOG, 3) is None
    memory.forget_forge(SHOP)
    memory.save_forge_pull(a_pull())
    memory.save_forge(a_forge(), SECRETS)
    assert memory.forge_pulls(SHOP) == ()


def test_what_a_forge_shows_is_kept_by_environment_until_it_is_forgotten_or_its_forge(memory: SqliteMemory) -> None:
    for shown in (a_shown(), a_shown("staging"), a_shown("production", deployments=("4711", "4712"))):
        memory.save_forge_shown(shown)
    assert memory.forge_shown(SHOP) == {"production": a_shown(deployments=("4711", "4712")), "staging": a_shown("staging")}
    memory.forget_forge_shown(SHOP, EnvironmentName("production"))
    assert memory.forge_shown(SHOP) == {"staging": a_shown("staging")} and memory.forge_shown(BLOG) == {}
    memory.forget_forge(SHOP)
    memory.save_forge_shown(a_shown())
    memory.save_forge(a_forge(), SECRETS)
    assert memory.forge_shown(SHOP) == {}


def test_a_commit_that_a_check_hinders_is_kept_by_its_branch_or_pull_request(memory: SqliteMemory) -> None:
    of_main, of_pull = a_hindered(), a_hindered(number=2)
    for hindered in (msgspec.structs.replace(of_main, commit="c0"), of_main, of_pull):
        memory.save_forge_hindered(hindered)
    assert memory.forge_hindered(SHOP) == (of_main, of_pull) and memory.forge_hindered(BLOG) == ()
    memory.forget_forge_hindered(SHOP, of_pull.name)
    assert memory.forge_hindered(SHOP) == (of_main,)
    memory.forget_forge(SHOP)
    memory.save_forge_hindered(of_main)
    memory.save_forge(a_forge(), SECRETS)
    assert memory.forge_hindered(SHOP) == ()
