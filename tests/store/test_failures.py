"""Whatever goes wrong below the store reaches the user as a Mooring error with a hint, and a failed write has changed nothing."""

from __future__ import annotations

import errno
import inspect
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import msgspec
import pytest
import sqlalchemy.exc
from cryptography.exceptions import InvalidTag

from mooring.errors import InvalidInput, MooringError, OutcomeUnknown, StateDamaged, Unavailable
from mooring.model.access import Role
from mooring.model.certificate import AttemptOutcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.forge import ForgeSecrets
from mooring.model.lease import Lease, Lock
from mooring.model.names import AppName, DeploymentId, EnvironmentName, HostId, Hostname
from mooring.model.records import EnvironmentRecord
from mooring.model.registry import Registry
from mooring.model.secret import Secret
from mooring.store import translation
from mooring.store.memory import SqliteMemory
from mooring.testing.loan_contract import a_loan
from mooring.testing.samples import (
    SHOP,
    a_deployment,
    a_forge,
    a_hindered,
    a_host,
    a_pull,
    a_release,
    a_server,
    a_service,
    a_shown,
    a_step,
    a_watch,
    an_answer,
    an_event,
)

# The primary codes of errors; each also stands for its extended ones, such as SQLITE_IOERR_FSYNC.
PRIMARY = """
    ABORT AUTH BUSY CANTOPEN CONSTRAINT CORRUPT ERROR FORMAT FULL INTERNAL INTERRUPT IOERR LOCKED MISMATCH MISUSE NOLFS NOMEM
    NOTADB NOTFOUND PERM PROTOCOL RANGE READONLY SCHEMA TOOBIG
"""
SECRETS = ForgeSecrets(token=Secret("token"), hook=Secret("hook"))
RESULT_CODES = sorted(name for name in vars(sqlite3) if name.startswith("SQLITE_") and name.split("_")[1] in PRIMARY.split())


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    memory.add_deployment(a_deployment())
    memory.end_attempt(memory.begin_attempt(Hostname("shop.example.com"), at=0.0), outcome=AttemptOutcome.FAILED)
    yield memory
    memory.close()


@pytest.mark.parametrize("code", RESULT_CODES)
def test_every_result_code_of_sqlite_has_a_meaning_and_a_hint(code: str) -> None:
    error = sqlite3.OperationalError("foreign words")
    error.sqlite_errorname = code
    wrapped = sqlalchemy.exc.OperationalError("INSERT", {}, error)
    for foreign in (error, wrapped):
        meaning = translation.translate(foreign, where="mooring.db")
        assert meaning.hint
        assert "foreign words" not in str(meaning)
        assert meaning.where == "mooring.db"


def test_the_codes_that_matter_most_mean_what_they_should() -> None:
    assert _meaning("SQLITE_FULL") is Unavailable
    assert _meaning("SQLITE_BUSY_SNAPSHOT") is Unavailable
    assert _meaning("SQLITE_READONLY_DBMOVED") is Unavailable
    assert _meaning("SQLITE_IOERR_WRITE") is Unavailable
    assert _meaning("SQLITE_IOERR_FSYNC") is OutcomeUnknown
    assert _meaning("SQLITE_CORRUPT_INDEX") is StateDamaged
    assert _meaning("SQLITE_NOTADB") is StateDamaged
    assert _meaning("SQLITE_IOERR_SHORT_READ") is StateDamaged


def _meaning(code: str) -> type[MooringError]:
    error = sqlite3.OperationalError()
    error.sqlite_errorname = code
    return type(translation.translate(error, where=""))


def _all_below(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_all_below(below) for below in kind.__subclasses__()))


def _made(kind: type[Exception]) -> Exception:
    """An error of any class, without calling its own way of being made."""
    return kind.__new__(kind)


def test_no_error_class_of_a_library_below_is_missed() -> None:
    libraries = [
        *(kind for _, kind in inspect.getmembers(sqlite3, inspect.isclass) if issubclass(kind, sqlite3.Error)),
        *_all_below(sqlalchemy.exc.SQLAlchemyError),
        *_all_below(msgspec.MsgspecError),
        *(kind for kind in _all_below(OSError) if kind.__module__ in ("builtins", "shutil", "socket", "ssl", "tarfile", "zipfile")),
        *_all_below(UnicodeError),
        InvalidTag,
        OverflowError,
        ValueError,
        TypeError,
    ]
    for kind in libraries:
        assert issubclass(kind, translation.FOREIGN)
        with pytest.raises(MooringError) as translated, translation.translated("mooring.db"):
            raise _made(kind)
        assert translated.value.hint, kind


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_outside_the_database_is_told_like_one_inside(code: int) -> None:
    with pytest.raises(Unavailable, match="the disk is full"), translation.translated("secrets.key"):
        raise OSError(code, os.strerror(code))


