"""The edge `envoy`: fulfils the contract by files that Envoy watches. Must not: start Envoy, or stand in the way of a request.

The ledger's tables are the truth. Everything else is derived from them, published, and acknowledged by Envoy, in an order in which
a request always finds a route with endpoints behind it: first what is added, then what leads there, then what is removed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mooring.drivers.edge.certificates import Trust, is_local
from mooring.drivers.edge.contract import Edge, EdgeCapabilities, SecureEdge
from mooring.drivers.edge.envoy.access_log import decode
from mooring.drivers.edge.envoy.admin import Admin, HostStatus
from mooring.drivers.edge.envoy.bootstrap import bootstrap
from mooring.drivers.edge.envoy.derivation import LISTENERS, ROUTES, Derivation, readers_of
from mooring.drivers.edge.envoy.judgement import judged
from mooring.drivers.edge.envoy.publisher import Publication, Publisher, Refusal, place
from mooring.drivers.edge.envoy.secured import Secured
from mooring.drivers.edge.envoy.settings import SHARDS, EnvoySettings, Layout, shard_name, shard_of, streams_name
from mooring.drivers.edge.files import make_directory, read_whole, write_whole
from mooring.drivers.edge.ledger import Ledger
from mooring.drivers.edge.leftovers import clear
from mooring.drivers.edge.log_reader import read_lines
from mooring.drivers.edge.rotation import rotate
from mooring.drivers.edge.tables import check_table
from mooring.drivers.edge.traffic import summarize
from mooring.drivers.edge.waited import forget, taken
from mooring.drivers.edge.wardrobe import Wardrobe
from mooring.errors import MooringError, Unavailable
from mooring.model.certificate import Certificate
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname
from mooring.model.routing import ChallengeAnswer, RouteTable, RouteView, Traffic

FLUSHED_AFTER = 0.3  # seconds from the end of a request until its line is surely in the access log
NUDGE_AFTER = 1.0


class EnvoyEdge:
    """`directory` holds tables, certificates and log, `run_directory` the sockets. Call `prepare` before Envoy is started."""

    def __init__(self, directory: Path, run_directory: Path, settings: EnvoySettings) -> None:
        self._settings = settings
        self._layout = Layout(directory, run_directory)
        self._ledger = Ledger(self._layout.tables)
        self._wardrobe = Wardrobe(self._layout)
        self._derivation = Derivation(settings, self._layout)
        self._admin = Admin(self._layout.admin_socket)
        self._publisher = Publisher(self._admin)
        self._changing = asyncio.Lock()
        self._token = ""
        self._nudged = 0.0
        self._answers: tuple[ChallengeAnswer, ...] = ()
        self._is_shown = False  # what the wardrobe holds is known to be what Envoy shows

    def prepare(self) -> tuple[MooringError, ...]:
        """Make or renew every file, keeping the tables; idempotent. Returns what was damaged and is left out.

        Raises InvalidInput when the sockets' paths are too long, Unavailable when the disk does not take the files, StateDamaged
        when the local authority is not whole.
        """
        self._layout.check()
        layout = self._layout
        for directory in (layout.directory, layout.run_directory, layout.access_log.parent, layout.waited_for):
            make_directory(directory)
        self._token = self._kept_token()
        self._ledger.load()
        clear(layout, self._ledger)
        if self._settings.https_port:
            self._wardrobe.prepare()
            self._wardrobe.load(self._hostnames())
            self._wardrobe.ensure(self._hostnames())
        write_whole(self._layout.bootstrap, msgspec.json.encode(bootstrap(self._settings, self._layout, token=self._token)))
        for wanted in self._all():
            place(wanted)
        return self._ledger.damaged

    # what the contract asks

    @property
    def capabilities(self) -> EdgeCapabilities:
        ports = self._settings
        return EdgeCapabilities(http_port=ports.http_port, https_port=ports.https_port, counts_in_flight=True, holds_requests=True)

    async def apply(self, mark: Mark, table: RouteTable) -> None:
        async with self._changing:
            self._ledger.check(mark)
            check_table(table, self._ledger.tables())
            await self.check()  # nothing is begun while Envoy is away
            before = self._ledger.table(mark.environment)
            if self._settings.https_port:
                self._wardrobe.ensure(table.hostnames)
            self._ledger.keep(mark, table)
            try:
                await self._publish_change(before, table)
            except Refusal:
                self._ledger.keep(mark, before)
                await self._republish()
                raise
            self._forget_names(before, table)

    async def remove(self, mark: Mark) -> None:
        async with self._changing:
            self._ledger.check(mark)
            before = self._ledger.table(mark.environment)
            await self.check()
            self._ledger.keep(mark, None)
            if before is not None:
                await self._republish_shared()
                await self._publisher.publish(self._endpoints(shard_of(mark.environment)))
                self._forget_names(before, None)
            forget(self._layout.waited_for, mark.environment.slug)

    async def observe(self, environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        tables = [table for table in self._ledger.tables() if environment in (None, table.environment)]
        if environment is not None and not tables:
            return ()
        versions = await self._publisher.versions()
        hosts = await self._admin.hosts(_clusters_of(environment) if environment else ())
        watched = [(wanted.version, reader) for wanted in self._watched() for reader in wanted.readers]
        outdated = frozenset(reader for version, reader in watched if versions.get(reader) != version)
        await self._nudge(outdated)
        return tuple(_view(table, hosts, outdated) for table in tables)

    async def traffic(self, environment: EnvironmentId, *, since: float, until: float) -> Traffic:
        await asyncio.sleep(max(0.0, min(until + FLUSHED_AFTER - time.time(), FLUSHED_AFTER)))
        lines = await asyncio.to_thread(read_lines, self._layout.access_log, environment.slug, decode, since=since, until=until)
        return summarize([judged(line) for line in lines])

    async def waited_for(self) -> frozenset[EnvironmentId]:
        return taken(self._layout.waited_for, (table.environment for table in self._ledger.tables()))

    def url(self, hostname: Hostname) -> str:
        port = self._settings.http_port
        return f"http://{hostname}" if port == 80 else f"http://{hostname}:{port}"

    # what a secure edge can

    def tables(self) -> tuple[RouteTable, ...]:
        return self._ledger.tables()

    async def show(self, certificates: Mapping[Hostname, Certificate]) -> None:
        async with self._changing:
            changes = self._changes(certificates)
            if not self._settings.https_port or (not changes and self._is_shown):
                return
            await self.check()
            self._is_shown = False
            try:
                await self._wear(changes)
            except Refusal as refusal:
                await self._wear_one_by_one(changes, refusal)
            self._is_shown = True

    async def answer(self, answers: tuple[ChallengeAnswer, ...]) -> None:
        async with self._changing:
            before, self._answers = self._answers, answers
            try:
                await self._publisher.publish(self._routes())
            except Refusal:
                self._answers = before
                raise

    # what this edge can besides

    def secure_url(self, hostname: Hostname) -> str:
        """The same by HTTPS."""
        port = self._settings.https_port
        return f"https://{hostname}" if port == 443 else f"https://{hostname}:{port}"

    def trust(self) -> Trust:
        """Where the local authority's certificate is, and how a person lets this machine trust it."""
        return self._wardrobe.authority.trust()

    async def check(self) -> None:
        """Returns when Envoy runs and listens. Raises Unavailable with the reason, OutcomeUnknown."""
        versions = await self._publisher.versions()
        if not versions.get(LISTENERS):
            ports = " and ".join(str(port) for port in (self._settings.http_port, self._settings.https_port) if port)
            raise Unavailable(
                f"the edge does not listen on {self._settings.bind}, port {ports}",
                hint="another program may have a port already; choose other ports, or stop it",
            )

    async def tend(self) -> None:
        """What is to be done from time to time: rotate the log, renew certificates. Raises Unavailable, OutcomeUnknown."""
        async with self._changing:
            if rotate(self._layout.access_log, largest=self._settings.log_segment_bytes, kept=self._settings.log_segments):
                await self._admin.reopen_logs()
            if self._settings.https_port and self._wardrobe.ensure(("localhost", *self._hostnames())):
                await self._publisher.publish(self._listeners())

    # how

    def _changes(self, certificates: Mapping[Hostname, Certificate]) -> dict[str, Certificate | None]:
        """Among the names that are routed and not local: those are the wardrobe's own affair."""
        routed = {name for name in self._hostnames() if not is_local(name)}
        held = self._wardrobe.foreign()
        wanted = {name: certificate for name, certificate in certificates.items() if name in routed}
        gone: dict[str, Certificate | None] = {name: None for name in held if name not in wanted}
        return gone | {name: each for name, each in wanted.items() if held.get(name) != each}

    async def _wear(self, changes: Mapping[str, Certificate | None]) -> None:
        """HTTPS first, what sends there second; the other way round for what goes. Raises Refusal; then all is as it was."""
        before = self._wardrobe.foreign()
        added = {name: each for name, each in changes.items() if each is not None}
        try:
            for name, certificate in added.items():
                self._wardrobe.put(name, certificate)
            await self._publisher.publish(self._listeners())
            for name in changes.keys() - added.keys():
                self._wardrobe.put(name, None)
            await self._publisher.publish(self._routes())
            await self._publisher.publish(self._listeners())
        except Refusal:
            for name in changes:
                self._wardrobe.put(name, before.get(name))
            for wanted in (self._routes(), self._listeners()):
                place(wanted)
            raise

    async def _wear_one_by_one(self, changes: Mapping[str, Certificate | None], refusal: Refusal) -> None:
        """Every change that Envoy takes, and then the refusal of those that it does not take."""
        refused = []
        for name, certificate in changes.items():
            try:
                await self._wear({name: certificate})
            except Refusal:
                refused.append(name)
        if refused:
            raise Unavailable(f"the edge does not take the certificate of {', '.join(refused)}", hint=refusal.hint) from refusal

    async def _publish_change(self, before: RouteTable | None, table: RouteTable) -> None:
        shard = shard_of(table.environment)
        if before is not None and _processes(before) - _processes(table):
            await self._publisher.publish(self._endpoints(shard, instead=_united(before, table)))
        else:
            await self._publisher.publish(self._endpoints(shard))
        await self._republish_shared()
        await self._publisher.publish(self._endpoints(shard))

    async def _republish_shared(self) -> None:
        await self._publisher.publish(self._routes())
        if self._settings.https_port:
            await self._publisher.publish(self._listeners())

    async def _republish(self) -> None:
        for wanted in self._watched():
            place(wanted)

    async def _nudge(self, outdated: frozenset[str]) -> None:
        """Write again what Envoy ought to have by now: a notification may have been lost."""
        if outdated and not self._changing.locked() and time.monotonic() - self._nudged > NUDGE_AFTER:
            self._nudged = time.monotonic()
            for wanted in self._watched():
                if outdated.intersection(wanted.readers):
                    write_whole(wanted.path, wanted.content)

    def _watched(self) -> list[Publication]:
        """What serving a request depends on."""
        return [self._routes(), *(self._endpoints(shard) for shard in range(SHARDS))]

    def _all(self) -> list[Publication]:
        return [*self._watched(), self._listeners()]

    def _endpoints(self, shard: int, *, instead: RouteTable | None = None) -> Publication:
        tables = self._ledger.tables()
        if instead is not None:
            tables = tuple(instead if table.environment == instead.environment else table for table in tables)
        return self._derivation.endpoints(shard, tables)

    def _routes(self) -> Publication:
        secured = Secured(frozenset(self._wardrobe.foreign()), self._answers)
        return self._derivation.routes(self._ledger.tables(), secured=secured)

    def _listeners(self) -> Publication:
        fallback = self._wardrobe.fallback() if self._settings.https_port else None
        return self._derivation.listeners(self._wardrobe.of(self._hostnames()), fallback=fallback)

    def _hostnames(self) -> list[Hostname]:
        return [name for table in self._ledger.tables() for name in table.hostnames]

    def _forget_names(self, before: RouteTable | None, after: RouteTable | None) -> None:
        gone = set(before.hostnames if before else ()) - set(after.hostnames if after else ())
        self._wardrobe.drop(gone)

    def _kept_token(self) -> str:
        known = (read_whole(self._layout.token) or b"").decode("ascii", "replace")
        if len(known) != 64:
            known = secrets.token_hex(32)
            write_whole(self._layout.token, known.encode())
        return known


