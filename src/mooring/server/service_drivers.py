"""Drivers of the servers that services come from. Beside wiring.py it names concrete drivers, each imported where there is such a server.

Must not: speak to a server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import assert_never

from mooring.drivers.service.contract import ServiceDriver, ServiceDrivers
from mooring.model.secret import Secret
from mooring.model.service import ServiceKind, ServiceServer


class Drivers:
    """`name` tells who this controller is, in the marks."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name

    @cached_property
    def controller(self) -> str:
        return self._name()

    def driver(self, server: ServiceServer, address: Secret) -> ServiceDriver:
        match server.kind:
            case ServiceKind.POSTGRES:
                from mooring.drivers.service.postgres.server import PostgresServer

                return PostgresServer(address, controller=self.controller)
            case ServiceKind.MYSQL:
                from mooring.drivers.service.mysql.server import MysqlServer

                return MysqlServer(address, controller=self.controller)
            case ServiceKind.REDIS:
                from mooring.drivers.service.redis.server import RedisServer

                return RedisServer(address, controller=self.controller)
            case ServiceKind.SQLITE:
                from mooring.drivers.service.sqlite.files import SqliteFiles

                return SqliteFiles(address, controller=self.controller)
            case ServiceKind.BUCKET:
                from mooring.drivers.service.bucket.server import BucketServer

                return BucketServer(address, controller=self.controller)
            case _:
                assert_never(server.kind)


_: type[ServiceDrivers] = Drivers