WRITES: dict[str, Callable[[SqliteMemory], object]] = {
    "save_environment": lambda memory: memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=1.0)),
    "forget_environment": lambda memory: memory.forget_environment(SHOP),
    "add_release": lambda memory: memory.add_release(a_release(9)),
    "put_config": lambda memory: memory.put_config(SHOP, changes={"A": "2"}, by="anna", at=1.0),
    "rotate_key": lambda memory: memory.rotate_key(),
    "save_service_server": lambda memory: memory.save_service_server(a_server(), Secret("postgresql://a:b@c/d")),
    "forget_service_server": lambda memory: memory.forget_service_server(a_server().name),
    "save_service": lambda memory: memory.save_service(a_service(), {a_service().login: Secret("sesame")}),
    "forget_service": lambda memory: memory.forget_service(SHOP, a_service().piece.service),
    "add_deployment": lambda memory: memory.add_deployment(a_deployment("d9")),
    "save_deployment": lambda memory: memory.save_deployment(a_deployment(number=5)),
    "write_intent": lambda memory: memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0),
    "write_outcome": lambda memory: memory.write_outcome(1, outcome="done", at=1.0),
    "append_event": lambda memory: memory.append_event(an_event()),
    "append_events": lambda memory: memory.append_events([an_event()]),
    "save_registry": lambda memory: memory.save_registry(Registry(host="ghcr.io", username="anna"), Secret("x")),
    "forget_registry": lambda memory: memory.forget_registry("ghcr.io"),
    "save_host": lambda memory: memory.save_host(a_host()),
    "forget_host": lambda memory: memory.forget_host(HostId("web-1")),
    "save_loan": lambda memory: memory.save_loan(a_loan()),
    "forget_loan": lambda memory: memory.forget_loan("c0ffee-00000001"),
    "save_forge": lambda memory: memory.save_forge(a_forge("blog"), SECRETS),
    "forget_forge": lambda memory: memory.forget_forge(AppName("shop")),
    "save_forge_head": lambda memory: memory.save_forge_head(AppName("shop"), "main", "c2"),
    "is_first_delivery": lambda memory: memory.is_first_delivery(AppName("shop"), b"new", at=1.0),
    "forget_deliveries": lambda memory: memory.forget_deliveries(before=1.0),
    "save_forge_watch": lambda memory: memory.save_forge_watch(a_watch("d2")),
    "save_forge_pull": lambda memory: memory.save_forge_pull(a_pull(3)),
    "forget_forge_pull": lambda memory: memory.forget_forge_pull(AppName("shop"), 2),
    "save_forge_hindered": lambda memory: memory.save_forge_hindered(a_hindered("idea")),
    "forget_forge_hindered": lambda memory: memory.forget_forge_hindered(AppName("shop"), "main"),
    "save_forge_shown": lambda memory: memory.save_forge_shown(a_shown("staging")),
    "forget_forge_shown": lambda memory: memory.forget_forge_shown(AppName("shop"), EnvironmentName("production")),
    "forget_forge_watch": lambda memory: memory.forget_forge_watch(DeploymentId("d1")),
    "take_lease": lambda memory: memory.take_lease(SHOP, holder="c1", now=0.0, dead_after=1.0),
    "renew_lease": lambda memory: memory.renew_lease(Lease(environment=SHOP, holder="", fence=1, since=0.0, heartbeat=0.0), now=1.0),
    "release_lease": lambda memory: memory.release_lease(Lease(environment=SHOP, holder="", fence=1, since=0.0, heartbeat=0.0)),
    "save_lock": lambda memory: memory.save_lock(Lock(environment=SHOP, by="anna", reason="", since=0.0)),
    "remove_lock": lambda memory: memory.remove_lock(SHOP),
    "create_token": lambda memory: memory.create_token("ci", Role.ADMIN, at=0.0),
    "revoke_token": lambda memory: memory.revoke_token("old", at=0.0),
    "append_audit": lambda memory: memory.append_audit(who="anna", what="deploy", at=0.0),
    "remember_answer": lambda memory: memory.remember_answer(an_answer("k")),
    "forget_answers": lambda memory: memory.forget_answers(before=1.0),
    "begin_attempt": lambda memory: memory.begin_attempt(Hostname("shop.example.com"), at=1.0),
    "end_attempt": lambda memory: memory.end_attempt(1, outcome=AttemptOutcome.ISSUED),
    "forget_attempts": lambda memory: memory.forget_attempts(before=1.0),
    "prune_history": lambda memory: memory.prune_history(keep=0, before=1e12),
}
READS: dict[str, Callable[[SqliteMemory], object]] = {
    "attempts": lambda memory: memory.attempts(),
    "environments": lambda memory: memory.environments(),
    "environment": lambda memory: memory.environment(SHOP),
    "next_release_number": lambda memory: memory.next_release_number(SHOP),
    "release": lambda memory: memory.release(SHOP, 1),
    "releases": lambda memory: memory.releases(SHOP),
    "config": lambda memory: memory.config(SHOP, 1),
    "config_versions": lambda memory: memory.config_versions(SHOP),
    "deployment": lambda memory: memory.deployment(DeploymentId("d1")),
    "deployments": lambda memory: memory.deployments(),
    "unfinished_deployments": lambda memory: memory.unfinished_deployments(),
    "journal": lambda memory: memory.journal(DeploymentId("d1")),
    "open_intents": lambda memory: memory.open_intents(),
    "events": lambda memory: memory.events(),
    "newest_event": lambda memory: memory.newest_event(SHOP, EventKind.TRACES),
    "hosts": lambda memory: memory.hosts(),
    "loans": lambda memory: memory.loans(),
    "registries": lambda memory: memory.registries(),
    "registry_logins": lambda memory: memory.registry_logins(),
    "forges": lambda memory: memory.forges(),
    "forge_secrets": lambda memory: memory.forge_secrets(AppName("shop")),
    "forge_heads": lambda memory: memory.forge_heads(AppName("shop")),
    "forge_watches": lambda memory: memory.forge_watches(),
    "forge_pull": lambda memory: memory.forge_pull(AppName("shop"), 2),
    "forge_pulls": lambda memory: memory.forge_pulls(AppName("shop")),
    "forge_shown": lambda memory: memory.forge_shown(AppName("shop")),
    "forge_hindered": lambda memory: memory.forge_hindered(AppName("shop")),
    "services": lambda memory: memory.services(),
    "service_servers": lambda memory: memory.service_servers(),
    "service_address": lambda memory: memory.service_address(a_server().name),
    "service_passwords": lambda memory: memory.service_passwords(SHOP, a_service().piece.service),
    "lease": lambda memory: memory.lease(SHOP),
    "lock": lambda memory: memory.lock(SHOP),
    "token": lambda memory: memory.token("x"),
    "tokens": lambda memory: memory.tokens(),
    "token_by_secret": lambda memory: memory.token_by_secret(Secret("mooring_a_b"), now=0.0),
    "audit": lambda memory: memory.audit(),
    "last_asked": lambda memory: memory.last_asked("state backup"),
    "answer": lambda memory: memory.answer("k", scope="s", digest="d"),
    "check_keys": lambda memory: memory.check_keys(),
}
CALLS = {**WRITES, **READS}