def _processes(table: RouteTable) -> set[str]:
    return {route.process for route in table.routes}


def _united(before: RouteTable, table: RouteTable) -> RouteTable:
    """The new table with the process types that only the old one has: until no route leads there any more."""
    kept = tuple(route for route in before.routes if route.process not in _processes(table))
    return msgspec.structs.replace(table, routes=(*table.routes, *kept))


def _clusters_of(environment: EnvironmentId) -> tuple[str, str]:
    shard = shard_of(environment)
    return shard_name(shard), streams_name(shard)


def _view(table: RouteTable, hosts: list[HostStatus], outdated: frozenset[str]) -> RouteView:
    requests, streams = _clusters_of(table.environment)
    is_taken = outdated.isdisjoint((*readers_of(shard_of(table.environment)), ROUTES))
    return RouteView(
        table=table, in_flight=_flying(table, hosts, requests), streams=_flying(table, hosts, streams), is_acknowledged=is_taken
    )


def _flying(table: RouteTable, hosts: list[HostStatus], cluster: str) -> dict[str, int]:
    """What the cluster has in flight, by instance slug; those that have nothing are left out."""
    active = {(host.address, host.port): host.active_requests for host in hosts if host.cluster == cluster}
    endpoints = [endpoint for route in table.routes for endpoint in route.endpoints]
    counts = {each.instance.slug: active.get((each.address, each.port), 0) for each in endpoints}
    return {slug: count for slug, count in counts.items() if count}


_: type[Edge] = EnvoyEdge
_secure: type[SecureEdge] = EnvoyEdge
