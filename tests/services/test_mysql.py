"""MariaDB as it is: the contract, what a login of one environment can try against another's, and every crash on the way."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pymysql
import pytest
from services.mariadb import MariadbRig, ask, mariadb, opened
from services.neighbours import neighbours, url_of
from services.rigs import place_of

from mooring.drivers.service.contract import ISOLATION
from mooring.drivers.service.mysql import carrying, session
from mooring.drivers.service.mysql.inspection import version_of
from mooring.drivers.service.mysql.server import MysqlServer
from mooring.errors import InvalidInput, MooringError, NotFound, Unavailable
from mooring.model.host import Weight
from mooring.model.secret import Secret
from mooring.testing.authority import PaperAuthority
from mooring.testing.service_contract import BLOG, CONTROLLER, SHOP, ServiceContract, a_login, a_mark, a_piece

ONE_RIG = pytest.mark.parametrize("mariadb_rig", ["maker"], indirect=True)  # who may the least
DEFINED = (
    "CREATE TABLE people (id int PRIMARY KEY, name varchar(20))",
    "INSERT INTO people VALUES (1, 'DEFINER=`x`@`y`')",
    "CREATE TABLE seen (id int)",
    "CREATE VIEW names AS SELECT name FROM people",
    "CREATE FUNCTION twice(x int) RETURNS int DETERMINISTIC RETURN x * 2",
    "CREATE PROCEDURE count_them() BEGIN SELECT COUNT(*) FROM people; END",
    "CREATE TRIGGER remember AFTER INSERT ON people FOR EACH ROW INSERT INTO seen VALUES (NEW.id)",
    "CREATE EVENT later ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 YEAR DO DELETE FROM people",
)


class TestMariadb(ServiceContract):
    @pytest.fixture
    def rig(self, mariadb_rig: MariadbRig) -> MariadbRig:
        return mariadb_rig


ATTEMPTS = (
    "SELECT * FROM {others}.entries",
    "SELECT * FROM mysql.user",
    "SELECT * FROM mysql.global_priv",
    "SELECT * FROM mysql.proc",
    "SELECT * FROM mooring_marks.things",
    "UPDATE mooring_marks.things SET piece = ''",
    "DROP DATABASE mooring_marks",
    "DROP DATABASE {others}",
    "CREATE DATABASE another",
    "CREATE DATABASE {lookalike}",
    "USE {others}",
    "CREATE TABLE {others}.mine (x int)",
    "CREATE TABLE mine LIKE {others}.entries",
    "CREATE TABLE mine (`key` varchar(40) PRIMARY KEY, value text) ENGINE=MERGE UNION=({others}.entries)",
    "CREATE VIEW mine AS SELECT * FROM {others}.entries",
    "RENAME TABLE own TO {others}.own",
    "CREATE TRIGGER {others}.t BEFORE INSERT ON {others}.entries FOR EACH ROW SET @x = 1",
    "CREATE DEFINER=`{others_login}`@`%` VIEW mine AS SELECT 1 AS x",
    "CREATE DEFINER=root@localhost PROCEDURE p() SELECT 1",
    "CREATE DEFINER=root@localhost EVENT e ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
    "CREATE USER another IDENTIFIED BY 'mine'",
    "ALTER USER `{others_login}`@`%` IDENTIFIED BY 'mine'",
    "SET PASSWORD FOR `{others_login}`@`%` = PASSWORD('mine')",
    "RENAME USER `{others_login}`@`%` TO mine",
    "DROP USER `{others_login}`@`%`",
    "GRANT ALL ON *.* TO CURRENT_USER",
    "GRANT SELECT ON {others}.* TO CURRENT_USER",
    "GRANT SELECT ON {mine}.* TO `{others_login}`@`%`",
    "CREATE ROLE r",
    "GRANT SELECT ON mysql.* TO PUBLIC",
    "SHOW GRANTS FOR `{others_login}`@`%`",
    "SHOW CREATE USER `{others_login}`@`%`",
    "SHOW TABLES FROM {others}",
    "SHOW CREATE DATABASE {others}",
    "SHOW TRIGGERS FROM {others}",
    "SHOW BINARY LOGS",
    "SHOW SLAVE STATUS",
    "SHOW ENGINE INNODB STATUS",
    "SELECT 1 INTO OUTFILE '/tmp/m-services-written'",
    "SELECT 1 INTO DUMPFILE '/tmp/m-services-written'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE own",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE own",
    "CREATE FUNCTION sys_exec RETURNS int SONAME 'udf.so'",
    "INSTALL PLUGIN p SONAME 'p.so'",
    "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h')",
    "SET GLOBAL general_log = 0",
    "SET GLOBAL read_only = 1",
    "SET SESSION sql_log_bin = 0",
    "FLUSH TABLES",
    "FLUSH TABLES WITH READ LOCK",
    "RESET MASTER",
    "SHUTDOWN",
    "KILL {others_session}",
    "BINLOG 'AAAA'",
)
DENIED = {
    1044,  # access denied to a database
    1045,  # access denied
    1095,  # not owner of thread
    1142,  # command denied for a table
    1227,  # access denied, a privilege is needed
    4166,  # files of the client's are read by nobody
}

LEAKS = (
    "SHOW DATABASES",
    "SELECT schema_name FROM information_schema.schemata",
    "SELECT table_schema, table_name FROM information_schema.tables",
    "SELECT table_schema, column_name FROM information_schema.columns",
    "SELECT routine_schema, routine_definition FROM information_schema.routines",
    "SELECT grantee, table_schema FROM information_schema.schema_privileges",
    "SELECT user, info FROM information_schema.processlist",
    "SHOW PROCESSLIST",
    "SELECT LOAD_FILE('/etc/passwd')",
    "SELECT * FROM information_schema.user_statistics",
)


async def test_a_login_reaches_nothing_but_its_own_database(mariadb_rig: MariadbRig) -> None:
    mine, others = await neighbours(mariadb_rig.driver)
    await mariadb_rig.write(mariadb_rig.driver.variables(others, a_login(others)), "a", "the others' word")
    url, elsewhere = (url_of(mariadb_rig.driver, piece) for piece in (mine, others))
    done = []
    with opened(elsewhere) as held, opened(url, several=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE own (line text)")
        names = {"mine": mine.identity, "others": others.identity, "others_login": a_login(others).name, "others_session": held.thread_id()}
        for attempt in ATTEMPTS:
            try:
                cursor.execute(attempt.format_map({**names, "lookalike": mine.identity.replace("_", "x", 2)}))
                while cursor.nextset():
                    pass
            except pymysql.MySQLError as error:
                done += [] if error.args[0] in DENIED else [attempt]
                continue
            done.append(attempt)
        for question in LEAKS:
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(question)
                said = repr(cursor.fetchall())
                done += [question] if others.identity in said or "root:" in said or "mooring_marks" in said else []
    assert done == []
    assert await mariadb_rig.read(mariadb_rig.driver.variables(others, a_login(others))) == {"a": "the others' word"}


async def test_a_prepared_transaction_is_not_kept_from_others_as_the_page_says(mariadb_rig: MariadbRig) -> None:
    """The server has no right for it: should that change, docs/how-to/services.md is to be mended."""
    mine, others = await neighbours(mariadb_rig.driver)
    url, elsewhere = (url_of(mariadb_rig.driver, piece) for piece in (mine, others))
    with opened(elsewhere) as held, held.cursor() as cursor:
        for statement in ("XA START 'x'", "CREATE TEMPORARY TABLE t (x int)", "XA END 'x'", "XA PREPARE 'x'"):
            cursor.execute(statement)
        with opened(url) as connection, connection.cursor() as another:
            another.execute("XA RECOVER")
            assert another.fetchall() == ((1, 1, 0, b"x"),)
        cursor.execute("XA ROLLBACK 'x'")


async def test_a_name_with_another_letter_for_its_underscore_is_not_reached(mariadb_rig: MariadbRig) -> None:
    """GRANT takes `_` for any character."""
    piece = a_piece()
    await mariadb_rig.driver.provide(a_mark(), piece, a_login(piece))
    lookalike = piece.identity.replace("m_", "mx", 1)
    mariadb_rig.ask(f"CREATE DATABASE {lookalike}")
    try:
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            ask(mariadb_rig.driver.variables(piece, a_login(piece))["URL"].reveal(), "SELECT 1", database=lookalike)
    finally:
        mariadb_rig.ask(f"DROP DATABASE {lookalike}")


async def test_no_password_stands_in_the_servers_log(mariadb_rig: MariadbRig, tmp_path: Path) -> None:
    piece = a_piece()
    for number, password in ((1, "sesame-one"), (2, "sesame-two")):
        await mariadb_rig.driver.provide(a_mark(), piece, a_login(piece, number, password))
        await mariadb_rig.driver.admit(a_mark(), piece, a_login(piece, number, password))
    await mariadb_rig.driver.dump(piece, a_login(piece, 2, "sesame-two"), tmp_path / "dump")
    await mariadb_rig.driver.restore(a_mark(), piece, a_login(piece, 2, "sesame-two"), tmp_path / "dump")
    said = mariadb_rig.log.read_text(errors="replace")
    assert piece.identity in said and "sesame" not in said


@ONE_RIG
async def test_what_a_withdrawn_login_has_defined_goes_on_and_is_dumped_brought_back_and_copied(
    mariadb_rig: MariadbRig, tmp_path: Path
) -> None:
    piece, copy = a_piece(), a_piece(BLOG)
    first, second = a_login(piece), a_login(piece, 2, "second")
    driver = mariadb_rig.driver
    await driver.provide(a_mark(), piece, first)
    for statement in DEFINED:
        ask(driver.variables(piece, first)["URL"].reveal(), statement)
    await driver.admit(a_mark(), piece, second)
    await driver.withdraw(a_mark(), piece, keep=second.name)
    with pytest.raises(pymysql.err.OperationalError):
        ask(driver.variables(piece, first)["URL"].reveal(), "SELECT 1")
    _works(driver.variables(piece, second)["URL"].reveal(), 2)
    await driver.dump(piece, second, tmp_path / "dump")
    ask(driver.variables(piece, second)["URL"].reveal(), "DROP TABLE people")
    await driver.restore(a_mark(), piece, second, tmp_path / "dump")
    _works(driver.variables(piece, second)["URL"].reveal(), 2)
    await driver.clone(a_mark(BLOG), copy, a_login(copy), source=piece, mask="")
    await driver.remove(a_mark(), piece)
    assert {each.piece for each in await driver.find_owned()} == {copy}
    url = driver.variables(copy, a_login(copy))["URL"].reveal()
    _works(url, 2)
    assert ask(url, "SELECT name FROM people WHERE id = 1") == [("DEFINER=`x`@`y`",)]
    assert ask(url, "SELECT event_name FROM information_schema.events") == [("later",)]


def _works(url: str, number: int) -> None:
    """All of DEFINED; what it adds it takes away."""
    seen = ask(url, "SELECT COUNT(*) FROM seen")[0][0]
    ask(url, "INSERT INTO people VALUES (%s, 'one more')", number)
    assert ask(url, "SELECT COUNT(*) FROM seen") == [(seen + 1,)]
    assert ask(url, "SELECT COUNT(*) FROM names") == [(2,)]
    assert ask(url, "SELECT twice(21)") == [(42,)]
    assert ask(url, "CALL count_them()") == [(2,)]
    ask(url, "DELETE FROM people WHERE id = %s", number)


@ONE_RIG
async def test_a_withdrawn_login_that_defined_nothing_is_gone_and_its_sessions_end(mariadb_rig: MariadbRig) -> None:
    piece = a_piece()
    await mariadb_rig.driver.provide(a_mark(), piece, a_login(piece))
    with opened(mariadb_rig.driver.variables(piece, a_login(piece))["URL"].reveal()) as connection:
        await mariadb_rig.driver.admit(a_mark(), piece, a_login(piece, 2, "second"))
        await mariadb_rig.driver.withdraw(a_mark(), piece, keep=a_login(piece, 2).name)
        with pytest.raises(pymysql.err.OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert [each.name for each in await mariadb_rig.driver.find_owned()] == [piece.identity, a_login(piece, 2).name]
    assert mariadb_rig.ask("SELECT user FROM mysql.user WHERE user LIKE 'm\\_%%'") == [(a_login(piece, 2).name,)]


@ONE_RIG
async def test_half_a_dump_changes_nothing_and_none_runs_a_program_or_reads_a_file(mariadb_rig: MariadbRig, tmp_path: Path) -> None:
    piece, others = a_piece(), a_piece(BLOG)
    driver = mariadb_rig.driver
    for each in (piece, others):
        await driver.provide(a_mark(each.environment), each, a_login(each))
    variables = driver.variables(piece, a_login(piece))
    await mariadb_rig.write(variables, "a", "1")
    (tmp_path / "secret").write_text("secret\n")
    for number, ending in enumerate(
        (
            "NONSENSE;",
            f"\\! touch {tmp_path}/ran",
            f"system touch {tmp_path}/ran\n;",
            f"\\. {tmp_path}/secret\nNONSENSE;",
            f"LOAD DATA LOCAL INFILE '{tmp_path}/secret' INTO TABLE entries;",
            f"USE {others.identity};",
            f"USE {piece.identity}; DELETE FROM entries;",
        )
    ):
        dump = tmp_path / f"dump-{number}"
        dump.write_text(
            f"CREATE TABLE IF NOT EXISTS entries (`key` varchar(40) PRIMARY KEY, value text);\nDELETE FROM entries;\n{ending}\n"
        )
        with pytest.raises(Unavailable):
            await driver.restore(a_mark(), piece, a_login(piece), dump)
        assert await mariadb_rig.read(variables) == {"a": "1"}
    assert not (tmp_path / "ran").exists()
    assert [each.what for each in await driver.find_owned()] == ["database", "database", "login", "login"]


@ONE_RIG
async def test_a_crash_between_any_two_statements_ends_in_one_whole_piece_or_nothing_that_lets_in(
    mariadb_rig: MariadbRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks before the n-th statement, for every n; then somebody does it again."""
    piece, login = a_piece(), a_login(a_piece())
    url = mariadb_rig.driver.variables(piece, login)["URL"]
    crashes = 0
    for number in range(1, 100):
        mariadb_rig.clear()
        if not await _breaks(monkeypatch, number, lambda: mariadb_rig.driver.provide(a_mark(), piece, login)):
            break
        crashes += 1
        with pytest.raises(pymysql.err.OperationalError):
            ask(url.reveal(), "SELECT 1")
        await mariadb_rig.driver.provide(a_mark(fence=2), piece, login)
        await mariadb_rig.write({"URL": url}, "a", str(number))
        assert await mariadb_rig.read({"URL": url}) == {"a": str(number)}
        assert [each.what for each in await mariadb_rig.driver.find_owned()] == ["database", "login"]
    assert crashes > 15


