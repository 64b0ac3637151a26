"""How long Mooring takes to give a review app a copy of a template database, against `createdb -T` by hand, in one run.

    bin/bench clone [--rounds 5] [--megabytes 500]

One PostgreSQL server that syncs what it writes. By hand: the program createdb, from its start to its end. Mooring: from the driver's
call until the new login may connect, with its roles, its password and its mark. Rounds alternate, and so does who begins one; each
copy begins behind a checkpoint and is dropped after it.

Takes about 90 s.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from parts.showing import Figure, show

from mooring.drivers.service.postgres.server import PostgresServer
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import a_login, a_mark, a_piece

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from services.postgres import postgres  # noqa: E402 (the tests' own server is the one measured)
from services.rigs import found  # noqa: E402

TEMPLATE, REVIEW = EnvironmentId.parse("shop/template"), EnvironmentId.parse("shop/branch")
ROWS_OF_A_MEGABYTE = 1_000
TARGET = 1.0  # times as long as by hand


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=500)
    told = parser.parse_args()
    with postgres(fsync="on", log_statement="none") as (port, _):
        return asyncio.run(measure(f"postgresql://postgres:root@127.0.0.1:{port}/postgres", rounds=told.rounds, megabytes=told.megabytes))


async def measure(address: str, *, rounds: int, megabytes: int) -> int:
    server = PostgresServer(Secret(address), controller="bench")
    template = a_piece(TEMPLATE)
    await server.provide(a_mark(TEMPLATE), template, a_login(template))
    fill(server.variables(template, a_login(template))["URL"], megabytes)
    size = await server.size(template)
    hand, ours = [], []
    for number in range(1, rounds + 1):
        if number % 2:
            hand.append(by_hand(address, template))
        ours.append(await by_mooring(address, server, template))
        if not number % 2:
            hand.append(by_hand(address, template))
        print(f"round {number}: createdb {hand[-1]:.2f} s, Mooring {ours[-1]:.2f} s", flush=True)
    return tell(hand, ours, size=size)


def fill(url: Secret, megabytes: int) -> None:
    """As an app does: a table of its own with two indexes."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, customer text, remark text)")
        rows = "INSERT INTO orders SELECT i, md5(i::text), repeat(md5((-i)::text), 26) FROM generate_series(1, %s) AS i"
        connection.execute(rows, [megabytes * ROWS_OF_A_MEGABYTE])
        connection.execute("CREATE INDEX ON orders (customer)")


def by_hand(address: str, template: Piece) -> float:
    """Seconds."""
    settle(address)
    began = time.monotonic()
    argv = [found("createdb", "postgresql"), "--maintenance-db", address, "--template", template.identity, "by_hand"]
    subprocess.run(argv, check=True, env={**os.environ, "PGPASSWORD": "root"})
    took = time.monotonic() - began
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP DATABASE by_hand")
    return took


async def by_mooring(address: str, server: PostgresServer, template: Piece) -> float:
    """Seconds."""
    copy = a_piece(REVIEW)
    settle(address)
    began = time.monotonic()
    await server.clone(a_mark(REVIEW), copy, a_login(copy), source=template, mask="")
    took = time.monotonic() - began
    with psycopg.connect(server.variables(copy, a_login(copy))["URL"].reveal()) as connection:
        row = connection.execute("SELECT max(id) FROM orders").fetchone()
        assert row is not None and row[0] > 0, "the app's login reads what was copied"
    await server.remove(a_mark(REVIEW), copy)
    return took


def settle(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def tell(hand: list[float], ours: list[float], *, size: int) -> int:
    middle = statistics.median
    figures = [
        Figure("the template database", size / 1e6, "MB"),
        Figure("createdb -T by hand, median", middle(hand), "s", beside=f"slowest {max(hand):.2f} s"),
        Figure("a copy by Mooring, with roles, password and mark, median", middle(ours), "s", beside=f"slowest {max(ours):.2f} s"),
        Figure("the same, times as long as by hand", middle(ours) / middle(hand), at_most=TARGET),
    ]
    return show("clone", figures, {"createdb_s": hand, "mooring_s": ours, "bytes": size})


if __name__ == "__main__":
    sys.exit(main())