def test_every_public_method_is_among_those_tried_here() -> None:
    public = {name for name, _ in inspect.getmembers(SqliteMemory, inspect.isfunction) if not name.startswith("_")}
    of_files = {"save_certificate", "remove_certificate", "certificates", "damaged_certificates"}  # tried in test_certificates.py
    assert public - {"close"} - of_files == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_each_method_tells_of_tables_that_are_gone(name: str, memory: SqliteMemory, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state" / "mooring.db")) as plain:
        plain.execute("PRAGMA foreign_keys=0")
        tables = [row[0] for row in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
        for table in tables:
            plain.execute(f"DROP TABLE {table}")
    with pytest.raises(StateDamaged) as damaged:
        CALLS[name](memory)
    assert "mooring state restore" in damaged.value.hint


@pytest.mark.parametrize("name", WRITES)
def test_each_write_tells_of_a_state_that_another_process_holds(name: str, memory: SqliteMemory, tmp_path: Path) -> None:
    with memory._database.write() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
    with closing(sqlite3.connect(tmp_path / "state" / "mooring.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="another process is writing the state"):
            WRITES[name](memory)


RECORDS = {
    "environments": lambda memory: memory.environments(),
    "deployments": lambda memory: memory.deployments(),
    "releases": lambda memory: memory.releases(SHOP),
    "config_versions": lambda memory: memory.config_versions(SHOP),
    "events": lambda memory: memory.events(),
    "hosts": lambda memory: memory.hosts(),
    "loans": lambda memory: memory.loans(),
    "forges": lambda memory: memory.forges(),
    "forge_watches": lambda memory: memory.forge_watches(),
    "forge_pulls": lambda memory: memory.forge_pulls(AppName("shop")),
    "forge_shown": lambda memory: memory.forge_shown(AppName("shop")),
    "forge_hindered": lambda memory: memory.forge_hindered(AppName("shop")),
    "services": lambda memory: memory.services(),
    "service_servers": lambda memory: memory.service_servers(),
}


@pytest.mark.parametrize("table", RECORDS)
@pytest.mark.parametrize("record", ["", "{", "null", '{"environment": 5}', b"\xff\xfe"])
def test_a_garbled_record_is_told_and_not_guessed(table: str, record: str | bytes, memory: SqliteMemory, tmp_path: Path) -> None:
    memory.add_release(a_release())
    memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
    memory.append_event(an_event())
    memory.save_host(a_host())
    memory.save_loan(a_loan())
    memory.save_forge(a_forge(), SECRETS)
    memory.save_forge_watch(a_watch())
    memory.save_forge_pull(a_pull())
    memory.save_forge_shown(a_shown())
    memory.save_forge_hindered(a_hindered())
    memory.save_service_server(a_server(), Secret("postgresql://a:b@c/d"))
    memory.save_service(a_service(), {a_service().login: Secret("sesame")})
    with closing(sqlite3.connect(tmp_path / "state" / "mooring.db")) as plain:
        plain.execute(f"UPDATE {table} SET record = CAST(? AS TEXT)", [record])
        plain.commit()
    with pytest.raises(StateDamaged, match="the state cannot be read as it should be"):
        RECORDS[table](memory)


def test_text_that_cannot_be_stored_is_refused_as_input(memory: SqliteMemory) -> None:
    with pytest.raises(InvalidInput, match="a text or number cannot be stored"):
        memory.append_event(Event(at=1.0, kind=EventKind.PLATFORM, fields={"message": "\ud800"}))
    with pytest.raises(InvalidInput, match="a text or number cannot be stored"):
        memory.save_lock(Lock(environment=SHOP, by="anna", reason="\ud800", since=0.0))
    with pytest.raises(InvalidInput, match="a text or number cannot be stored"):
        memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=2**70, at=1.0)
    with pytest.raises(InvalidInput, match="the value of KEY is no text"):
        memory.put_config(SHOP, changes={"KEY": "\ud800"}, by="anna", at=1.0)
    assert memory.events() == ()


def test_a_closed_store_says_so_or_opens_again(memory: SqliteMemory) -> None:
    memory.close()
    assert memory.environment(SHOP) is not None


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_the_disk_does_not_take_changes_nothing_and_works_again_later(
    name: str, filled: SqliteMemory, tmp_path: Path, unwritable_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    before = _dump(tmp_path), (tmp_path / "state" / "secrets.key").read_bytes()
    with unwritable_disk(), pytest.raises(Unavailable, match="nothing was written"):
        WRITES[name](filled)
    assert (_dump(tmp_path), (tmp_path / "state" / "secrets.key").read_bytes()) == before
    WRITES[name](filled)
    assert (_dump(tmp_path), (tmp_path / "state" / "secrets.key").read_bytes()) != before
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"mooring.db", "mooring.db-wal", "mooring.db-shm", "secrets.key"}


@pytest.fixture
def filled(memory: SqliteMemory) -> SqliteMemory:
    """In which each of WRITES has something to change."""
    memory.add_release(a_release())
    memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
    memory.create_token("old", Role.ADMIN, at=-1.0)
    memory.save_registry(Registry(host="ghcr.io", username="anna"), Secret("y"))
    memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0)
    memory.append_event(an_event())
    memory.take_lease(SHOP, holder="c1", now=0.5, dead_after=1.0)
    memory.save_lock(Lock(environment=SHOP, by="ben", reason="sale", since=0.0))
    memory.remember_answer(an_answer("old"))
    memory.save_host(msgspec.structs.replace(a_host("web-1"), is_draining=True))
    memory.save_loan(msgspec.structs.replace(a_loan(), leaving="nothing is on it"))
    memory.save_forge(a_forge(), SECRETS)
    memory.save_forge_head(AppName("shop"), "main", "c1")
    memory.save_forge_watch(a_watch())
    memory.save_forge_pull(a_pull())
    memory.save_forge_shown(a_shown())
    memory.save_forge_hindered(a_hindered())
    memory.is_first_delivery(AppName("shop"), b"old", at=0.0)
    memory.save_service_server(a_server(version="14.0"), Secret("postgresql://a:b@c/d"))
    memory.save_service(a_service(is_ready=False), {a_service().login: Secret("sesame")})
    return memory


def test_writing_until_the_disk_is_full_loses_nothing_that_was_acknowledged(memory: SqliteMemory) -> None:
    written: list[int] = []
    _limit_pages(memory, 60)
    with pytest.raises(Unavailable, match="the disk is full: nothing was written"):
        for _ in range(10_000):
            written.append(memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0))
    assert [entry.sequence for entry in memory.open_intents()] == written
    _limit_pages(memory, 1_000_000)
    written.append(memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0))
    assert [entry.sequence for entry in memory.open_intents()] == written


