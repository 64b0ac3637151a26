"""Takes hosts in and lets them go: looked at, prepared, used; and all of that undone. Must not: trust a key that nobody has seen."""

from __future__ import annotations

import msgspec

from mooring.drivers.host.contract import HostKeeper
from mooring.engine.contract import Clock, Memory
from mooring.engine.edges import Edges
from mooring.engine.fleet import Fleet
from mooring.errors import CapacityExceeded, InvalidInput, Refused
from mooring.model.host import Facts, Host, HostStep, PlannedStep, Preparation
from mooring.model.names import HostId
from mooring.planner import hosts as planner
from mooring.planner.goal import Wanted, wanted_of

_ITSELF = "127.0.0.1"  # where instances listen on a host that does not say its address


class HostDesk:
    """Of one controller; it holds nothing itself."""

    def __init__(self, keeper: HostKeeper, memory: Memory, fleet: Fleet, edges: Edges, clock: Clock) -> None:
        self._keeper = keeper
        self._memory = memory
        self._fleet = fleet
        self._edges = edges
        self._clock = clock

    async def planned(self, host: Host, *, take_over: bool = False) -> tuple[Host, Facts, Preparation]:
        """The host with what was found out of it, and what is left to do there; nothing is done. `take_over`: from whomever it serves.

        Raises InvalidInput, Unavailable, NeedsPerson for another key than the pinned one.
        """
        self._check_reach(host)
        facts = await self._keeper.survey(host, now=self._clock.wall())
        bind, memory = host.bind or facts.address or _ITSELF, host.memory or planner.budget(facts)
        host = msgspec.structs.replace(host, bind=bind, memory=memory, processors=facts.processors, uid=facts.uid)
        host = msgspec.structs.replace(host, engine_socket=host.engine_socket or facts.engine_socket)
        seen = msgspec.structs.replace(facts, owner="") if take_over else facts
        return host, facts, planner.prepare(host, seen, controller=self._keeper.controller)

    async def take_in(self, host: Host, *, take_over: bool = False) -> tuple[Host, tuple[PlannedStep, ...]]:
        """Prepared, remembered and used from now on, with what was done. One that is there already is prepared again and changed.

        Raises CapacityExceeded for one with faults, and what `planned` raises.
        """
        host, _, preparation = await self.planned(host, take_over=take_over)
        _check(preparation)
        for each in preparation.steps:
            await self._keeper.perform(host, each.step)
        known = self.known(host.name)
        prepared = dict.fromkeys((*(known.prepared if known else ()), *(each.step.value for each in preparation.steps)))
        host = msgspec.structs.replace(host, prepared=tuple(prepared), added_at=self._clock.wall())
        if host.edge is None and HostStep.EDGE.value in prepared:
            host = await self._without_edge(host)
        edge = self._keeper.edge(host) if host.edge else None
        if edge is not None:
            await edge.tend()
        self._memory.save_host(host)
        await self._fleet.replace(host.name, self._keeper.runtime(host))
        self._edges.place(host.name, host.region)
        if edge is not None:
            self._edges.add(host.name, edge)
        return host, preparation.steps

    async def check_unused(self, host: Host) -> None:
        """Raises Refused while instances run on it, Unavailable."""
        left = await self._fleet.runtime_of(host.name).observe()
        if left:
            hint = "it may be a leftover: `mooring status` names what belongs to nobody"
            raise Refused(f"{len(left)} instances still run on {host.name}", hint=hint)

    async def let_go(self, host: Host, *, is_lost: bool) -> None:
        """What was done on it is undone, and it is forgotten. `is_lost`: nothing is asked of it. Raises Unavailable, NeedsPerson."""
        if not is_lost:
            for step in reversed(host.prepared):
                await self._keeper.undo(host, HostStep(step))
        await self._fleet.remove(host.name)
        self._edges.forget(host.name)
        await self._keeper.close(host)
        self._memory.forget_host(host.name)

    def known(self, name: HostId) -> Host | None:
        return next((host for host in self._memory.hosts() if host.name == name), None)

    async def _without_edge(self, host: Host) -> Host:
        """It carries none any more."""
        self._edges.drop(host.name)
        await self._keeper.undo(host, HostStep.EDGE)
        return msgspec.structs.replace(host, prepared=tuple(step for step in host.prepared if step != HostStep.EDGE.value))

    def _check_reach(self, host: Host) -> None:
        """A firewall lets in the controller alone. Raises InvalidInput where that would keep out an edge of the region on another host."""
        others = [each for each in self._memory.hosts() if each.region == host.region and each.name != host.name]
        pairs = [(each, host) for each in others if each.edge and host.has_firewall]
        pairs += [(host, each) for each in others if host.edge and each.has_firewall]
        if pairs:
            edge, closed = pairs[0]
            hint = (
                "leave --firewall out where a region's edge and its instances are on several hosts, and close the ports in your own network"
            )
            raise InvalidInput(f"the edge on {edge.name} could not reach instances behind the firewall of {closed.name}", hint=hint)


def placed(memory: Memory, *, is_awake: bool = False) -> list[Wanted]:
    """What every environment is to run, also one that sleeps unless `is_awake`, and what each deployment that goes on would have it run."""
    records = [record for record in memory.environments() if not (is_awake and record.is_asleep)]
    revisions = [(record.environment, record.revision) for record in records]
    revisions += [(each.environment, each.target) for each in memory.unfinished_deployments()]
    found = []
    for environment, revision in revisions:
        release = memory.release(environment, revision.release) if revision else None
        if revision is not None and release is not None:
            found.append(wanted_of(revision, release))
    return found


def _check(preparation: Preparation) -> None:
    faults = preparation.faults
    if faults:
        said = "; ".join(f"{fault.subject}: {fault.said}" for fault in faults)
        raise CapacityExceeded(f"the host cannot be used: {said}", hint=faults[0].hint)
