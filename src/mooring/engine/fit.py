"""Whether what is to run fits its hosts beside all else, and where else in its regions it would. Must not: wait, or make room.

A review app is counted with its accessories, which come, sleep and wake with it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mooring.engine import accessories
from mooring.engine.parts import Parts
from mooring.engine.strangers import is_strangers_release
from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.model.names import HostId
from mooring.planner.capacity import check_memory, check_processors, crowded, declared_by
from mooring.planner.disk import check_disk, full_disks
from mooring.planner.goal import Wanted, at_rest
from mooring.planner.placement import place
from mooring.planner.usage import Usage, with_accessories

Pair = tuple[Wanted, Wanted | None]


def check(parts: Parts, wanted: Wanted, before: Wanted | None) -> None:
    """Raise CapacityExceeded or InvalidInput where it cannot fit beside the other environments.

    It fits for as long as nothing else is decided: what is to be run has to be on record before anybody else is asked.
    """
    environment = wanted.release.environment
    others = parts.others(environment)
    taken = {name: each.release for pair in others for each in pair if each is not None for name in each.release.hostnames}
    claims = [f"the hostname {name} belongs to {taken[name].environment} already" for name in wanted.release.hostnames if name in taken]
    if claims:
        raise InvalidInput("; ".join(claims), hint="give one of them other hostnames in its mooring.toml", where=str(environment))
    check_room(parts, wanted, before)


def check_room(
    parts: Parts,
    wanted: Wanted,
    before: Wanted | None,
    *,
    without: frozenset[EnvironmentId] = frozenset(),
    is_settled: bool = False,
    is_awake: bool = False,
) -> None:
    """Raise CapacityExceeded where it does not fit its hosts beside the other environments, but for those `without` which it would be,
    and their accessories.

    `is_settled`: as it will be when all has gone that is on its way out. `is_awake`: as if what ran before did not sleep.
    """
    environment, before = wanted.release.environment, before if is_awake else _awake(parts, before)
    there = [pair for pair in parts.others(environment) if pair[0].release.environment.home not in without]
    usage = usage_for(parts, environment)
    whole = counted_in(parts, wanted, usage)
    others = _elsewhere(there, environment, usage)
    known = [each for pair in [(wanted, before), *there] for each in pair if each is not None] + _beside(parts, environment, usage)
    leftover = {} if is_settled else _leftover(parts, known, usage)
    (target, present), *elsewhere = _counted([(whole, before), *others], usage)
    budgets = parts.runtime.budgets()
    check_memory(target, present, others=elsewhere, budgets=budgets, leftover=leftover, note=usage.words(whole))
    check_processors(whole, [other for other, _ in others], processors=parts.runtime.processors())
    if environment.home in usage.reviews:
        check_disk(whole, free=parts.free_disk())


def roomiest(
    parts: Parts, wanted: Wanted, before: Wanted | None, *, held: frozenset[HostId] = frozenset()
) -> tuple[Wanted, frozenset[HostId]]:
    """As it is where it fits; else on other hosts of its regions, borrowed ones too. And which of them it does not fit."""
    environment, hosts, before = wanted.release.environment, parts.memory.hosts(), _awake(parts, before)
    usage, there = usage_for(parts, environment), parts.others(environment)
    elsewhere = _counted(_elsewhere(there, environment, usage), usage)
    closed = frozenset(host.name for host in hosts if host.loan and host.is_draining)
    closed |= full_disks(parts.free_disk()) | held
    cut_off = accessories.cut_off(parts, wanted.release)
    if is_strangers_release(parts.memory, wanted.release):
        closed |= frozenset(host.name for host in hosts) - parts.runtime.taking_strangers()
    budgets, processors, beside = parts.runtime.budgets(), parts.runtime.processors(), _beside(parts, environment, usage)

    def crowded_by(candidate: Wanted) -> frozenset[HostId]:
        known = [each for pair in [(candidate, before), *there] for each in pair if each is not None] + beside
        leftover = _leftover(parts, known, usage)
        whole = counted_in(parts, candidate, usage)
        ((target, present),) = _counted([(whole, before)], usage)
        full = crowded(target, present, others=elsewhere, budgets=budgets, processors=processors, leftover=leftover)
        return full | closed.intersection(whole.hosts()) | cut_off.intersection(candidate.hosts())

    crowded_now = crowded_by(wanted)
    if not crowded_now or not wanted.release.regions:
        return wanted, crowded_now
    full, load = set(crowded_now), declared_by(elsewhere, [host.name for host in hosts])
    while True:
        try:
            placement = place(wanted.release, wanted.counts, [host for host in hosts if host.name not in full], load=load)
        except InvalidInput:
            break
        candidate = msgspec.structs.replace(wanted, placement=placement)
        lacking = crowded_by(candidate)
        if not lacking:
            return candidate, frozenset()
        if lacking <= full:
            break
        full |= lacking
    return wanted, crowded_now


def usage_for(parts: Parts, environment: EnvironmentId) -> Usage:
    """How memory is counted while room is sought for it: what is not declared counts for nothing, unless a review app is to start."""
    reviews = frozenset(record.environment for record in parts.memory.environments() if record.review is not None)
    return Usage(peaks=parts.observer.peaks(), reviews=reviews) if environment.home in reviews else Usage()


def counted_in(parts: Parts, wanted: Wanted, usage: Usage) -> Wanted:
    """With its accessories counted in, where it is a review app for which room is sought; to be compared with what there is, never run."""
    if wanted.release.environment not in usage.reviews:
        return wanted
    return with_accessories(wanted, accessories.sizes(parts, wanted))


def _awake(parts: Parts, before: Wanted | None) -> Wanted | None:
    """What ran before, for as long as it has not slept: what still runs of one that sleeps is on its way out."""
    return at_rest(before, is_asleep=before is not None and parts.is_asleep(before.release.environment))


def _beside(parts: Parts, environment: EnvironmentId, usage: Usage) -> list[Wanted]:
    """A review app's accessories, which are counted in with it whether they run or sleep."""
    records = accessories.records_of(parts.memory, environment).values() if environment in usage.reviews else ()
    return [each for record in records if (each := parts.wanted(record.environment)) is not None]


def _elsewhere(others: Iterable[Pair], environment: EnvironmentId, usage: Usage) -> list[Pair]:
    """Of the others all that is not counted in with a review app already."""
    return [pair for pair in others if environment not in usage.reviews or pair[0].release.environment.home != environment]


def _counted(pairs: Iterable[Pair], usage: Usage) -> list[Pair]:
    return [(usage.counted(wanted), usage.counted(before) if before is not None else None) for wanted, before in pairs]


def _leftover(parts: Parts, known: list[Wanted], usage: Usage) -> dict[HostId, int]:
    """Bytes that it counts as, by host, by what was last seen to run and belongs to none of these: it could not be stopped yet."""
    wanted = frozenset(key for each in known for key in each.instances())
    left: dict[HostId, int] = {}
    for key in parts.observer.seen():
        release = None if key in wanted else parts.observer.release(key.environment, key.release)
        process = release.process(key.process) if release is not None else None
        if process is not None:
            left[key.host] = left.get(key.host, 0) + usage.of(key.environment, process)
    return left
