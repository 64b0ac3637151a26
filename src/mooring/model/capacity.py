"""Hosts that are borrowed while review apps need them: what is needed, who lent what, and how a loan stands. Must not: decide.

Times are wall seconds: a loan outlives the controller that made it.
"""

from __future__ import annotations

import msgspec

from mooring.model.host import Host, HostAddress, HostRuntime
from mooring.model.names import HostId, RegionName

_SHORT = 8  # characters of a key that a host's name ends with


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What one more host would have to be like: of which region, with how many bytes to declare, and how it runs instances."""

    region: RegionName
    memory: int
    runtime: HostRuntime = HostRuntime.DOCKER

    def is_like(self, other: Need) -> bool:
        """Whether one host would be of use for both, as far as it is told apart."""
        return self.region == other.region and self.runtime is other.runtime


class Lent(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that was made for a loan. `host_key` as `ssh-keyscan` writes it: nobody else is trusted to be this machine.

    `bind` and `memory` as of any host: empty and 0 are found out.
    """

    key: str
    address: HostAddress
    host_key: str
    bind: str = ""
    memory: int = 0


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """One host that is asked for, there, or on its way back. On record before anybody is asked, until it was given back.

    `key` names it to whoever lends. `reason`: who needs it. `since`: when it came to stand as it does. `lent` None: nobody has said yet
    where it is. `idle_since`: nothing is placed on it since then, 0 while something is. `leaving`: why it goes; empty while it may stay.
    `error`: what the last try to bring it further came to.
    """

    key: str
    need: Need
    reason: str
    since: float
    lent: Lent | None = None
    idle_since: float = 0.0
    leaving: str = ""
    error: str = ""

    @property
    def host(self) -> HostId:
        """What it is called among the hosts."""
        return HostId(f"lent-{self.key[-_SHORT:]}")


class CapacityTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How many may be borrowed at a time, and for how many seconds nothing has to be on one before it is given back."""

    limit: int = 1
    idle: float = 600.0


def borrowed(loan: Loan, lent: Lent) -> Host:
    """As it is taken in."""
    return Host(
        name=loan.host,
        address=lent.address,
        runtime=loan.need.runtime,
        host_key=lent.host_key,
        region=loan.need.region,
        bind=lent.bind,
        memory=lent.memory,
        loan=loan.key,
    )
