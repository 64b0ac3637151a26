"""A whole edge in memory: it routes, holds, drains, counts and refuses like a real one, by the clock it is given.

`upstreams` says what listens where; `ask` is a client's request. `faults` refuses effects or loses their answers. It passes the
same contract as the edge `envoy`. Must not: open a connection, or read another clock.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from mooring.drivers.edge.contract import PROBE_AGENT, Edge, EdgeCapabilities, HostEdge, SecureEdge
from mooring.drivers.edge.pages import NOT_FROM_HERE, PAGES, PASSWORD_WANTED, TOO_LARGE, Message, wants_page
from mooring.drivers.edge.tables import check_table
from mooring.engine.contract import Clock
from mooring.errors import StaleFence
from mooring.model.certificate import Certificate
from mooring.model.edge import digest_of
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname
from mooring.model.routing import Broken, ChallengeAnswer, Endpoint, EndpointState, Page, PathRoute, RouteTable, RouteView, Traffic
from mooring.testing.driver_faults import DriverFaults

LOOK_EVERY = 0.05
CHALLENGE_PATH = "/.well-known/acme-challenge/"

Respond = Callable[[str], Awaitable[tuple[int, str]]]


_VISITOR = ipaddress.ip_address("127.0.0.1")  # whoever asks


class FakeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`edge` is the kind of the edge's own page, empty for an app's answer; `instance` who answered.

    `location` is where a client is sent, `strict_transport` the header that tells HSTS, `robots` what search engines are told.
    """

    status: int
    text: str
    edge: str = ""
    instance: str = ""
    location: str = ""
    strict_transport: str = ""
    robots: str = ""


class _Fate(msgspec.Struct, frozen=True, kw_only=True):
    answer: FakeAnswer
    release: str = ""
    was_held: bool = False
    is_failed: bool = False
    is_reset: bool = False


class _Ended(msgspec.Struct, frozen=True, kw_only=True):
    environment: EnvironmentId
    path: str
    began: float
    seconds: float
    fate: _Fate
    is_probe: bool


class InstanceLost(Exception):
    """Raised by a Respond whose instance dies in the middle of its answer."""


