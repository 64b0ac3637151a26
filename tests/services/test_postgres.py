"""PostgreSQL as it is: the contract, what a login of one environment can try against another's, and every crash on the way."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from services.neighbours import neighbours, url_of
from services.postgres import PostgresRig

from mooring.drivers.service.contract import ISOLATION, ServiceDriver
from mooring.drivers.service.postgres.server import PostgresServer
from mooring.engine.clock import SystemClock
from mooring.engine.services import Services
from mooring.errors import InvalidInput, MooringError, NotFound, Refused, Unavailable
from mooring.model.names import ServerName
from mooring.model.secret import Secret
from mooring.model.service import Piece, ServiceKind, ServiceServer
from mooring.model.steps import RemoveService
from mooring.store.memory import SqliteMemory
from mooring.testing.service_contract import BLOG, SHOP, ServiceContract, a_login, a_mark, a_piece


class TestPostgres(ServiceContract):
    @pytest.fixture
    def rig(self, postgres_rig: PostgresRig) -> PostgresRig:
        return postgres_rig


ATTEMPTS = (
    "SELECT * FROM pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "COPY (SELECT 1) TO '/tmp/m-services-written'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "CREATE TABLE stolen (line text); COPY stolen FROM PROGRAM 'id'",
    "CREATE TABLE stolen (line text); COPY stolen FROM '/etc/passwd'",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE FUNCTION f() RETURNS int AS 'x', 'y' LANGUAGE c",
    "CREATE ROLE another LOGIN SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEDB CREATEROLE",
    "CREATE DATABASE another",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "ALTER SYSTEM SET log_statement = 'none'",
    "SET SESSION AUTHORIZATION postgres",
    "SET ROLE postgres",
    "SET ROLE {others}",
    "SET ROLE {others_login}",
    "GRANT {others} TO CURRENT_USER",
    "ALTER ROLE {others_login} PASSWORD 'mine'",
    "ALTER ROLE {others_login} SET role = {mine}",
    "COMMENT ON ROLE {mine} IS 'not Mooring'",
    "COMMENT ON DATABASE {mine} IS 'not Mooring'",
    "ALTER DATABASE {mine} OWNER TO CURRENT_USER",
    "ALTER DATABASE {mine} RENAME TO {others}_x",
    "DROP DATABASE {mine}",
    "DROP DATABASE {others}",
    "GRANT CONNECT ON DATABASE {others} TO CURRENT_USER",
    "SELECT pg_terminate_backend({others_session})",
    "CREATE PUBLICATION everything FOR ALL TABLES",
    "CREATE SUBSCRIPTION s CONNECTION 'dbname={others}' PUBLICATION p",
    "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f()",
    "CREATE TABLE pg_catalog.mine (x int)",
)


async def test_a_login_reaches_nothing_but_its_own_database(postgres_rig: PostgresRig) -> None:
    mine, others = await neighbours(postgres_rig.driver)
    url, elsewhere = (url_of(postgres_rig.driver, piece) for piece in (mine, others))
    names = {"mine": mine.identity, "others": others.identity, "others_login": a_login(others).name}
    done = []
    for role in (mine.identity, "NONE"):  # as the owner, which it is at once, and as the login itself
        async with (
            await psycopg.AsyncConnection.connect(elsewhere) as held,
            await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
        ):
            names["others_session"] = str(held.info.backend_pid)
            await connection.execute(sql.SQL("SET ROLE {}").format(sql.SQL("NONE") if role == "NONE" else sql.Identifier(role)))
            for attempt in ATTEMPTS:
                try:
                    await connection.execute(attempt.format_map(names))
                except psycopg.errors.InsufficientPrivilege:
                    continue
                except psycopg.Error as error:
                    done.append((role, f"{attempt}: {error}"))
                    continue
                done.append((role, attempt))
    assert done == []


async def test_a_login_connects_to_no_other_database(postgres_rig: PostgresRig) -> None:
    mine, others = await neighbours(postgres_rig.driver)
    url = url_of(postgres_rig.driver, mine)
    await postgres_rig.ask("CREATE DATABASE payroll")
    facts = await postgres_rig.driver.inspect()
    assert [(each.subject, "payroll" in each.said) for each in facts.findings] == [(ISOLATION, True)]
    await postgres_rig.ask(facts.findings[0].hint)
    assert (await postgres_rig.driver.inspect()).findings == ()
    for database in ("postgres", "template1", "template0", "payroll", others.identity):
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(psycopg.conninfo.make_conninfo(url, dbname=database))


async def test_no_password_stands_in_the_servers_log(postgres_rig: PostgresRig) -> None:
    piece = a_piece()
    for number, password in ((1, "sesame-one"), (2, "sesame-two")):
        await postgres_rig.driver.provide(a_mark(), piece, a_login(piece, number, password))
        await postgres_rig.driver.admit(a_mark(), piece, a_login(piece, number, password))
    said = postgres_rig.log.read_text()
    assert piece.identity in said and "sesame" not in said


@pytest.mark.parametrize("postgres_rig", ["maker"], indirect=True)  # whose way is the longer one
async def test_a_crash_between_any_two_statements_ends_in_one_whole_piece_or_nothing_that_lets_in(
    postgres_rig: PostgresRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks before the n-th statement, for every n; then somebody does it again."""
    piece, login = a_piece(), a_login(a_piece())
    url = postgres_rig.driver.variables(piece, login)["URL"]
    crashes = 0
    for number in range(1, 100):
        await postgres_rig.clear()
        broken = await _provided_until(postgres_rig, number, monkeypatch)
        if not broken:
            break
        crashes += 1
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(url.reveal())
        await postgres_rig.driver.provide(a_mark(fence=2), piece, login)
        await postgres_rig.write({"URL": url}, "a", str(number))
        assert await postgres_rig.read({"URL": url}) == {"a": str(number)}
        assert [each.what for each in await postgres_rig.driver.find_owned()] == ["database", "role", "role"]
    assert crashes > 10


