"""A real PostgreSQL server, with a superuser and one who may only make databases and roles; and an app that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from services.rigs import found, free_port, place_of, run_as, server

from mooring.drivers.service.postgres.server import PostgresServer
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import CONTROLLER


@dataclass
class PostgresRig:
    """`admin`: the address as which Mooring comes; `root`: the superuser's."""

    admin: Secret
    root: Secret
    log: Path
    emptying: str = "DELETE FROM entries"

    def __post_init__(self) -> None:
        self.driver = PostgresServer(self.admin, controller=CONTROLLER)

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        async with await psycopg.AsyncConnection.connect(variables["URL"].reveal(), connect_timeout=10) as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS entries (key text PRIMARY KEY, value text)")
            put = "INSERT INTO entries VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            await connection.execute(put, [key, value])

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]:
        async with await psycopg.AsyncConnection.connect(variables["URL"].reveal(), connect_timeout=10) as connection:
            there = await (await connection.execute("SELECT to_regclass('entries') IS NOT NULL")).fetchone()
            if there is None or not there[0]:
                return {}
            return dict(await (await connection.execute("SELECT key, value FROM entries")).fetchall())

    async def occupy(self, piece: Piece) -> None:
        await self.ask(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(piece.identity)))
        await self.ask(sql.SQL("COMMENT ON DATABASE {} IS 'the payroll'").format(sql.Identifier(piece.identity)))

    async def is_occupied(self, piece: Piece) -> bool:
        found = await self.ask(
            "SELECT 1 FROM pg_database WHERE datname = %s AND shobj_description(oid, 'pg_database') = 'the payroll'", piece.identity
        )
        return bool(found)

    async def ask(self, statement: object, *values: object, database: str = "") -> list[tuple[object, ...]]:
        """As the superuser."""
        address = psycopg.conninfo.make_conninfo(self.root.reveal(), **({"dbname": database} if database else {}))
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            answer = await connection.execute(statement, values or None)
            return await answer.fetchall() if answer.description else []

    async def clear(self) -> None:
        """As new."""
        for (name,) in await self.ask("SELECT datname FROM pg_database WHERE datname LIKE 'm\\_%%' OR datname = 'payroll'"):
            await self.ask(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(name))))
        for (name,) in await self.ask("SELECT rolname FROM pg_roles WHERE rolname LIKE 'm\\_%%' ORDER BY length(rolname) DESC"):
            await self.ask(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(str(name))))
            await self.ask(sql.SQL("DROP ROLE {}").format(sql.Identifier(str(name))))


@contextmanager
def postgres(**settings: str) -> Iterator[tuple[int, Path]]:
    """Its port on 127.0.0.1 and its log, in which every statement stands. Roles of apps may connect to nothing of others'.

    `settings` go over its own: `fsync="on"`.
    """
    with place_of("postgres") as (directory, who):
        (directory / "password").write_text("root")
        (directory / "password").chmod(0o644)
        initdb = [found("initdb", "postgresql"), "-D", str(directory / "data"), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
        run_as(who, [*initdb, "--locale", "C.UTF-8", "--no-sync", "--pwfile", str(directory / "password")], directory=directory)
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(directory),
            "fsync": "off",
            "log_statement": "all",
            "max_connections": "40",
            **settings,
        }
        argv = [found("postgres", "postgresql"), "-D", str(directory / "data"), *(f"--{name}={value}" for name, value in settings.items())]
        address = f"postgresql://postgres:root@127.0.0.1:{port}/postgres"
        with server(who, argv, directory=directory, answers=lambda: _lets_in(address)):
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
                connection.execute("CREATE ROLE maker LOGIN CREATEDB CREATEROLE PASSWORD 'maker'")
                connection.execute("GRANT CONNECT ON DATABASE postgres TO maker")
            yield port, directory / "log"


def _lets_in(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
