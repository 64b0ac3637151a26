"""A real Redis server, with one who may do everything; and an app that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from services.rigs import found, free_port, place_of, server

from mooring.drivers.service.redis.server import RedisServer
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import CONTROLLER


@dataclass
class RedisRig:
    """`admin`: the address as which Mooring comes."""

    admin: Secret
    place: Path
    emptying: str = "for _, key in ipairs(KEYS) do redis.call('DEL', key) end"

    def __post_init__(self) -> None:
        self.driver = RedisServer(self.admin, controller=CONTROLLER)

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        await asyncio.to_thread(lambda: self._entered(variables).hset(variables["PREFIX"].reveal() + "entries", key, value))

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]:
        return await asyncio.to_thread(lambda: self._entered(variables).hgetall(variables["PREFIX"].reveal() + "entries"))

    async def occupy(self, piece: Piece) -> None:
        self.root.set(f"{piece.identity}:payroll", "1")

    async def is_occupied(self, piece: Piece) -> bool:
        return self.root.keys(f"{piece.identity}*") == [f"{piece.identity}:payroll"]

    @property
    def root(self) -> Redis:
        return Redis.from_url(self.admin.reveal(), decode_responses=True)

    def clear(self) -> None:
        """As new."""
        self.root.flushall()
        for name in self.root.acl_users():
            if name.startswith("m_"):
                self.root.acl_deluser(name)

    def _entered(self, variables: dict[str, Secret]) -> Redis:
        return Redis.from_url(variables["URL"].reveal(), decode_responses=True)


@contextmanager
def redis(*more: str) -> Iterator[tuple[int, Path]]:
    """Its port on 127.0.0.1 and the file of its accounts."""
    with place_of("redis") as (directory, who):
        (directory / "users.acl").write_text("user default off\nuser chief on >chief ~* &* +@all\n")
        (directory / "users.acl").chmod(0o666)
        port = free_port()
        settings = {"port": str(port), "bind": "127.0.0.1", "dir": str(directory), "save": "", "sanitize-dump-payload": "clients"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        argv = [found("redis-server", "redis-server"), *words, "--aclfile", str(directory / "users.acl"), *more]
        with server(who, argv, directory=directory, answers=lambda: _lets_in(port)):
            yield port, directory / "users.acl"


def _lets_in(port: int) -> bool:
    try:
        return bool(Redis(port=port, username="chief", password="chief").ping())
    except NoConnection:
        return False
