"""Surveys every host now and then, and remembers since when each finding that is not good has been there. Must not: mend anything.

Whether a host answers at all the fleet knows better: of one that does not, what was found last stays as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from mooring.drivers.host.contract import HostKeeper
from mooring.engine.contract import Clock
from mooring.errors import DriverError, NeedsPerson
from mooring.model.host import Finding, Host, Weight
from mooring.model.names import HostId
from mooring.planner.hosts import prepare

EVERY = 60.0  # seconds from the end of one round to the next
_WITHIN = 20.0  # seconds that a round waits for one host
_ACCEPTED = frozenset(("system", "address"))  # warned of when the host was added, and taken as it is


class Ailment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found on a host, and `since` when, in wall seconds."""

    host: HostId
    finding: Finding
    since: float


class Lookout:
    """`hosts` gives those that there are now."""

    def __init__(self, keeper: HostKeeper, hosts: Callable[[], Iterable[Host]], clock: Clock) -> None:
        self._keeper = keeper
        self._hosts = hosts
        self._clock = clock
        self._found: dict[HostId, tuple[Ailment, ...]] = {}
        self._free: dict[HostId, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(EVERY)

    async def look(self) -> None:
        """At all hosts at once."""
        await asyncio.gather(*(self._look_at(host) for host in self._hosts()))

    def ailments(self) -> tuple[Ailment, ...]:
        """Of the hosts that there are now, in the order of their names."""
        names = sorted(host.name for host in self._hosts())
        return tuple(ailment for name in names for ailment in self._found.get(name, ()))

    def free(self) -> dict[HostId, int]:
        """Bytes of disk that were free where the account of each host is, of those that there are now and that were looked at."""
        return {host.name: self._free[host.name] for host in self._hosts() if host.name in self._free}

    async def _look_at(self, host: Host) -> None:
        try:
            async with asyncio.timeout(_WITHIN):
                facts = await self._keeper.survey(host, now=self._clock.wall())
        except (DriverError, TimeoutError):
            return
        except NeedsPerson as error:
            findings: tuple[Finding, ...] = (Finding(subject="identity", weight=Weight.FAULT, said=error.message, hint=error.hint),)
        else:
            self._free[host.name] = facts.disk_free
            findings = prepare(host, facts, controller=self._keeper.controller).findings
        known = {each.finding.subject: each.since for each in self._found.get(host.name, ())}
        self._found[host.name] = tuple(
            Ailment(host=host.name, finding=each, since=known.get(each.subject, self._clock.wall()))
            for each in findings
            if each.weight is not Weight.GOOD and each.subject not in _ACCEPTED
        )
