"""Which hostname and path leads to which ready instances: one value per environment, set as a whole. Must not: know a proxy."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.edge import Access, HttpsSettings
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import Hostname, ProcessName


class EndpointState(enum.Enum):
    ACTIVE = "active"
    DRAINING = "draining"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream: where an instance listens, and whether it gets new requests."""

    instance: InstanceKey
    address: str
    port: int
    state: EndpointState = EndpointState.ACTIVE


class Page(enum.Enum):
    """What a person is told while no instance can answer."""

    STARTING = "starting"
    CRASHED = "crashed"
    MAINTENANCE = "maintenance"
    WAKING = "waking"
    NO_ROOM = "no-room"
    NO_SUCH_APP = "no-such-app"


class PathRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A URL prefix of the environment's hostnames, and the upstreams of the process type behind it."""

    path: str
    process: ProcessName
    endpoints: tuple[Endpoint, ...] = ()


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """All routing of one environment. `page` is shown when no endpoint is active; MAINTENANCE is shown always.

    The settings are those of `EdgeSettings`. `wakes_within`: seconds that whoever is no browser waits, at the least, while it sleeps.
    """

    environment: EnvironmentId
    hostnames: tuple[Hostname, ...]
    routes: tuple[PathRoute, ...] = ()
    page: Page = Page.STARTING
    is_maintenance: bool = False
    hold: float = 10.0
    wakes_within: float = 0.0
    request_timeout: float = 300.0
    stream_idle_timeout: float = 3600.0
    max_request_bytes: int = 100_000_000
    https: HttpsSettings = HttpsSettings()
    access: Access = Access()

    @property
    def is_asleep(self) -> bool:
        """Or wakes: a browser is shown the page at once, which loads again by itself."""
        return self.page in (Page.WAKING, Page.NO_ROOM)

    def endpoint(self, key: InstanceKey) -> Endpoint | None:
        return next((endpoint for route in self.routes for endpoint in route.endpoints if endpoint.instance == key), None)


class ChallengeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `http://HOSTNAME/.well-known/acme-challenge/TOKEN` answers, whatever becomes of the app. Source: RFC 8555, 8.3."""

    hostname: Hostname
    token: str
    content: str


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """What the edge was seen doing.

    `in_flight` counts requests per instance slug, `streams` WebSockets and other upgrades where the edge can tell them apart (else they
    are among the requests). `is_acknowledged`: the edge has taken the table. `is_agreed` False: several edges route it, and one has
    another table than it should.
    """

    table: RouteTable
    in_flight: dict[str, int] = {}
    streams: dict[str, int] = {}
    is_acknowledged: bool = True
    is_agreed: bool = True


class Broken(msgspec.Struct, frozen=True):
    """Requests whose connection one instance closed or reset before its answer was whole; the wall time of the last of them."""

    count: int
    last_at: float


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one environment in one window, from the edge's own access log. Latencies in seconds.

    `app_errors`: the app's own 5xx. `edge_errors`: 502/503/504 that the edge made. `resets`: upstream closed in the middle.
    `held`: waited for an instance and were served. `cancelled`: the client went away first; not a failure. `streams_ended`: WebSockets
    and event streams that ended with their instance, after their drain time; no failures either.
    `broken`: those of the edge errors and resets that an instance broke off, by its slug.
    `last_at`: the wall time at which the last request that an instance was given had ended, 0 for none.
    `failures` are the first few edge errors and resets as sentences.
    """

    requests: int = 0
    bytes_sent: int = 0
    app_errors: int = 0
    edge_errors: int = 0
    resets: int = 0
    held: int = 0
    cancelled: int = 0
    streams_ended: int = 0
    slowest: float = 0.0
    slowest_path: str = ""
    p50: float = 0.0
    p99: float = 0.0
    last_at: float = 0.0
    by_release: dict[str, int] = {}
    broken: dict[str, Broken] = {}
    failures: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        return self.edge_errors + self.resets