def _limit_pages(memory: SqliteMemory, pages: int) -> None:
    with memory._database.write() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def _dump(tmp_path: Path) -> list[str]:
    with closing(sqlite3.connect(tmp_path / "state" / "mooring.db")) as plain:
        return list(plain.iterdump())


FILLER = """
import sys
from pathlib import Path
from mooring.errors import MooringError
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import SHOP, a_step
memory = SqliteMemory.open(Path(sys.argv[1]))
print("open", flush=True)
try:
    for _ in range(100_000):
        print(memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0), flush=True)
except MooringError as error:
    print(error.code, error.message, flush=True)
"""


def test_a_file_that_the_system_will_not_let_grow_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """The write fails in the system, as on a disk with a quota, and not in SQLite's own count of pages."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    SqliteMemory.open(tmp_path / "state").close()
    child = subprocess.run(
        [sys.executable, "-c", FILLER, str(tmp_path / "state")], preexec_fn=limited, capture_output=True, text=True, timeout=60, check=True
    )
    first, *acknowledged, last = child.stdout.splitlines()
    assert first == "open"
    assert last.startswith("unavailable the disk")
    assert len(acknowledged) > 10
    memory = SqliteMemory.open(tmp_path / "state")
    assert [str(entry.sequence) for entry in memory.open_intents()] == acknowledged
    memory.close()


@pytest.mark.parametrize("after", [3, 40, 150])
def test_what_was_acknowledged_before_a_kill_is_there_afterwards(after: int, tmp_path: Path) -> None:
    SqliteMemory.open(tmp_path / "state").close()
    acknowledged: list[int] = []
    with subprocess.Popen([sys.executable, "-c", FILLER, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "open\n"
            while len(acknowledged) < after:
                acknowledged.append(int(child.stdout.readline()))
        finally:
            child.kill()
        acknowledged += [int(line) for line in child.stdout.read().splitlines()]
    memory = SqliteMemory.open(tmp_path / "state")
    found = [entry.sequence for entry in memory.open_intents()]
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in (0, 1)  # one may have landed whose answer was never told
    memory.close()


def test_an_error_never_quotes_what_was_to_be_stored(memory: SqliteMemory, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state" / "mooring.db")) as plain:
        plain.execute("DROP TABLE audit")
    with pytest.raises(StateDamaged) as damaged:
        memory.append_audit(who="anna", what="deploy", at=1.0, environment=EnvironmentId.parse("shop"), detail={"word": "sentinel"})
    chain: BaseException | None = damaged.value
    while chain is not None:
        assert "sentinel" not in f"{chain} {chain!r}"
        chain = chain.__cause__