@ONE_RIG
async def test_a_crash_while_copying_or_bringing_back_ends_as_if_it_had_not_come(
    mariadb_rig: MariadbRig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source, copy = a_piece(), a_piece(BLOG)
    driver = mariadb_rig.driver
    variables = driver.variables(copy, a_login(copy))
    await driver.provide(a_mark(), source, a_login(source))
    await mariadb_rig.write(driver.variables(source, a_login(source)), "a", "1")
    await driver.dump(source, a_login(source), tmp_path / "dump")

    async def everything() -> None:
        await driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask="UPDATE entries SET value = 'masked'")
        await driver.restore(a_mark(BLOG), copy, a_login(copy), tmp_path / "dump")

    crashes = 0
    for number in range(1, 200, 3):
        if not await _breaks(monkeypatch, number, everything):
            break
        crashes += 1
        await everything()
        assert await mariadb_rig.read(variables) == {"a": "1"}
        await driver.withdraw(a_mark(BLOG), copy, keep=a_login(copy).name)
        await driver.remove(a_mark(BLOG), copy)
        assert {each.piece for each in await driver.find_owned()} == {source}
        assert not mariadb_rig.ask("SELECT user FROM mysql.user WHERE user LIKE CONCAT(%s, '%%')", copy.identity)
        assert not mariadb_rig.ask("SHOW DATABASES LIKE %s", f"{copy.identity}%")
    assert crashes > 10


