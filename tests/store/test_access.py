"""Tokens are known only to who holds them; what was asked for is written down; a request sent twice is answered once."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, InvalidName, NotFound, Refused
from mooring.model.access import Actor, AuditEntry, Role
from mooring.model.secret import Secret
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import BLOG, SHOP, an_answer


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    yield memory
    memory.close()


def test_a_token_is_known_by_its_secret_and_gives_its_role(memory: SqliteMemory) -> None:
    record, token = memory.create_token("ci", Role.DEPLOYER, at=1.0)
    memory.create_token("ops", Role.ADMIN, at=1.0)
    found = memory.token_by_secret(token, now=2.0)
    assert found == record
    assert record.actor == Actor(name="ci", role=Role.DEPLOYER)
    assert memory.token(record.id) == record


def test_tokens_hold_256_bits_and_differ(memory: SqliteMemory) -> None:
    tokens = {memory.create_token(f"t{number}", Role.VIEWER, at=1.0)[1].reveal() for number in range(20)}
    assert len(tokens) == 20
    assert all(len(token.split("_", 2)[2]) == 43 for token in tokens)


@pytest.mark.parametrize("change", ["", "x", "mooring_", "mooring", "_", "__", "ü", "\udcff", "x" * 100_000])
def test_what_is_no_token_is_nobody(memory: SqliteMemory, change: str) -> None:
    memory.create_token("ci", Role.ADMIN, at=1.0)
    assert memory.token_by_secret(Secret(change), now=1.0) is None


def test_a_token_with_one_character_changed_is_nobody(memory: SqliteMemory) -> None:
    _, token = memory.create_token("ci", Role.ADMIN, at=1.0)
    text = token.reveal()
    for position in range(len(text)):
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        assert memory.token_by_secret(Secret(changed), now=1.0) is None
    assert memory.token_by_secret(Secret(text + "A"), now=1.0) is None
    assert memory.token_by_secret(Secret(text[:-1]), now=1.0) is None
    assert memory.token_by_secret(Secret(text + "\0" * 200), now=1.0) is None


def test_the_secret_of_one_token_does_not_open_another(memory: SqliteMemory) -> None:
    viewer, weak = memory.create_token("viewer", Role.VIEWER, at=1.0)
    admin, _ = memory.create_token("admin", Role.ADMIN, at=1.0)
    assert memory.token_by_secret(Secret(weak.reveal().replace(viewer.id, admin.id)), now=1.0) is None


def test_a_token_ends_when_it_expires(memory: SqliteMemory) -> None:
    _, token = memory.create_token("ci", Role.ADMIN, at=1.0, expires_at=10.0)
    assert memory.token_by_secret(token, now=9.9) is not None
    assert memory.token_by_secret(token, now=10.0) is None
    with pytest.raises(InvalidInput, match="the token would have expired already"):
        memory.create_token("late", Role.ADMIN, at=1.0, expires_at=1.0)


def test_a_revoked_token_is_nobody_and_stays_on_the_list(memory: SqliteMemory) -> None:
    record, token = memory.create_token("ci", Role.ADMIN, at=1.0)
    revoked = memory.revoke_token("ci", at=5.0)
    assert memory.token_by_secret(token, now=5.0) is None
    assert (revoked.id, revoked.revoked_at) == (record.id, 5.0)
    assert memory.tokens() == (revoked,)
    assert memory.token(record.id) == revoked
    with pytest.raises(NotFound, match="there is no valid token named ci"):
        memory.revoke_token("ci", at=6.0)


def test_a_name_is_given_again_only_after_its_token_ended(memory: SqliteMemory) -> None:
    first, _ = memory.create_token("ci", Role.ADMIN, at=1.0, expires_at=10.0)
    with pytest.raises(InvalidInput, match="there is a token named ci already"):
        memory.create_token("ci", Role.VIEWER, at=2.0)
    second, token = memory.create_token("ci", Role.VIEWER, at=11.0)
    assert memory.revoke_token("ci", at=12.0).id == second.id
    assert memory.token_by_secret(token, now=12.0) is None
    assert [record.id for record in memory.tokens()] == [first.id, second.id]


@pytest.mark.parametrize("name", ["", "a b", "-ci", "ci\n", "x" * 65, "<b>", "ü"])
def test_an_odd_token_name_is_refused(memory: SqliteMemory, name: str) -> None:
    with pytest.raises(InvalidName, match="the token name"):
        memory.create_token(name, Role.VIEWER, at=1.0)
    assert memory.tokens() == ()


def test_each_role_reaches_what_is_below_it() -> None:
    reached = {(mine, needed) for mine in Role for needed in Role if mine.reaches(needed)}
    assert reached == {
        (Role.VIEWER, Role.VIEWER),
        (Role.DEPLOYER, Role.VIEWER),
        (Role.DEPLOYER, Role.DEPLOYER),
        (Role.ADMIN, Role.VIEWER),
        (Role.ADMIN, Role.DEPLOYER),
        (Role.ADMIN, Role.ADMIN),
    }


def test_the_audit_log_is_read_newest_first_and_page_by_page(memory: SqliteMemory) -> None:
    memory.append_audit(who="anna", what="deploy", at=1.0, environment=SHOP, detail={"commit": "3f2a91c"})
    memory.append_audit(who="ben", what="token create", at=2.0)
    last = memory.append_audit(who="anna", what="rollback", at=3.0, environment=BLOG)
    newest, older = memory.audit(limit=2)
    assert newest == last
    assert older == AuditEntry(sequence=2, at=2.0, who="ben", what="token create")
    (first,) = memory.audit(before=older.sequence)
    assert (first.who, first.environment, first.detail) == ("anna", SHOP, {"commit": "3f2a91c"})
    assert memory.audit(environment=BLOG) == (last,)


def test_the_audit_log_outlives_the_environment(memory: SqliteMemory) -> None:
    entry = memory.append_audit(who="anna", what="destroy", at=1.0, environment=SHOP)
    memory.forget_environment(SHOP)
    assert memory.prune_history(keep=0, before=1e12) == 0
    assert memory.audit() == (entry,)


def test_a_request_sent_twice_gets_the_first_answer(memory: SqliteMemory) -> None:
    assert memory.answer("k1", scope="ci POST /deployments", digest="d1") is None
    assert memory.remember_answer(an_answer("k1", scope="ci POST /deployments", digest="d1", content=b"first", at=1.0)) == b"first"
    assert memory.remember_answer(an_answer("k1", scope="ci POST /deployments", digest="d1", content=b"second", at=2.0)) == b"first"
    assert memory.answer("k1", scope="ci POST /deployments", digest="d1") == b"first"


def test_a_key_with_another_body_is_refused_and_another_caller_has_keys_of_its_own(memory: SqliteMemory) -> None:
    memory.remember_answer(an_answer("k1", scope="ci", digest="d1", content=b"first", at=1.0))
    with pytest.raises(Refused, match="the idempotency key 'k1' was used for another request"):
        memory.answer("k1", scope="ci", digest="d2")
    with pytest.raises(Refused):
        memory.remember_answer(an_answer("k1", scope="ci", digest="d2", content=b"other", at=1.0))
    assert memory.answer("k1", scope="ops", digest="d2") is None


def test_answers_are_forgotten_by_age(memory: SqliteMemory) -> None:
    memory.remember_answer(an_answer("old", scope="ci", digest="d", content=b"", at=1.0))
    memory.remember_answer(an_answer("new", scope="ci", digest="d", content=b"", at=5.0))
    assert memory.forget_answers(before=5.0) == 1
    assert memory.answer("old", scope="ci", digest="d") is None
    assert memory.answer("new", scope="ci", digest="d") == b""


def test_the_database_of_tokens_is_its_owners_only(memory: SqliteMemory, tmp_path: Path) -> None:
    memory.create_token("ci", Role.ADMIN, at=1.0)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}