@pytest.mark.parametrize("postgres_rig", ["maker"], indirect=True)
async def test_a_crash_while_removing_leaves_what_is_found_and_removed(postgres_rig: PostgresRig, monkeypatch: pytest.MonkeyPatch) -> None:
    piece, login = a_piece(), a_login(a_piece())
    crashes = 0
    for number in range(1, 100):
        await postgres_rig.driver.provide(a_mark(), piece, login)
        _break_before(monkeypatch, number)
        try:
            await postgres_rig.driver.remove(a_mark(), piece)
            break
        except _Crash:
            crashes += 1
        finally:
            monkeypatch.undo()
        if await postgres_rig.ask("SELECT 1 FROM pg_roles WHERE rolname = %s", piece.identity):
            assert await postgres_rig.driver.find_owned()
        await postgres_rig.driver.remove(a_mark(), piece)
        assert not await postgres_rig.ask("SELECT 1 FROM pg_roles WHERE rolname LIKE 'm\\_%%'")
        assert not await postgres_rig.ask("SELECT 1 FROM pg_database WHERE datname LIKE 'm\\_%%'")
    assert crashes > 5


async def test_a_mask_has_no_more_rights_than_the_app_and_a_source_in_use_is_not_copied(postgres_rig: PostgresRig) -> None:
    source, copy = a_piece(), a_piece(BLOG)
    await postgres_rig.driver.provide(a_mark(), source, a_login(source))
    url = postgres_rig.driver.variables(source, a_login(source))["URL"]
    await postgres_rig.write({"URL": url}, "a", "1")
    for mask in ("RESET SESSION AUTHORIZATION; CREATE ROLE mine SUPERUSER", "SELECT pg_read_file('/etc/passwd')"):
        with pytest.raises(MooringError):
            await postgres_rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask=mask)
    assert not await postgres_rig.ask("SELECT 1 FROM pg_database WHERE datname = %s", copy.identity)
    async with await psycopg.AsyncConnection.connect(url.reveal(), autocommit=True) as connection:
        await connection.execute("SELECT 1")
        with pytest.raises(Refused, match="is being accessed by other users"):
            await postgres_rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask="")


async def test_what_an_app_made_as_its_login_itself_outlives_the_login(postgres_rig: PostgresRig) -> None:
    piece = a_piece()
    await postgres_rig.driver.provide(a_mark(), piece, a_login(piece))
    first = postgres_rig.driver.variables(piece, a_login(piece))["URL"].reveal()
    async with await psycopg.AsyncConnection.connect(first, autocommit=True) as connection:
        await connection.execute("SET ROLE NONE")
        await connection.execute("CREATE TABLE mine AS SELECT 42 AS x")
        await postgres_rig.driver.admit(a_mark(), piece, a_login(piece, 2, "second"))
        await postgres_rig.driver.withdraw(a_mark(), piece, keep=a_login(piece, 2).name)
        with pytest.raises(psycopg.Error):  # its session has ended
            await connection.execute("SELECT 1")
    second = postgres_rig.driver.variables(piece, a_login(piece, 2, "second"))["URL"].reveal()
    async with await psycopg.AsyncConnection.connect(second) as connection:
        assert await (await connection.execute("SELECT x FROM mine")).fetchone() == (42,)


