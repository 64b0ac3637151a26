"""Many edges as one: the controller's own routes everything, and a host's routes what runs in its region. All switch together or none does.

An edge knows its own tables and no region: each is given the share of a table that is its own. A switch that one did not take the others
give back; what became of a lost answer is looked at before anything is repeated or undone. Of an edge that does not answer the last known
is told, and until it is seen no switch begins; what keeps the running release well, or goes back to it, the others are given meanwhile.
Must not: decide what is routed, or know how a host is reached.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from mooring.drivers.edge.contract import Edge, EdgeCapabilities, HostEdge, Reloading, Reloads
from mooring.engine.contract import Clock
from mooring.engine.distant import Distant
from mooring.engine.shares import carries, is_switch, joined, share, summed, taken
from mooring.errors import DriverError, MooringError, OutcomeUnknown, StaleFence, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.host import Sight
from mooring.model.lease import Mark
from mooring.model.names import LOCAL, HostId, Hostname, RegionName
from mooring.model.routing import RouteTable, RouteView, Traffic
from mooring.planner.routes import routed_keys

LOOK = 1.5  # seconds that a look at all edges waits for the slowest of them
PATIENCE = 10.0  # seconds that is waited for an edge which has to answer before anything begins
WAKE = 2.0  # seconds
ACT = 30.0  # seconds in which an edge has to say what became of a table

Views = Mapping[EnvironmentId, RouteView]


@dataclass
class _Member(Distant[Views]):
    """`unsettled`: environments whose last answer was lost."""

    edge: HostEdge = field(kw_only=True)
    unsettled: set[EnvironmentId] = field(default_factory=set)
    waited_at: float = -math.inf

    async def ask(self) -> Views:
        return {view.table.environment: view for view in await self.edge.observe()}

    def note(self, seen: Views, began: float, *, is_newest: bool) -> None:
        if is_newest:
            self.believe(seen, began)
            self.unsettled.clear()

    def view(self, environment: EnvironmentId) -> RouteView | None:
        return (self.views or {}).get(environment)


@dataclass(frozen=True)
class _Try:
    """One edge, what it routed before and what it is to route; None: nothing. `member` None: the controller's own."""

    member: _Member | None
    edge: Edge
    before: RouteTable | None
    table: RouteTable | None


