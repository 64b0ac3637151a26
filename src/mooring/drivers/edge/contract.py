"""What an edge must do: send each request to a ready instance, without the controller, and change routes without losing one.

Promises, tested by `mooring.testing.edge_contract` on every driver and on the fake:
  - `apply` returns only when the edge has taken the table (acknowledged): from then on no new request goes to an endpoint that is
    DRAINING or gone. Applying the same table twice changes nothing.
  - Requests in flight on an endpoint that becomes DRAINING finish; `observe` counts them.
  - One environment's bad table or certificate is refused and leaves every other environment, and its own last good table, as they were.
  - With no active endpoint a request is held up to `hold` seconds and served if one appears, else answered by the table's page.
  - With `is_maintenance` every request gets the maintenance page. An unknown hostname gets the no-such-app page.
  - Tables survive the edge's own restart and the controller's absence.
  - An effect whose mark is older than one seen for that environment raises StaleFence and does nothing.
Raises Unavailable or OutcomeUnknown, never a foreign error.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname
from mooring.model.routing import RouteTable, RouteView, Traffic

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

    def url(self, hostname: Hostname) -> str:
        """Where a person finds it: `http://shop.localhost:8080`."""
