"""What an edge must do: send each request to a ready instance, without the controller, and change routes without losing one.

Promises, tested by `mooring.testing.edge_contract` on every driver and on the fake:
  - `apply` returns only when the edge has taken the table (acknowledged): from then on no new request goes to an endpoint that is
    DRAINING or gone. Applying the same table twice changes nothing.
  - Requests in flight on an endpoint that becomes DRAINING finish; `observe` counts them.
  - One environment's bad table or certificate is refused and leaves every other environment, and its own last good table, as they were.
  - With no active endpoint a request is held up to `hold` seconds and served if one appears, else answered by the table's page.
  - While the table is asleep (`RouteTable.is_asleep`) a browser is shown its page at once, and any other request is held up to
    `wakes_within` seconds, however short its other limits are.
  - With `is_maintenance` every request gets the maintenance page. An unknown hostname gets the no-such-app page.
  - With `access.user` whatever the table answers is for those alone who send that user's password; all others, whoever they say they are,
    get 401 and the edge's own page. The app does not see the password. With `access.networks` who connects from elsewhere gets 403 and
    the edge's own page, whatever a request says of itself. Challenges and the way to HTTPS are for everybody.
  - Tables survive the edge's own restart and the controller's absence.
  - An effect whose mark is older than one seen for that environment raises StaleFence and does nothing.
Raises Unavailable or OutcomeUnknown, never a foreign error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import msgspec

from mooring.errors import MooringError
from mooring.model.certificate import Certificate
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname
from mooring.model.routing import ChallengeAnswer, RouteTable, RouteView, Traffic

PROBE_AGENT = "mooring-probe"  # the User-Agent of Mooring's own probes begins with this; `traffic` leaves such requests out


class EdgeCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    http_port: int
    https_port: int  # 0: no HTTPS
    counts_in_flight: bool
    holds_requests: bool


class Edge(Protocol):
    """The reverse proxy in front of the instances of one region."""

    @property
    def capabilities(self) -> EdgeCapabilities: ...

    async def apply(self, mark: Mark, table: RouteTable) -> None: ...

    async def remove(self, mark: Mark) -> None:
        """Nothing of mark.environment is routed any more; its files and certificates are gone."""

    async def observe(self, environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        """What is routed now, with requests in flight; of one environment or of all."""

    async def traffic(self, environment: EnvironmentId, *, since: float, until: float) -> Traffic:
        """Count the requests that began or ended between two wall times, from the edge's own access log (Mooring's own probes left out)."""

    async def waited_for(self) -> frozenset[EnvironmentId]:
        """For whom a request has come, since this was asked last, that found no instance: it waits, or was shown the page. Cheap."""

    def url(self, hostname: Hostname) -> str:
        """Where a person finds it: `http://shop.localhost:8080`."""


class SecureEdge(Protocol):
    """What an edge can besides, when certificates that others made may be shown by it.

    Promises, tested by `mooring.testing.secure_edge_contract`:
      - `show` and `answer` take the whole: what was shown or answered before and is not named any more ends. Twice is like once.
      - When `show` returns, the next TLS handshake for a new name gets its certificate; a renewed one within seconds. No connection is
        closed by it, and what is shown lasts over a restart of the edge and of the controller.
      - A certificate that the edge cannot take is refused and leaves every other name, and its own last good one, as they were.
      - When `answer` returns, plain HTTP answers each challenge: also without a ready instance, in maintenance, and where
        everything else is sent to HTTPS.
      - A hostname whose certificate is shown is sent to HTTPS, and told HSTS, as its table's settings say; a name without one never is.
    """

    def tables(self) -> tuple[RouteTable, ...]:
        """Everything that is routed, from memory: asking costs nothing."""

    async def show(self, certificates: Mapping[Hostname, Certificate]) -> None:
        """Which certificate each routed hostname is to have, besides the edge's own for names under localhost.

        Raises Unavailable (also when the edge refuses one: the others are shown), OutcomeUnknown.
        """

    async def answer(self, answers: tuple[ChallengeAnswer, ...]) -> None:
        """The challenges of routed hostnames that are open now. Raises Unavailable, OutcomeUnknown."""


class Reloads(msgspec.Struct, frozen=True):
    """How often a proxy was replaced by a new process of it to make room, and when last, in wall seconds; 0: never, or not known."""

    count: int = 0
    last_at: float = 0.0


@runtime_checkable
class Reloading(Protocol):
    """An edge whose proxy has now and then to be replaced by a new process of it, which closes the connections that are idle."""

    @property
    def reloads(self) -> Reloads: ...


class HostEdge(Edge, SecureEdge, Protocol):
    """An edge whose proxy runs on another host, and is kept running there."""

    async def tend(self) -> None:
        """What is to be done from time to time. Raises Unavailable, OutcomeUnknown."""


class TendedEdge(Edge, SecureEdge, Protocol):
    """An edge whose proxy is a program of its own on this machine, kept running by a supervisor."""

    def prepare(self) -> tuple[MooringError, ...]:
        """Make or renew every file that the program reads, keeping the tables; idempotent. Returns what was damaged and is left out.

        Raises InvalidInput, Unavailable, StateDamaged.
        """

    async def check(self) -> None:
        """Returns when the program runs and listens. Raises Unavailable with the reason, OutcomeUnknown."""

    async def tend(self) -> None:
        """What is to be done from time to time. Raises Unavailable, OutcomeUnknown."""