@ONE_RIG
async def test_a_crash_while_removing_leaves_what_is_found_and_removed(mariadb_rig: MariadbRig, monkeypatch: pytest.MonkeyPatch) -> None:
    piece, login = a_piece(), a_login(a_piece())
    crashes = 0
    for number in range(1, 100):
        await mariadb_rig.driver.provide(a_mark(), piece, login)
        if not await _breaks(monkeypatch, number, lambda: mariadb_rig.driver.remove(a_mark(), piece)):
            break
        crashes += 1
        assert {each.piece for each in await mariadb_rig.driver.find_owned()} == {piece}
        await mariadb_rig.driver.remove(a_mark(), piece)
        assert not mariadb_rig.ask("SELECT user FROM mysql.user WHERE user LIKE 'm\\_%%'")
        assert not mariadb_rig.ask("SHOW DATABASES LIKE 'm\\_%%'")
    assert crashes > 10


@ONE_RIG
async def test_what_came_under_a_name_that_was_only_taken_is_not_touched(mariadb_rig: MariadbRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the mark and the making; then somebody else makes a database of that name."""
    piece = a_piece()
    occupied = 0
    for number in range(1, 100):
        mariadb_rig.clear()
        if not await _breaks(monkeypatch, number, lambda: mariadb_rig.driver.provide(a_mark(), piece, a_login(piece))):
            break
        if mariadb_rig.ask("SHOW DATABASES LIKE %s", piece.identity):
            break
        await mariadb_rig.occupy(piece)
        for again in (mariadb_rig.driver.provide(a_mark(), piece, a_login(piece)), mariadb_rig.driver.remove(a_mark(), piece)):
            with pytest.raises(MooringError, match="does not carry the mark"):
                await again
        assert await mariadb_rig.is_occupied(piece)
        occupied += 1
    assert occupied > 5


@ONE_RIG
async def test_a_mask_has_no_more_rights_than_the_app_and_a_source_in_use_is_copied(mariadb_rig: MariadbRig) -> None:
    source, copy = a_piece(), a_piece(BLOG)
    await mariadb_rig.driver.provide(a_mark(), source, a_login(source))
    url = mariadb_rig.driver.variables(source, a_login(source))["URL"]
    await mariadb_rig.write({"URL": url}, "a", "1")
    for mask in ("CREATE USER mine", "SELECT 1; SELECT 1 INTO OUTFILE '/tmp/m-services-written'", f"DELETE FROM {source.identity}.entries"):
        with pytest.raises(MooringError):
            await mariadb_rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask=mask)
    assert not mariadb_rig.ask("SHOW DATABASES LIKE %s", copy.identity)
    with opened(url.reveal()) as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("INSERT INTO entries VALUES ('b', 'not yet')")
        await mariadb_rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask="")
    assert await mariadb_rig.read(mariadb_rig.driver.variables(copy, a_login(copy))) == {"a": "1"}
    with pytest.raises(NotFound):
        await mariadb_rig.driver.clone(
            a_mark(BLOG), a_piece(BLOG, "more"), a_login(a_piece(BLOG, "more")), source=a_piece(SHOP, "x"), mask=""
        )


@ONE_RIG
async def test_the_size_is_that_of_the_files_at_once(mariadb_rig: MariadbRig) -> None:
    """What the server estimates of a table comes a while after the rows."""
    piece, other = a_piece(), a_piece(BLOG)
    for each in (piece, other):
        await mariadb_rig.driver.provide(a_mark(each.environment), each, a_login(each))
    url = mariadb_rig.driver.variables(piece, a_login(piece))["URL"].reveal()
    ask(url, "CREATE TABLE pages (id int PRIMARY KEY, body text)")
    ask(url, "INSERT INTO pages SELECT seq, REPEAT('x', 1000) FROM seq_1_to_5000")
    ask(url, "CREATE TABLE words (body text) ENGINE=MyISAM")
    between = await mariadb_rig.driver.size(piece)
    ask(url, "INSERT INTO words VALUES (REPEAT('x', 20000))")
    assert 5_000_000 < between <= await mariadb_rig.driver.size(piece) - 20_000
    assert await mariadb_rig.driver.size(other) == 0


async def test_what_is_open_to_everybody_is_found_and_what_is_said_closes_it(mariadb_rig: MariadbRig) -> None:
    assert (await mariadb_rig.driver.inspect()).findings == ()
    mariadb_rig.ask("CREATE USER ''@'localhost'")
    mariadb_rig.ask("GRANT SELECT ON payroll.* TO PUBLIC")
    facts = await mariadb_rig.driver.inspect()
    assert [(each.subject, "payroll" in each.said) for each in facts.findings] == [(ISOLATION, False), (ISOLATION, True)]
    for finding in facts.findings:
        for statement in finding.hint.split("; "):
            mariadb_rig.ask(statement)
    assert (await mariadb_rig.driver.inspect()).findings == ()


@ONE_RIG
async def test_a_table_is_written_where_its_database_is_and_a_server_that_puts_it_elsewhere_is_warned_about(
    mariadb_rig: MariadbRig,
) -> None:
    piece = a_piece()
    await mariadb_rig.driver.provide(a_mark(), piece, a_login(piece))
    elsewhere = mariadb_rig.log.parent
    table = f"CREATE TABLE elsewhere (x int) DATA DIRECTORY='{elsewhere}'"
    ask(mariadb_rig.driver.variables(piece, a_login(piece))["URL"].reveal(), table)
    assert not (elsewhere / piece.identity).exists()
    with mariadb("--symbolic-links=1") as (port, _):
        (finding,) = (await MysqlServer(Secret(f"mysql://maker:maker@127.0.0.1:{port}/"), controller="c").inspect()).findings
    assert (finding.subject, finding.weight, finding.hint) == ("files", Weight.WARNING, "set symbolic-links=0 in my.cnf, and restart it")


async def test_with_tls_the_servers_certificate_is_checked_by_us_and_by_the_client_programs(tmp_path: Path) -> None:
    authority, others = PaperAuthority(), PaperAuthority("Another")
    leaf = authority.issue(["localhost"], starts_at=0, expires_at=4e9)
    words = []
    with place_of("mysql") as (place, who):
        for name, content in (("cert", leaf.chain), ("key", leaf.key.reveal()), ("ca", authority.root), ("others", others.root)):
            (place / name).write_text(content)
            shutil.chown(place / name, who)
            words += [f"--ssl-{name}={place / name}"] if name in ("cert", "key") else []
        with mariadb(*words) as (port, _):
            url = f"mysql://maker:maker@localhost:{port}/?ssl-mode=VERIFY_IDENTITY&ssl-ca={place}"
            driver, piece = MysqlServer(Secret(f"{url}/ca"), controller=CONTROLLER), a_piece()
            await driver.provide(a_mark(), piece, a_login(piece))
            assert (
                driver.variables(piece, a_login(piece))["URL"]
                .reveal()
                .endswith(f"?ssl-mode=VERIFY_IDENTITY&ssl-ca={quote(str(place), safe='')}%2Fca")
            )
            await driver.dump(piece, a_login(piece), tmp_path / "dump")
            with pytest.raises(Unavailable, match="certificate"):
                await MysqlServer(Secret(f"{url}/others"), controller=CONTROLLER).inspect()
            address = session.Address(Secret(f"{url}/others"))
            with pytest.raises(Unavailable, match="certificate"):
                await carrying.dump(address, piece.identity, a_login(piece), tmp_path / "more")
    assert not (tmp_path / "more").exists()


async def test_rights_that_are_missing_are_named(mariadb_rig: MariadbRig) -> None:
    parts = mariadb_rig.admin.reveal().replace("maker:maker", "little:little").replace("chief:chief", "little:little")
    mariadb_rig.ask("CREATE OR REPLACE USER little IDENTIFIED BY 'little'")
    mariadb_rig.ask("GRANT SELECT, CREATE USER ON *.* TO little WITH GRANT OPTION")
    (finding,) = (await MysqlServer(Secret(parts), controller="c").inspect()).findings
    assert finding.subject == "rights" and "INSERT, " in finding.said and "SELECT" not in finding.said.replace("INSERT", "")
    mariadb_rig.ask(finding.hint.replace("…", "little"))
    assert (await MysqlServer(Secret(parts), controller="c").inspect()).findings == ()


@pytest.mark.parametrize(
    "address",
    ["", "postgresql://a@b/c", "mysql://[", "mysql://host/", "mysql://a@h/?ssl-mode=REQUIRED", "mysql://a@h/?x=1", "mysql://a@h:port/"],
)
def test_what_is_no_address_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(InvalidInput, match="no address of a MySQL or MariaDB server") as caught:
        MysqlServer(Secret(address), controller="c")
    assert not address or address not in str(caught.value)


async def test_a_server_that_does_not_answer_is_unavailable_and_shows_no_password() -> None:
    with pytest.raises(Unavailable) as caught:
        await MysqlServer(Secret("mysql://admin:sesame@127.0.0.1:1/"), controller="c").inspect()
    assert "127.0.0.1:1" in str(caught.value) and "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", ("MariaDB", (10, 11, 19))),
        ("5.5.5-10.6.18-MariaDB-log", ("MariaDB", (10, 6, 18))),
        ("8.0.36", ("MySQL", (8, 0, 36))),
        ("8.4.3-commercial", ("MySQL", (8, 4, 3))),
        ("nonsense", ("MySQL", (0,))),
    ],
)
def test_a_version_is_understood(said: str, known: tuple[str, tuple[int, ...]]) -> None:
    assert version_of(said) == known


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"/*!50013 DEFINER=`a``b`@`%` SQL SECURITY DEFINER */\n", b"/*!50013 SQL SECURITY DEFINER */\n"),
        (b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER t\n", b"/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t\n"),
        (b"CREATE DEFINER=`a`@`localhost` FUNCTION f()\n", b"CREATE FUNCTION f()\n"),
        (b"INSERT INTO t VALUES ('CREATE DEFINER=`a`@`%` ');\n", b"INSERT INTO t VALUES ('CREATE DEFINER=`a`@`%` ');\n"),
    ],
)
def test_who_defined_it_is_left_out_of_a_dump_on_its_way_and_nothing_else(line: bytes, kept: bytes) -> None:
    assert carrying.without_definer(line) == kept


class _Crash(BaseException):
    """The controller's process is gone."""


async def _breaks(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], Awaitable[None]]) -> bool:
    """Whether the `number`-th statement came: it is not sent any more, nor is any after it."""
    count = 0
    execute = session.Connection.execute

    async def counted(self: session.Connection, statement: str, *values: object) -> object:
        nonlocal count
        count += 1
        if count >= number:
            raise _Crash
        return await execute(self, statement, *values)

    monkeypatch.setattr(session.Connection, "execute", counted)
    try:
        await act()
    except _Crash:
        return True
    finally:
        monkeypatch.undo()
    return False
