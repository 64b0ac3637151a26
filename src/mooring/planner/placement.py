"""On which host each instance runs: spread over the hosts of each region, or kept where it is. Must not: look at the world."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from mooring.errors import InvalidInput
from mooring.model.host import Host
from mooring.model.names import HostId, ProcessName
from mooring.model.placement import Placement, Region
from mooring.model.release import ProcessType, Release


def place(
    release: Release,
    counts: Mapping[ProcessName, int],
    hosts: Iterable[Host],
    *,
    kept: Placement | None = None,
    load: Mapping[HostId, int] | None = None,
) -> Placement:
    """A host for every instance; nothing where the release names no region, since then all of it runs on the local host.

    `kept`: where they run now. Of these as many stay in their slots as each region is to have on hosts that may still be used, those of
    the lowest slots: scaling moves nothing. So slots between may be left with nothing in them. `load`: bytes that others declare by host:
    of hosts that are otherwise alike the emptier one is taken.
    Raises InvalidInput for a region without a host that may be used.
    """
    if not release.regions:
        return {}
    eligible = [(region, _eligible(region, release, tuple(hosts))) for region in release.regions]
    taken: Counter[HostId] = Counter()
    placed: Placement = {}
    for process in release.processes:
        slots: dict[int, HostId] = {}
        missing: list[list[HostId]] = []
        for index, (region, usable) in enumerate(eligible):
            count = _count(process, region, counts, is_first=index == 0)
            staying = _staying((kept or {}).get(process.name, ()), usable, slots, most=count)
            slots |= staying
            taken.update(staying.values())
            missing += [usable] * (count - len(staying))
        for usable in missing:
            host = _next(usable, slots.values(), taken, load or {})
            slots[next(number for number in itertools.count() if number not in slots)] = host
            taken[host] += 1
        placed[process.name] = tuple(slots.get(number) for number in range(max(slots, default=-1) + 1))
    return placed


def _staying(kept: Sequence[HostId | None], usable: Collection[HostId], claimed: Collection[int], *, most: int) -> dict[int, HostId]:
    """Those that run where this region may have them, and that no other has claimed, by slot from 0."""
    found = [(number, host) for number, host in enumerate(kept) if host is not None and host in usable and number not in claimed]
    return dict(found[:most])


def _eligible(region: Region, release: Release, hosts: tuple[Host, ...]) -> list[HostId]:
    """Those of the region that fit, in the order in which they are named. Raises InvalidInput with what keeps each of the others out."""
    known = {host.name: host for host in hosts}
    missing = [name for name in region.hosts if name not in known]
    if missing:
        hint = "`mooring host ls` lists those that were added; `mooring host add` adds one"
        raise InvalidInput(f"region {region.name} names {', '.join(missing)}, and there is no such host", hint=hint)
    members = [known[name] for name in region.hosts] if region.hosts else [host for host in hosts if host.region == region.name]
    unfit = {host.name: reason for host in members if (reason := _unfit(host, release))}
    usable = [host.name for host in members if host.name not in unfit]
    if not usable:
        why = "; ".join(f"{name} {reason}" for name, reason in unfit.items()) or "it has none"
        hint = f"`mooring host add USER@ADDRESS --region {region.name}` adds one"
        raise InvalidInput(f"region {region.name} has no host that can be used: {why}", hint=hint)
    return usable


def _unfit(host: Host, release: Release) -> str:
    """Why nothing of this release can be placed on it; empty when it can."""
    if host.is_draining:
        return "is draining"
    if release.runtime is not None and host.runtime is not release.runtime:
        return f"runs {host.runtime.value}, and the app asks for {release.runtime.value}"
    return ""


def _count(process: ProcessType, region: Region, counts: Mapping[ProcessName, int], *, is_first: bool) -> int:
    """How many in one region. A single process type runs in the first one only."""
    wished = region.counts.get(process.name, counts.get(process.name, process.count))
    if process.is_single:
        return min(wished, 1) if is_first else 0
    return wished


def _next(usable: list[HostId], slots: Iterable[HostId], taken: Counter[HostId], load: Mapping[HostId, int]) -> HostId:
    """With the fewest of this process type, then the fewest of the app, then the least declared by others, then the first named."""
    own = Counter(slots)
    return min(usable, key=lambda host: (own[host], taken[host], load.get(host, 0), usable.index(host)))
