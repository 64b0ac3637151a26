"""All of Envoy's files, derived from the tables and certificates: what is to be published for each. Must not: write or wait."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mooring.drivers.edge.envoy.listeners import listeners
from mooring.drivers.edge.envoy.publisher import Publication, publication
from mooring.drivers.edge.envoy.routes import route_configuration
from mooring.drivers.edge.envoy.secured import Secured, virtual_hosts
from mooring.drivers.edge.envoy.settings import SHARDS, EnvoySettings, Layout, shard_name, shard_of, streams_name
from mooring.drivers.edge.envoy.shards import assignment
from mooring.drivers.edge.envoy.tls import ServedCertificate
from mooring.model.certificate import Certificate
from mooring.model.environment import EnvironmentId
from mooring.model.routing import RouteTable

ROUTES = "http.edge.rds.apps"
LISTENERS = "listener_manager.lds"


def readers_of(shard: int) -> tuple[str, ...]:
    """Who reads a shard's endpoint file, as Envoy's statistics name them."""
    return f"cluster.{shard_name(shard)}", f"cluster.{streams_name(shard)}"


class Derivation:
    """Remembers what it derived, and the encoded part of each environment, since one change leaves all others as they were."""

    def __init__(self, settings: EnvoySettings, layout: Layout) -> None:
        self._settings = settings
        self._layout = layout
        self._hosts: dict[EnvironmentId, tuple[RouteTable, Secured, list[msgspec.Raw]]] = {}
        self._endpoints: dict[int, tuple[list[RouteTable], Publication]] = {}
        self._routes: tuple[list[msgspec.Raw], Publication] | None = None
        self._listeners: tuple[list[str], list[Certificate], Publication] | None = None
        self._sorted: tuple[tuple[RouteTable, ...], list[list[RouteTable]]] = ((), [[] for _ in range(SHARDS)])

    def endpoints(self, shard: int, tables: tuple[RouteTable, ...]) -> Publication:
        if self._sorted[0] is not tables:
            self._sorted = tables, _by_shard(tables)
        mine = self._sorted[1][shard]
        known = self._endpoints.get(shard)
        if known is None or not _are_same(known[0], mine):
            content = assignment(shard, mine, waiting_socket=str(self._layout.waiting_socket))
            known = mine, publication(self._layout.endpoints(shard), readers_of(shard), [content])
            self._endpoints[shard] = known
        return known[1]

    def routes(self, tables: tuple[RouteTable, ...], *, secured: Secured) -> Publication:
        hosts = [host for table in tables for host in self._hosts_of(table, secured=secured.within(table))]
        if self._routes is None or not _are_same(self._routes[0], hosts):
            self._routes = hosts, publication(self._layout.routes, (ROUTES,), [route_configuration(hosts)])
        return self._routes[1]

    def listeners(self, certificates: Sequence[tuple[str, Certificate]], *, fallback: Certificate | None) -> Publication:
        names = [name for name, _ in certificates]
        every = [each for _, each in certificates] + ([fallback] if fallback else [])
        if self._listeners is None or self._listeners[0] != names or not _are_same(self._listeners[1], every):
            served = [ServedCertificate.of(name, each) for name, each in certificates]
            stranger = ServedCertificate.of("localhost", fallback) if fallback else None
            content = listeners(self._settings, self._layout, served, fallback=stranger)
            self._listeners = names, every, publication(self._layout.listeners, (LISTENERS,), content, warms=True)
        return self._listeners[2]

    def _hosts_of(self, table: RouteTable, *, secured: Secured) -> list[msgspec.Raw]:
        known = self._hosts.get(table.environment)
        if known is None or known[1] != secured or not (known[0] is table or _shape(known[0]) == _shape(table)):
            known = table, secured, virtual_hosts(table, secured=secured, https_port=self._settings.https_port)
        self._hosts[table.environment] = table, *known[1:]
        return known[2]


def _by_shard(tables: Sequence[RouteTable]) -> list[list[RouteTable]]:
    found: list[list[RouteTable]] = [[] for _ in range(SHARDS)]
    for table in tables:
        found[shard_of(table.environment)].append(table)
    return found


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    """The very same objects: comparing a thousand by value would take as long as deriving them again."""
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _shape(table: RouteTable) -> RouteTable:
    """All that the routes file shows of a table: not who serves, nor what the attendant says."""
    routes = tuple(msgspec.structs.replace(route, endpoints=()) for route in table.routes)
    defaults = RouteTable(environment=table.environment, hostnames=())
    return msgspec.structs.replace(table, routes=routes, page=defaults.page, hold=defaults.hold)