async def test_a_mark_that_names_somebody_else_is_not_believed(postgres_rig: PostgresRig) -> None:
    piece = a_piece()
    await postgres_rig.driver.provide(a_mark(), piece, a_login(piece))
    mark = "mooring " + '{"controller":"c0ffee","environment":"shop/production","service":"db"}'
    await postgres_rig.ask("CREATE DATABASE payroll")
    await postgres_rig.ask(sql.SQL("COMMENT ON DATABASE payroll IS {}").format(sql.Literal(mark)))
    assert "payroll" not in {each.name for each in await postgres_rig.driver.find_owned()}


async def test_what_no_record_owns_is_found_adopted_and_removed_and_nothing_else_is(postgres_rig: PostgresRig, tmp_path: Path) -> None:
    """As after a memory was brought back that is older than the database: by this platform's own mark, and by nothing else."""
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_service_server(ServiceServer(name=ServerName("main"), kind=ServiceKind.POSTGRES), Secret("postgresql://unused"))
    drivers = OneDriver(postgres_rig.driver, a_piece().controller)
    services = Services(memory, drivers, SystemClock(), new_secret=lambda: Secret("made up"), changed=lambda _: None)
    orphan, theirs = a_piece(), Piece("another platform", BLOG, a_piece().service)
    await postgres_rig.driver.provide(a_mark(), orphan, a_login(orphan))
    await postgres_rig.driver.admit(a_mark(), orphan, a_login(orphan, 2, "second"))
    await postgres_rig.driver.provide(a_mark(BLOG), theirs, a_login(theirs))
    await postgres_rig.ask("CREATE DATABASE payroll")
    try:
        found = await services.orphans(ServerName("main"))
        assert [each.what for each in found] == ["database", "role", "role", "role"] and {each.piece for each in found} == {orphan}
        with pytest.raises(NotFound):
            await services.adopt(BLOG, theirs.service)
        assert (await services.adopt(SHOP, orphan.service)).piece == orphan
        assert await services.orphans(ServerName("main")) == ()
        await services.perform(a_mark(fence=2), RemoveService(service=orphan.service, reason="a person asked for it"))
        names = [
            str(row) for row in await postgres_rig.ask("SELECT datname FROM pg_database WHERE datname LIKE 'm\\_%%' OR datname = 'payroll'")
        ]
        assert len(names) == 2 and any(theirs.identity in name for name in names)
        assert await postgres_rig.driver.find_owned() == () == memory.services()
    finally:
        await postgres_rig.ask("DROP DATABASE payroll")
        memory.close()


class OneDriver:
    """Fulfils ServiceDrivers: one server."""

    def __init__(self, driver: ServiceDriver, controller: str) -> None:
        self._driver = driver
        self.controller = controller

    def driver(self, server: ServiceServer, address: Secret) -> ServiceDriver:
        return self._driver


@pytest.mark.parametrize("address", ["", "mysql://a@b/c", "postgresql://[", "host=localhost", "postgresql://h/d?nonsense=1"])
def test_what_is_no_address_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(InvalidInput, match="no address of a PostgreSQL server") as caught:
        PostgresServer(Secret(address), controller="c")
    assert not address or address not in str(caught.value)


async def test_a_server_that_does_not_answer_is_unavailable_and_shows_no_password() -> None:
    server = PostgresServer(Secret("postgresql://admin:sesame@127.0.0.1:1/postgres"), controller="c")
    with pytest.raises(Unavailable) as caught:
        await server.inspect()
    assert "127.0.0.1:1" in str(caught.value) and "sesame" not in str(caught.value)


class _Crash(BaseException):
    """The controller's process is gone."""


def _break_before(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The `number`-th statement from now is not sent any more, nor is any after it."""
    count = 0
    execute = psycopg.AsyncConnection.execute

    async def counted(self: psycopg.AsyncConnection, *args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        if count >= number:
            raise _Crash
        return await execute(self, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", counted)


async def _provided_until(rig: PostgresRig, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the crash came."""
    _break_before(monkeypatch, number)
    try:
        await rig.driver.provide(a_mark(), a_piece(), a_login(a_piece()))
    except _Crash:
        return True
    finally:
        monkeypatch.undo()
    return False
