"""All of Envoy's files, derived from the tables and certificates: what is to be published for each. Must not: write or wait."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mooring.drivers.edge.certificates import Certificate
from mooring.drivers.edge.envoy.listeners import listeners
from mooring.drivers.edge.envoy.publisher import Publication, publication
from mooring.drivers.edge.envoy.routes import route_configuration, virtual_host
from mooring.drivers.edge.envoy.settings import EnvoySettings, Layout, shard_name, shard_of
from mooring.drivers.edge.envoy.shards import assignment
from mooring.drivers.edge.envoy.tls import ServedCertificate
from mooring.model.environment import EnvironmentId
from mooring.model.routing import RouteTable

ROUTES = "http.edge.rds.apps"
LISTENERS = "listener_manager.lds"


def endpoints_statistics(shard: int) -> str:
    return f"cluster.{shard_name(shard)}"


class Derivation:
    """Remembers the encoded part of each environment, since one change leaves all others as they were."""

    def __init__(self, settings: EnvoySettings, layout: Layout) -> None:
        self._settings = settings
        self._layout = layout
        self._hosts: dict[EnvironmentId, tuple[RouteTable, msgspec.Raw]] = {}
        self._routes: tuple[list[msgspec.Raw], Publication] | None = None

    def endpoints(self, shard: int, tables: Sequence[RouteTable]) -> Publication:
        mine = [table for table in tables if shard_of(table.environment) == shard]
        content = assignment(shard, mine, waiting_socket=str(self._layout.waiting_socket))
        return publication(self._layout.endpoints(shard), endpoints_statistics(shard), [content])

    def routes(self, tables: Sequence[RouteTable], *, token: str) -> Publication:
        hosts = [self._host(table, token=token) for table in tables]
        if (
            self._routes is None
            or len(self._routes[0]) != len(hosts)
            or any(a is not b for a, b in zip(self._routes[0], hosts, strict=True))
        ):
            self._routes = hosts, publication(self._layout.routes, ROUTES, [route_configuration(hosts)])
        return self._routes[1]

    def listeners(self, certificates: Sequence[tuple[str, Certificate]], *, fallback: Certificate | None) -> Publication:
        served = [ServedCertificate(hostname=name, chain=each.chain, key=each.key) for name, each in certificates]
        stranger = ServedCertificate(hostname="localhost", chain=fallback.chain, key=fallback.key) if fallback else None
        content = listeners(self._settings, self._layout, served, fallback=stranger)
        return publication(self._layout.listeners, LISTENERS, content, warms=True)

    def _host(self, table: RouteTable, *, token: str) -> msgspec.Raw:
        shape = _shape(table)
        known = self._hosts.get(table.environment)
        if known is None or known[0] != shape:
            known = self._hosts[table.environment] = shape, virtual_host(shape, token=token)
        return known[1]


def _shape(table: RouteTable) -> RouteTable:
    """All that the routes file shows of a table: not who serves, nor what the attendant says."""
    routes = tuple(msgspec.structs.replace(route, endpoints=()) for route in table.routes)
    defaults = RouteTable(environment=table.environment, hostnames=())
    return msgspec.structs.replace(table, routes=routes, page=defaults.page, hold=defaults.hold)