class FakeEdge:
    """`applied` counts tables that were really taken, by environment: what a law about idempotence looks at."""

    def __init__(self, clock: Clock, *, http_port: int = 8080) -> None:
        self.capabilities = EdgeCapabilities(http_port=http_port, https_port=0, counts_in_flight=True, holds_requests=True)
        self.faults: DriverFaults[EnvironmentId] = DriverFaults("edge")
        self.upstreams: dict[tuple[str, int], Respond] = {}
        self.flying: Counter[str] = Counter()
        self.streams: Counter[str] = Counter()
        self.applied: Counter[EnvironmentId] = Counter()
        self._clock = clock
        self._tables: dict[EnvironmentId, RouteTable] = {}
        self._fences: dict[EnvironmentId, int] = {}
        self._ended: list[_Ended] = []
        self._waited_for: set[EnvironmentId] = set()
        self._turn = 0
        self.shown: dict[Hostname, Certificate] = {}
        self.answers: tuple[ChallengeAnswer, ...] = ()
        self._restarts = 0

    # what the contract asks

    async def apply(self, mark: Mark, table: RouteTable) -> None:
        with self._effect("apply", mark):
            check_table(table, self._tables.values())
            if self._tables.get(mark.environment) != table:
                self._tables[mark.environment] = table
                self.applied[mark.environment] += 1

    async def remove(self, mark: Mark) -> None:
        with self._effect("remove", mark):
            self._tables.pop(mark.environment, None)
            self._waited_for.discard(mark.environment)

    async def observe(self, environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        self.faults.check_sight()
        tables = [table for key, table in sorted(self._tables.items()) if environment in (None, key)]
        return tuple(RouteView(table=table, in_flight=_of(table, self.flying), streams=_of(table, self.streams)) for table in tables)

    async def traffic(self, environment: EnvironmentId, *, since: float, until: float) -> Traffic:
        self.faults.check_sight()
        mine = [each for each in self._ended if each.environment == environment and not each.is_probe]
        return _summary([each for each in mine if each.began <= until and each.began + each.seconds >= since])

    async def waited_for(self) -> frozenset[EnvironmentId]:
        self.faults.check_sight()
        taken, self._waited_for = frozenset(self._waited_for & self._tables.keys()), set()
        return taken

    def url(self, hostname: Hostname) -> str:
        return f"http://{hostname}:{self.capabilities.http_port}"

    def tables(self) -> tuple[RouteTable, ...]:
        return tuple(self._tables[key] for key in sorted(self._tables))

    async def show(self, certificates: Mapping[Hostname, Certificate]) -> None:
        self.faults.check_sight()
        routed = {name for table in self._tables.values() for name in table.hostnames}
        self.shown = {name: each for name, each in certificates.items() if name in routed}

    async def answer(self, answers: tuple[ChallengeAnswer, ...]) -> None:
        self.faults.check_sight()
        self.answers = answers

    async def tend(self) -> None:
        self.faults.check_sight()

    # what a test does with it

    def restart(self) -> None:
        """It dies and comes back: connections are lost, tables are not."""
        self._restarts += 1
        self.flying.clear()
        self.streams.clear()

    def table(self, environment: EnvironmentId) -> RouteTable | None:
        """What it routes by now."""
        return self._tables.get(environment)

    async def ask(
        self, hostname: str, path: str = "/", *, agent: str = "", size: int = 0, is_secure: bool = False, sent: str = "", accept: str = ""
    ) -> FakeAnswer:
        """A client's request, `size` bytes long, with `user:password`. Held, served, refused or failed as a real edge would."""
        began = self._clock.wall()
        table = self._table_of(hostname)
        if table is None:
            return _page(PAGES[Page.NO_SUCH_APP])
        early = self._early(table, hostname, path, is_visitor=not agent.startswith(PROBE_AGENT) and not is_secure, sent=sent)
        fate = _Fate(answer=early) if early else await self._fate(table, path, size=size, accept=accept)
        is_probe = agent.startswith(PROBE_AGENT)
        seconds = self._clock.wall() - began
        self._ended.append(_Ended(environment=table.environment, path=path, began=began, seconds=seconds, fate=fate, is_probe=is_probe))
        answer = fate.answer if table.access.is_indexed else msgspec.structs.replace(fate.answer, robots="noindex")
        if is_secure and table.https.hsts and hostname in self.shown:
            value = f"max-age={table.https.hsts:.0f}" + ("; includeSubDomains" if table.https.hsts_subdomains else "")
            return msgspec.structs.replace(answer, strict_transport=value)
        return answer

    # how

    def _early(self, table: RouteTable, hostname: str, path: str, *, is_visitor: bool, sent: str) -> FakeAnswer | None:
        """What is answered before the app is looked at: a challenge, the way to HTTPS, or the question for a password."""
        for each in self.answers:
            if (each.hostname, f"{CHALLENGE_PATH}{each.token}") == (hostname, path):
                return FakeAnswer(status=200, text=each.content)
        if is_visitor and table.https.redirect and hostname in self.shown:
            return FakeAnswer(status=308, text="", location=f"https://{hostname}{path}")
        if table.access.networks and not any(_VISITOR in ipaddress.ip_network(each) for each in table.access.networks):
            return _page(NOT_FROM_HERE)
        user, _, password = sent.partition(":")
        if table.access.user and (user, digest_of(password)) != (table.access.user, table.access.digest):
            return _page(PASSWORD_WANTED)
        return None

    def _effect(self, method: str, mark: Mark) -> AbstractContextManager[None]:
        self.faults.check_sight()
        if mark.fence < self._fences.get(mark.environment, 0):
            raise StaleFence(f"{method} of {mark.environment} carries fence {mark.fence}, a newer one was seen")
        self._fences[mark.environment] = mark.fence
        return self.faults.around(method, mark.environment)

    async def _fate(self, table: RouteTable, path: str, *, size: int, accept: str) -> _Fate:
        if table.is_maintenance:
            return _Fate(answer=_page(PAGES[Page.MAINTENANCE]))
        if size > table.max_request_bytes:
            return _Fate(answer=_page(TOO_LARGE))
        process = _process_of(table, path)
        if process is None:
            return _Fate(answer=_page(PAGES[Page.NO_SUCH_APP]))
        endpoint, was_held = await self._found(table, process, accept=accept)
        if endpoint is None:
            present = self._tables.get(table.environment, table)
            return _Fate(answer=_page(PAGES[present.page]), is_failed=not present.is_asleep)
        return await self._served(endpoint, path, was_held=was_held)

    async def _found(self, table: RouteTable, process: str, *, accept: str) -> tuple[Endpoint | None, bool]:
        """An endpoint that is active and listens, waiting for one as long as the table says; and whether it was waited."""
        hold = table.hold
        if table.is_asleep:
            hold = 0.0 if wants_page(accept) else max(hold, table.wakes_within)
        deadline = self._clock.monotonic() + hold
        was_held = False
        while True:
            ready = self._ready(self._tables.get(table.environment), process)
            if ready:
                self._turn += 1
                return ready[self._turn % len(ready)], was_held
            self._waited_for.add(table.environment)
            if self._clock.monotonic() >= deadline:
                return None, was_held
            was_held = True
            await self._clock.sleep(LOOK_EVERY)

    def _ready(self, table: RouteTable | None, process: str) -> list[Endpoint]:
        routes = [route for route in table.routes if route.process == process] if table else []
        active = [each for route in routes for each in route.endpoints if each.state is EndpointState.ACTIVE]
        return [each for each in active if (each.address, each.port) in self.upstreams]

    async def _served(self, endpoint: Endpoint, path: str, *, was_held: bool) -> _Fate:
        slug, release, restarts = endpoint.instance.slug, str(endpoint.instance.release), self._restarts
        self.flying[slug] += 1
        try:
            status, text = await self.upstreams[endpoint.address, endpoint.port](path)
        except InstanceLost:
            answer = FakeAnswer(status=503, text="", edge="instance-failed", instance=slug)
            return _Fate(answer=answer, release=release, was_held=was_held, is_reset=True)
        finally:
            if self._restarts == restarts:
                self.flying[slug] -= 1
        if self._restarts != restarts:
            return _Fate(answer=FakeAnswer(status=0, text="", edge="connection-lost", instance=slug), release=release, is_reset=True)
        return _Fate(answer=FakeAnswer(status=status, text=text, instance=slug), release=release, was_held=was_held)

    def _table_of(self, hostname: str) -> RouteTable | None:
        by_name = {name: table for table in self._tables.values() for name in table.hostnames}
        labels = hostname.lower().rstrip(".").split(".")
        wildcards = ["*." + ".".join(labels[count:]) for count in range(1, len(labels))]
        return next((by_name[Hostname(name)] for name in (".".join(labels), *wildcards) if name in by_name), None)


def _process_of(table: RouteTable, path: str) -> str | None:
    longest_first: list[PathRoute] = sorted(table.routes, key=lambda route: len(route.path), reverse=True)
    return next((route.process for route in longest_first if _leads(route.path.rstrip("/"), path.partition("?")[0])), None)


def _leads(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _page(message: Message) -> FakeAnswer:
    return FakeAnswer(status=message.status, text=message.text, edge=message.kind)


def _of(table: RouteTable, counts: Counter[str]) -> dict[str, int]:
    slugs = [endpoint.instance.slug for route in table.routes for endpoint in route.endpoints]
    return {slug: counts[slug] for slug in slugs if counts[slug] > 0}


def _summary(ended: Sequence[_Ended]) -> Traffic:
    times = sorted(each.seconds for each in ended if not each.fate.is_failed)
    slowest = max(ended, key=lambda each: each.seconds, default=None)
    lost = [each for each in ended if each.fate.is_failed or each.fate.is_reset]
    return Traffic(
        requests=len(ended),
        bytes_sent=sum(len(each.fate.answer.text) for each in ended),
        app_errors=sum(1 for each in ended if each.fate.answer.status >= 500 and not each.fate.answer.edge),
        edge_errors=sum(1 for each in ended if each.fate.is_failed),
        resets=sum(1 for each in ended if each.fate.is_reset),
        held=sum(1 for each in ended if each.fate.was_held),
        slowest=slowest.seconds if slowest else 0.0,
        slowest_path=slowest.path if slowest else "",
        p50=times[len(times) // 2] if times else 0.0,
        p99=times[min(len(times) - 1, len(times) * 99 // 100)] if times else 0.0,
        last_at=max((each.began + each.seconds for each in ended if each.fate.answer.instance), default=0.0),
        by_release=dict(Counter(each.fate.release for each in ended if each.fate.release)),
        broken=_broken([each for each in ended if each.fate.is_reset]),
        failures=tuple(f"GET {each.path}: {each.fate.answer.status} from the edge" for each in lost[:10]),
    )


def _broken(ended: Sequence[_Ended]) -> dict[str, Broken]:
    counts = Counter(each.fate.answer.instance for each in ended)
    return {
        slug: Broken(count, max(each.began + each.seconds for each in ended if each.fate.answer.instance == slug))
        for slug, count in counts.items()
    }


_: type[Edge] = FakeEdge
_secure: type[SecureEdge] = FakeEdge
_host: type[HostEdge] = FakeEdge