class Edges:
    """`add`, `drop` and `forget` change it while it works; `place` says in which region a host is."""

    def __init__(self, clock: Clock, local: Edge) -> None:
        self._clock = clock
        self._local = local
        self._members: dict[HostId, _Member] = {}
        self._regions: dict[HostId, RegionName] = {}

    # which edges there are

    def place(self, host: HostId, region: RegionName) -> None:
        self._regions[host] = region

    def add(self, host: HostId, edge: HostEdge) -> None:
        """For the region in which that host is placed."""
        self.drop(host)
        self._members[host] = _Member(host, self._clock, edge=edge)

    def drop(self, host: HostId) -> None:
        """Nothing is given to it or seen of it any more; what it routes it goes on routing."""
        gone = self._members.pop(host, None)
        if gone is not None:
            gone.unwatch()

    def forget(self, host: HostId) -> None:
        """The host is no host of this platform any more."""
        self.drop(host)
        self._regions.pop(host, None)

    def others(self) -> tuple[HostEdge, ...]:
        """Those of hosts."""
        return tuple(each.edge for each in self._members.values())

    def sights(self) -> tuple[Sight, ...]:
        """How well each edge of a host is seen."""
        return tuple(each.sight() for each in self._members.values())

    def reloads(self) -> dict[HostId, Reloads]:
        """Of edges whose proxy has to be replaced now and then, by host."""
        edges = {LOCAL: self._local, **{each.name: each.edge for each in self._members.values()}}
        return {host: edge.reloads for host, edge in edges.items() if isinstance(edge, Reloading)}

    async def look_around(self) -> None:
        """At all of them, for at most LOOK seconds: so that what is told of them is of now."""
        await self._look_at(list(self._members.values()))

    async def away(self, environment: EnvironmentId, hosts: Iterable[HostId]) -> tuple[Sight, ...]:
        """Edges that do not answer now, of those that would have to take a table in which instances run on these hosts."""
        concerned = self._concerned(environment, frozenset(hosts))
        await self._look_at(concerned, within=PATIENCE)
        return tuple(sight for sight in self.sights() if sight.error and sight.host in {each.name for each in concerned})

    # what the contract asks

    @property
    def capabilities(self) -> EdgeCapabilities:
        return self._local.capabilities

    async def apply(self, mark: Mark, table: RouteTable) -> None:
        """To all that it concerns, at once; all have it when this returns.

        Raises Unavailable when none has it, or when those have it that answer and it is no switch; OutcomeUnknown when one may have it.
        """
        concerned = self._concerned(mark.environment, frozenset(key.host for key in routed_keys(table)))
        if not concerned:
            await self._local.apply(mark, table)
            return
        before, _ = await asyncio.gather(self._local.observe(mark.environment), self._look_at(concerned, within=PATIENCE))
        known = before[0].table if before else None
        absent, is_all_or_none = [each for each in concerned if each.error], is_switch(known, table)
        if absent and is_all_or_none:
            raise _away(absent[0], "nothing was switched")
        tries = [_Try(None, self._local, known, table)]
        for each in concerned:
            seen = each.view(mark.environment)
            if each not in absent:
                tries.append(_Try(each, each.edge, seen.table if seen else None, share(table, self._served(each.name))))
        await self._taken(mark, tries, is_all_or_none=is_all_or_none)
        if absent:
            raise _away(absent[0], "the others have the routes already")

    async def remove(self, mark: Mark) -> None:
        """From all that have it. Raises what the first that could not do it raised, when the others have done it."""
        before = await self._local.observe(mark.environment)
        concerned = self._concerned(mark.environment, frozenset(key.host for view in before for key in routed_keys(view.table)))
        tries = [_Try(None, self._local, None, None), *(_Try(each, each.edge, None, None) for each in concerned)]
        for error in await self._tried(mark, tries):
            if error is not None:
                raise error

    async def observe(self, environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        """The controller's own as it is now; others' as they are if they say so within LOOK seconds, else as they last were."""
        members = list(self._members.values())
        if not members:
            return await self._local.observe(environment)
        local, _ = await asyncio.gather(self._local.observe(environment), self._look_at(members))
        found = {view.table.environment: view for view in local}
        for each in members:
            found |= {key: view for key, view in (each.views or {}).items() if key not in found and environment in (None, key)}
        own = {view.table.environment for view in local}
        return tuple(self._joined(found[key], has_local=key in own) for key in sorted(found))

    async def traffic(self, environment: EnvironmentId, *, since: float, until: float) -> Traffic:
        """Of all that route it: counts are sums, and times those of the slowest edge."""
        edges = [self._local, *(each.edge for each in self._members.values() if each.view(environment))]
        return summed(await asyncio.gather(*(each.traffic(environment, since=since, until=until) for each in edges)))

    async def waited_for(self) -> frozenset[EnvironmentId]:
        """Of all edges: the controller's own each time, those of hosts every WAKE seconds, since asking them is not cheap."""
        now = self._clock.monotonic()
        due = [each for each in self._members.values() if not each.error and now - each.waited_at >= WAKE]
        for each in due:
            each.waited_at = now
        found = await asyncio.gather(self._local.waited_for(), *(_waited_for(each.edge) for each in due))
        return frozenset[EnvironmentId]().union(*found)

    def url(self, hostname: Hostname) -> str:
        return self._local.url(hostname)

    # within

    def _served(self, host: HostId) -> frozenset[HostId]:
        """The hosts whose instances stand behind the edge of this one."""
        region = self._regions.get(host)
        return frozenset(each for each, of in self._regions.items() if of == region)

    def _concerned(self, environment: EnvironmentId, hosts: frozenset[HostId]) -> list[_Member]:
        """Edges in whose region something of it runs on one of these hosts, and those that route it already."""
        return [each for each in self._members.values() if each.view(environment) or hosts & self._served(each.name)]

    def _joined(self, view: RouteView, *, has_local: bool) -> RouteView:
        """What all edges do together: who gets requests from any of them counts as active."""
        environment, views, is_agreed, is_acknowledged = view.table.environment, [view], has_local, view.is_acknowledged
        for each in self._members.values():
            served, seen = self._served(each.name), each.view(environment)
            if seen is None and not carries(view.table, served):
                continue
            is_acknowledged &= each.views is not None and environment not in each.unsettled
            if seen is None:
                is_agreed = False
            else:
                is_agreed &= seen.table == share(view.table, served)
                is_acknowledged &= seen.is_acknowledged
                views += [seen] if seen is not view else []
        return joined(views, is_agreed=is_agreed, is_acknowledged=is_acknowledged)

    async def _look_at(self, members: Iterable[_Member], *, within: float = LOOK) -> None:
        """One that has not said anything after so many seconds does not answer now."""
        looks = {each.look(): each for each in members}
        if looks:
            _, late = await asyncio.wait(looks, timeout=within)
            for look in late:
                looks[look].error = looks[look].error or f"no answer within {within:g} seconds"

    async def _taken(self, mark: Mark, tries: list[_Try], *, is_all_or_none: bool) -> None:
        """All have it, or an error: then it is not known whether one has it, or those that took a switch have given it back.

        Other changes stay where they were taken: what they lead away from may be dead already.
        """
        outcomes = list(zip(tries, await self._tried(mark, tries), strict=True))
        for _, error in outcomes:
            if isinstance(error, StaleFence):
                raise error  # another controller acts: what is there is its own
        refusals: list[MooringError] = []
        took = [each for each, error in outcomes if error is None]
        for each, error in outcomes:
            if isinstance(error, OutcomeUnknown):
                has_it = await self._has_taken(mark.environment, each)
                if has_it is None:
                    raise error
                if has_it:
                    took.append(each)
                else:
                    refusals.append(Unavailable(error.message, hint=error.hint, where=error.where))
            elif error is not None:
                refusals.append(error)
        if refusals and is_all_or_none:
            await self._tried(mark, [replace(each, table=each.before) for each in took if each.table != each.before])
        if refusals:
            raise refusals[0]

    async def _has_taken(self, environment: EnvironmentId, attempt: _Try) -> bool | None:
        """None when it does not say."""
        try:
            async with asyncio.timeout(PATIENCE):
                views = await attempt.edge.observe(environment)
        except (DriverError, TimeoutError):
            return None
        if any(not view.is_acknowledged for view in views):
            return None
        if attempt.member is not None:
            attempt.member.unsettled.discard(environment)
        return (views[0].table if views else None) == attempt.table

    async def _tried(self, mark: Mark, tries: Iterable[_Try]) -> list[MooringError | None]:
        """What became of each."""
        return list(await asyncio.gather(*(self._tried_one(mark, each) for each in tries)))

    async def _tried_one(self, mark: Mark, attempt: _Try) -> MooringError | None:
        member = attempt.member
        if member is None:
            return await _outcome(_given(mark, attempt))
        member.unsettled.add(mark.environment)  # until it has said what became of it
        with member.acting():
            error = await _outcome(_given(mark, attempt))
        if not isinstance(error, OutcomeUnknown):
            member.unsettled.discard(mark.environment)
        if error is None and member.views is not None:
            others = {key: view for key, view in member.views.items() if key != mark.environment}
            seen = member.views.get(mark.environment)
            member.views = others | ({mark.environment: taken(attempt.table, seen)} if attempt.table else {})
        return error


async def _waited_for(edge: Edge) -> frozenset[EnvironmentId]:
    try:
        return await edge.waited_for()
    except DriverError:
        return frozenset()  # who waits is noted again


async def _given(mark: Mark, attempt: _Try) -> None:
    if attempt.table is None:
        await attempt.edge.remove(mark)
    else:
        await attempt.edge.apply(mark, attempt.table)


async def _outcome(effect: Awaitable[None]) -> MooringError | None:
    try:
        async with asyncio.timeout(ACT):
            await effect
    except TimeoutError:
        return OutcomeUnknown(f"an edge did not say within {ACT:g} seconds what became of its routes")
    except MooringError as error:
        return error
    return None


def _away(member: _Member, so: str) -> Unavailable:
    hint = f"`mooring host check {member.name}` says more; if it is gone for good: `mooring host rm {member.name} --lost`"
    return Unavailable(f"the edge on {member.name} does not answer ({member.error}): {so}", hint=hint, where=member.name)


_: type[Edge] = Edges
