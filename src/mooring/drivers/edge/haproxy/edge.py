"""The edge `haproxy`: fulfils the contract by HAProxy's runtime commands, and files that it reads when it starts. Must not: start HAProxy,
or stand in the way of a request.

The ledger's tables are the truth. From them follow the places (which prepared backend a route has, which server an instance), and from
those the maps. A change is written to the files, so that a HAProxy that starts in that moment has it, and told to the one that runs, in an
order in which a request always finds a server: first what is added, then what leads there, then what is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from mooring.drivers.edge.certificates import Trust, is_local
from mooring.drivers.edge.contract import Edge, EdgeCapabilities, Reloads, SecureEdge
from mooring.drivers.edge.files import make_directory
from mooring.drivers.edge.haproxy.access_log import judged
from mooring.drivers.edge.haproxy.changes import beginnings, endings, instance_entries, map_changes, ordered_map_changes
from mooring.drivers.edge.haproxy.dressing import Dressing
from mooring.drivers.edge.haproxy.ground import Ground, OwnMachine
from mooring.drivers.edge.haproxy.maps import challenge_entries, route_entries, route_name, wildcard_entries
from mooring.drivers.edge.haproxy.places import Backend, backend_name, free_numbers, numbers_of, placed, placed_or_grown, server_name
from mooring.drivers.edge.haproxy.record import Places, Record
from mooring.drivers.edge.haproxy.running import Refusal, Running
from mooring.drivers.edge.haproxy.settings import HaproxySettings, Layout
from mooring.drivers.edge.haproxy.sight import Seen
from mooring.drivers.edge.layout import EdgeLayout
from mooring.drivers.edge.ledger import Ledger
from mooring.drivers.edge.leftovers import clear
from mooring.drivers.edge.tables import check_table
from mooring.drivers.edge.traffic import summarize
from mooring.drivers.edge.wardrobe import FALLBACK, Wardrobe
from mooring.errors import MooringError, Unavailable
from mooring.model.certificate import Certificate
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname
from mooring.model.routing import ChallengeAnswer, RouteTable, RouteView, Traffic

FLUSHED_AFTER = 0.05  # seconds from the end of a request until its line is surely in the access log
NUDGE_AFTER = 1.0


class HaproxyEdge:
    """`directory` holds tables and certificates, and what is derived from them. Call `prepare` before HAProxy is started.
    `ground` is the machine on which it runs: another than the controller's gets copies.
    """

    def __init__(self, directory: Path, ground: Ground, settings: HaproxySettings) -> None:
        self._settings = settings
        self._ground = ground
        self._layout = ground.layout
        self._kept = EdgeLayout(directory, directory)
        self._ledger = Ledger(self._kept.tables)
        self._wardrobe = Wardrobe(self._kept)
        self._record = Record(self._layout, directory)
        self._running = Running(ground)
        self._dressing = Dressing(self._layout, self._running, self._record)
        self._changing = asyncio.Lock()
        self._places = Places()
        self._routes: dict[EnvironmentId, dict[str, str]] = {}
        self._told: dict[Path, dict[str, str]] = {}  # the maps as the running HAProxy has them, while it is in step
        self._is_in_step = False  # what the files say is known to be what the running HAProxy has
        self._version = ""  # of what only a new process reads
        self._nudged = 0.0

    @classmethod
    def here(cls, directory: Path, run_directory: Path, settings: HaproxySettings) -> HaproxyEdge:
        """On the controller's own machine, with its sockets in `run_directory`."""
        return cls(directory, OwnMachine(Layout(directory, run_directory)), settings)

    def prepare(self) -> tuple[MooringError, ...]:
        """Make or renew every file, keeping the tables; idempotent. Returns what was damaged and is left out.
        Raises InvalidInput (the sockets' paths are too long), Unavailable (a full disk), StateDamaged (of the local authority)."""
        self._layout.check()
        make_directory(self._kept.directory)
        self._ground.prepare()
        self._ledger.load()
        clear(self._kept, self._ledger)
        if self._settings.https_port:
            self._wardrobe.prepare()
            self._wardrobe.load(self._hostnames())
            self._wardrobe.ensure(self._hostnames())
            self._dressing.list(self._dressed())
        self._version = self._record.write_fixed(self._settings)
        self._places = self._all_placed(self._record.places(self._settings.prepared))
        self._record.write_challenges({})
        self._write()
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
            await self._get_in_step()  # nothing is begun while HAProxy is away
            before = self._ledger.table(mark.environment)
            self._ground.begin({mark.environment.slug: mark.fence})
            self._ledger.keep(mark, table)
            try:
                await self._change(mark.environment)
            except Refusal:
                self._ledger.keep(mark, before)
                await self._change(mark.environment)
                raise
            await self._dress_locals(table.hostnames)
            await self._undress_gone(before, table)
            await self._ground.put()

    async def remove(self, mark: Mark) -> None:
        async with self._changing:
            self._ledger.check(mark)
            before = self._ledger.table(mark.environment)
            await self._get_in_step()
            self._ground.begin({mark.environment.slug: mark.fence})
            self._ledger.keep(mark, None)
            if before is not None:
                await self._change(mark.environment)
                await self._undress_gone(before, None)
            await self._ground.put()
            await self._ground.forget(mark.environment.slug)

    async def observe(self, environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        tables = [table for table in self._ledger.tables() if environment in (None, table.environment)]
        if environment is not None and not tables:
            return ()
        numbers = numbers_of(self._places.backends, environment.slug) if environment else []
        names = [backend_name(number) for number in numbers]
        servers, flying = await self._running.servers(names), await self._running.in_flight(names)
        streams = await self._running.streams()
        entries = await self._running.entries(self._layout.routes)
        views = tuple(self._view(table, servers, entries, flying=flying, streams=streams) for table in tables)
        if not all(view.is_acknowledged for view in views):
            await self._nudge()
        return views

    async def traffic(self, environment: EnvironmentId, *, since: float, until: float) -> Traffic:
        await asyncio.sleep(max(0.0, min(until + FLUSHED_AFTER - time.time(), FLUSHED_AFTER)))
        lines = await self._ground.lines(environment.slug, since=since, until=until)
        return summarize([judged(line) for line in lines])

    async def waited_for(self) -> frozenset[EnvironmentId]:
        return await self._ground.waited_for(table.environment for table in self._ledger.tables())

    def url(self, hostname: Hostname) -> str:
        port = self._settings.http_port
        return f"http://{hostname}" if port == 80 else f"http://{hostname}:{port}"

    # what a secure edge can

    def tables(self) -> tuple[RouteTable, ...]:
        return self._ledger.tables()

    async def show(self, certificates: Mapping[Hostname, Certificate]) -> None:
        async with self._changing:
            changes = self._changes(certificates)
            if not self._settings.https_port or not changes:
                return
            await self._get_in_step()
            refused = [name for name, certificate in changes.items() if certificate and not await self._is_worn(name, certificate)]
            gone = [name for name, certificate in changes.items() if certificate is None]
            for name in gone:
                self._wardrobe.put(name, None)
            self._write()
            await self._change_routes()
            for name in gone:
                await self._dressing.take_off(name)
            self._dressing.list(self._dressed())
            await self._ground.put()
            if refused:
                hint = "its key does not belong to it, or it is of a kind that HAProxy does not know; the last good one stays"
                raise Unavailable(f"the edge does not take the certificate of {', '.join(refused)}", hint=hint)

    async def answer(self, answers: tuple[ChallengeAnswer, ...]) -> None:
        async with self._changing:
            await self._get_in_step()
            wanted = challenge_entries(answers)
            self._record.write_challenges(wanted)
            await self._ground.put()
            await self._map(self._layout.challenges, wanted)

    # what this edge can besides

    def secure_url(self, hostname: Hostname) -> str:
        """The same by HTTPS."""
        port = self._settings.https_port
        return f"https://{hostname}" if port == 443 else f"https://{hostname}:{port}"

    def trust(self) -> Trust:
        """Where the local authority's certificate is, and how a person lets this machine trust it."""
        return self._wardrobe.authority.trust()

    @property
    def reloads(self) -> Reloads:
        """How often more backends had to be prepared while HAProxy ran: each closed the connections that were idle."""
        return Reloads(self._places.reloads, self._places.reloaded_at)

    async def check(self) -> None:
        """Returns when HAProxy runs; it does not without its ports. Raises Unavailable with the reason, OutcomeUnknown."""
        try:
            await self._running.worker()
        except Unavailable as error:
            ports = " and ".join(str(port) for port in (self._settings.http_port, self._settings.https_port) if port)
            raise Unavailable(
                f"the edge (HAProxy) does not run on {self._settings.bind}, port {ports}",
                hint="another program may have a port already: see the edge's log; choose other ports, or stop it",
            ) from error

    async def tend(self) -> None:
        """What is to be done from time to time: cut the log, renew certificates, be in step. Raises Unavailable, OutcomeUnknown."""
        async with self._changing:
            await self._get_in_step()
            await self._ground.cut_log(kept=self._settings.log_bytes)
            if self._settings.https_port:
                await self._dress_locals((FALLBACK, *self._hostnames()))
            await self._ground.put()

    # how: routes and servers

    async def _get_in_step(self) -> None:
        """Once for every controller, and when something was seen to be otherwise: the running HAProxy has what the files say."""
        self._ground.begin(self._ledger.fences())
        if self._is_in_step:
            await self._running.worker()
            return
        self._told = {}
        await self._ground.settle(self._ledger.fences())
        if await self._running.version() != self._version:
            await self._running.reload()
        seen = await self._running.servers()
        numbers = range(len(self._places.backends))
        if len([name for name in seen if name.startswith("b")]) < len(numbers):
            await self._running.reload()
            seen = await self._running.servers()
        if self._settings.https_port:
            shown = await self._running.shown(self._layout.shown)
            for name, certificate in self._wardrobe.of(self._hostnames()):
                if str(self._layout.certificate(name)) not in shown:
                    await self._dressing.wear(name, certificate)
        await self._tell(numbers, seen)
        self._is_in_step = True

    async def _change(self, environment: EnvironmentId) -> None:
        """From the ledger's table, whatever it is now, to places, files, and the running HAProxy."""
        slug, table = environment.slug, self._ledger.table(environment)
        concerned = numbers_of(self._places.backends, slug)
        candidates = free_numbers(self._places.backends, most=len(table.routes) if table else 0)
        names = [backend_name(number) for number in (*concerned, *candidates)]
        busy = await self._running.in_flight(names)
        backends, is_grown = placed_or_grown(self._places.backends, slug, table, is_busy=busy.__contains__)
        changed = sorted({*concerned, *numbers_of(backends, slug)})
        self._is_in_step = False
        self._places = self._places.changed(backends, at=time.time() if is_grown else None)
        self._write(environment)
        await self._ground.put()
        if is_grown:  # the one change that needs a new process: connections that are idle are closed by it, none in use
            await self._running.reload()
        await self._tell(changed, await self._running.servers([backend_name(number) for number in changed]))
        self._is_in_step = True

    async def _tell(self, numbers: Iterable[int], seen: Mapping[str, Mapping[str, Seen]]) -> None:
        """All of the maps, and the servers of these backends. Returns when HAProxy is seen to have it. Raises Refusal."""
        backends = [(number, self._places.backends[number], seen.get(backend_name(number), {})) for number in numbers]
        await self._map(self._layout.servers, instance_entries(self._places.backends))
        await self._running.send([command for number, wanted, now in backends for command in beginnings(number, wanted, now)])
        await self._change_routes()
        await self._running.send([command for number, wanted, now in backends for command in endings(number, wanted, now)])
        names = [backend_name(number) for number, _, _ in backends]
        after = await self._running.servers(names) if names else {}
        if any(not _is_so(number, wanted, after) for number, wanted, _ in backends):
            raise Refusal("the edge did not take the instances", hint="what it served before is still served")

    async def _change_routes(self) -> None:
        await self._map(self._layout.routes, {key: value for entries in self._routes.values() for key, value in entries.items()})
        await self._map(self._layout.wildcards, wildcard_entries(self._ledger.tables()), changes=ordered_map_changes)

    async def _map(
        self,
        path: Path,
        wanted: dict[str, str],
        *,
        changes: Callable[[Path, Mapping[str, str], Mapping[str, str]], list[str]] = map_changes,
    ) -> None:
        """The map is so in the running HAProxy. Raises Refusal."""
        told = self._told.pop(path, None)
        await self._running.send(changes(path, wanted, await self._running.entries(path) if told is None else told))
        self._told[path] = wanted

    async def _nudge(self) -> None:
        if not self._changing.locked() and time.monotonic() - self._nudged > NUDGE_AFTER:
            self._nudged = time.monotonic()
            async with self._changing:
                self._is_in_step = False
                await self._get_in_step()

    def _write(self, environment: EnvironmentId | None = None) -> None:
        """Every file that follows from tables and places, of which only those of one environment may have changed."""
        secured = frozenset(self._wardrobe.foreign())
        tables = self._ledger.tables()
        numbers = {each.route: number for number, each in enumerate(self._places.backends) if each.route}
        known = {each: entries for each, entries in self._routes.items() if environment not in (None, each)}
        self._routes = {each.environment: known.get(each.environment) or route_entries(each, numbers, secured) for each in tables}
        self._record.write_places(self._places)
        self._record.write_routes(self._routes.values(), wildcard_entries(tables))

    def _numbered(self, table: RouteTable) -> list[tuple[int, str]]:
        """The backends of an environment's routes, as far as they have one already."""
        wanted = {route_name(table.environment, route.process) for route in table.routes}
        return [(number, each.route) for number, each in enumerate(self._places.backends) if each.route in wanted]

    def _all_placed(self, places: Places) -> Places:
        backends = places.backends
        known = {table.environment.slug for table in self._ledger.tables()}
        for slug in sorted({each.route.partition("/")[0] for each in backends if each.route} - known):
            backends = placed(backends, slug, None, is_busy=lambda _: False)
        for table in self._ledger.tables():
            backends, _ = placed_or_grown(backends, table.environment.slug, table, is_busy=lambda _: False)
        return msgspec.structs.replace(places, backends=backends)

    def _view(
        self,
        table: RouteTable,
        servers: Mapping[str, Mapping[str, Seen]],
        entries: Mapping[str, str],
        *,
        flying: Mapping[str, int],
        streams: Mapping[str, int],
    ) -> RouteView:
        numbered = self._numbered(table)
        backends = [(number, self._places.backends[number]) for number, _ in numbered]
        taken = [(server_name(number, place), each) for number, backend in backends for place, each in enumerate(backend.servers) if each]
        of_streams = {each.instance: streams[name] for name, each in taken if name in streams}
        others = {each.instance: flying[name] - streams.get(name, 0) for name, each in taken if flying.get(name, 0) > streams.get(name, 0)}
        is_taken = all(_is_so(number, backend, servers) for number, backend in backends)
        is_routed = all(entries.get(key) == value for key, value in self._routes.get(table.environment, {"": ""}).items())
        return RouteView(table=table, in_flight=others, streams=of_streams, is_acknowledged=is_taken and is_routed)

    # how: certificates

    def _hostnames(self) -> list[Hostname]:
        return [name for table in self._ledger.tables() for name in table.hostnames]

    def _dressed(self) -> list[str]:
        return [FALLBACK, *(name for name, _ in self._wardrobe.of(self._hostnames()))]

    def _changes(self, certificates: Mapping[Hostname, Certificate]) -> dict[str, Certificate | None]:
        """Among the names that are routed and not local: those are the wardrobe's own affair."""
        routed = {name for name in self._hostnames() if not is_local(name)}
        held = self._wardrobe.foreign()
        wanted = {name: certificate for name, certificate in certificates.items() if name in routed}
        gone: dict[str, Certificate | None] = {name: None for name in held if name not in wanted}
        return gone | {name: each for name, each in wanted.items() if held.get(name) != each}

    async def _is_worn(self, name: str, certificate: Certificate) -> bool:
        """Whether HAProxy takes it; then it is kept too."""
        try:
            await self._dressing.wear(name, certificate)
        except Refusal:
            return False
        self._wardrobe.put(name, certificate)
        return True

    async def _dress_locals(self, hostnames: Iterable[str]) -> None:
        names = [name for name in hostnames if is_local(name)]
        before = dict(self._wardrobe.of(names))
        if not self._settings.https_port or not self._wardrobe.ensure(names):
            return
        for name, certificate in self._wardrobe.of(names):
            if before.get(name) != certificate:
                await self._dressing.wear(name, certificate)
        self._dressing.list({*self._dressed(), *names})

    async def _undress_gone(self, before: RouteTable | None, after: RouteTable | None) -> None:
        gone = set(before.hostnames if before else ()) - set(after.hostnames if after else ())
        dressed = [name for name, _ in self._wardrobe.of(gone)]
        self._wardrobe.drop(gone)
        if dressed:
            self._dressing.list(self._dressed())
            for name in dressed:
                await self._dressing.take_off(name)


def _is_so(number: int, wanted: Backend, servers: Mapping[str, Mapping[str, Seen]]) -> bool:
    seen = servers.get(backend_name(number), {})
    return not beginnings(number, wanted, seen) and not endings(number, wanted, seen)


_: type[Edge] = HaproxyEdge
_secure: type[SecureEdge] = HaproxyEdge
