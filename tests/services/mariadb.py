"""A real MariaDB server, with its root and one who has just the rights that Mooring asks for; and an app that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql
from services.rigs import found, free_port, place_of, run_as, server

from mooring.drivers.service.mysql.inspection import RIGHTS
from mooring.drivers.service.mysql.server import MysqlServer
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import CONTROLLER


def opened(url: str, *, database: str | None = None, several: bool = False) -> closing[pymysql.connections.Connection]:
    """As an app connects, by nothing but its URL."""
    parts = urlsplit(url)
    found = pymysql.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=unquote(parts.password or ""),
        database=database or parts.path.removeprefix("/") or None,
        autocommit=True,
        connect_timeout=10,
        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS if several else 0,
    )
    return closing(found)


def ask(url: str, statement: str, *values: object, database: str | None = None) -> list[tuple[object, ...]]:
    with opened(url, database=database) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


@dataclass
class MariadbRig:
    """`admin`: the address as which Mooring comes; `root`: the one that may do everything."""

    admin: Secret
    root: Secret
    log: Path
    emptying: str = "DELETE FROM entries"

    def __post_init__(self) -> None:
        self.driver = MysqlServer(self.admin, controller=CONTROLLER)

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        url = variables["URL"].reveal()
        await asyncio.to_thread(ask, url, "CREATE TABLE IF NOT EXISTS entries (`key` varchar(40) PRIMARY KEY, value text)")
        await asyncio.to_thread(ask, url, "REPLACE INTO entries VALUES (%s, %s)", key, value)

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]:
        url = variables["URL"].reveal()
        if not await asyncio.to_thread(ask, url, "SHOW TABLES LIKE 'entries'"):
            return {}
        return dict(await asyncio.to_thread(ask, url, "SELECT `key`, value FROM entries"))

    async def occupy(self, piece: Piece) -> None:
        self.ask(f"CREATE DATABASE `{piece.identity}`")
        self.ask(f"CREATE TABLE `{piece.identity}`.payroll (salary int)")

    async def is_occupied(self, piece: Piece) -> bool:
        return self.ask(f"SHOW TABLES FROM `{piece.identity}`") == [("payroll",)]

    def ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """As root."""
        return ask(self.root.reveal(), statement, *values)

    def clear(self) -> None:
        """As new."""
        for (name,) in self.ask("SELECT schema_name FROM information_schema.schemata WHERE schema_name RLIKE '^(m_|mooring|payroll)'"):
            self.ask(f"DROP DATABASE `{name}`")
        for (name,) in self.ask("SELECT user FROM mysql.user WHERE user LIKE 'm\\_%%'"):
            self.ask(f"DROP USER `{name}`@`%`")


@contextmanager
def mariadb(*more: str) -> Iterator[tuple[int, Path]]:
    """Its port on 127.0.0.1 and the log in which every statement stands."""
    with place_of("mysql") as (directory, who):
        install = [found("mariadb-install-db", "mariadb-server"), "--no-defaults", f"--datadir={directory}/data", "--skip-test-db"]
        run_as(who, [*install, "--auth-root-authentication-method=normal", "--skip-name-resolve"], directory=directory)
        port = free_port()
        settings = {
            "datadir": f"{directory}/data",
            "socket": f"{directory}/socket",
            "pid-file": f"{directory}/pid",
            "bind-address": "127.0.0.1",
            "port": str(port),
            "innodb-flush-log-at-trx-commit": "0",
            "innodb-buffer-pool-size": "64M",
            "general-log": "1",
            "general-log-file": f"{directory}/statements",
            "max-connections": "60",
            "symbolic-links": "0",
        }
        words = [f"--{name}={value}" for name, value in settings.items()]
        argv = [
            found("mariadbd", "mariadb-server"),
            "--no-defaults",
            "--skip-name-resolve",
            "--debug-no-sync",
            "--event-scheduler=ON",
            *words,
            *more,
        ]
        with server(who, argv, directory=directory, answers=lambda: _lets_in(directory / "socket")):
            with closing(pymysql.connect(unix_socket=str(directory / "socket"), user="root")) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE USER chief@'%' IDENTIFIED BY 'chief'")
                cursor.execute("GRANT ALL ON *.* TO chief@'%' WITH GRANT OPTION")
                cursor.execute("CREATE USER maker@'%' IDENTIFIED BY 'maker'")
                cursor.execute(f"GRANT {', '.join(RIGHTS)} ON *.* TO maker@'%' WITH GRANT OPTION")
                cursor.execute("DROP USER IF EXISTS ''@localhost, PUBLIC")
            yield port, directory / "statements"


def _lets_in(socket: Path) -> bool:
    try:
        pymysql.connect(unix_socket=str(socket), user="root").close()
    except pymysql.err.OperationalError:
        return False
    return True
