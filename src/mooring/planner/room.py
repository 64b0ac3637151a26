"""How a review app comes to room: who goes to sleep for it, what one more host would have to be like. Must not: read a clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from mooring.model.capacity import Need
from mooring.model.environment import EnvironmentId
from mooring.model.host import HostRuntime
from mooring.model.names import HostId, RegionName
from mooring.model.review import idle_since
from mooring.planner.goal import Wanted
from mooring.planner.review import ReviewApp

LEAST_IDLE = 60.0  # seconds without a visitor: two that are both in use do not put each other to sleep in turn


PATIENCE = 600.0  # seconds for which those that asked later and fit may go before one that does not


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """One that has waited for longer. `waited`: seconds. `has_room`: it fits now; `has_looked` since it does: then something else keeps it.

    `could_have`: it would fit if no other review app were there.
    """

    waited: float
    has_room: bool
    has_looked: bool = False
    could_have: bool = True


def goes_first(ahead: Ahead) -> bool:
    """Whether whoever asked later leaves it the room on its hosts: what it is about to take, and after a while what it still waits for.

    So a large one does not hold up small ones at once, and they do not keep it waiting for ever; one that could never fit holds up nobody.
    """
    if ahead.has_room:
        return not ahead.has_looked
    return ahead.could_have and ahead.waited >= PATIENCE


def may_give_way(app: ReviewApp, *, now: float) -> bool:
    """Whether it may be put to sleep for another: awake, of use to nobody, and said to sleep at all. `now`: wall seconds."""
    mark = app.mark
    return not mark.is_asleep and not mark.leaving and not app.is_busy and mark.settings.sleep > 0 and now >= idle_since(mark) + LEAST_IDLE


def sleepers(apps: Sequence[ReviewApp], *, fits: Callable[[frozenset[EnvironmentId]], bool]) -> tuple[EnvironmentId, ...]:
    """Of those that may give way. `fits`: whether there is room while these sleep. Nobody where there is room, or would be none."""
    idle = sorted(apps, key=lambda each: (idle_since(each.mark), each.mark.branch))
    chosen: list[EnvironmentId] = []
    for app in idle:
        if fits(frozenset(chosen)):
            break
        chosen.append(app.environment)
    if not fits(frozenset(chosen)):
        return ()
    for environment in tuple(reversed(chosen)):  # what was idle for longest goes first: spare those that make no difference
        others = frozenset(each for each in chosen if each != environment)
        if fits(others):
            chosen.remove(environment)
    return tuple(chosen)


def need_of(wanted: Wanted, crowded: Collection[HostId], regions: Mapping[HostId, RegionName]) -> Need | None:
    """The host that would give it room in the region of one that is crowded; None where no host can join its region.

    `regions`: of each host.
    """
    joinable = [region.name for region in wanted.release.regions if not region.hosts]
    region = next((regions[host] for host in wanted.hosts() if host in crowded and regions.get(host) in joinable), None)
    if region is None:
        return None
    processes = wanted.release.processes
    memory = sum(process.memory for process in processes for host in wanted.hosts_of(process) if regions.get(host) == region)
    return Need(region=region, memory=memory, runtime=wanted.release.runtime or HostRuntime.DOCKER)
