"""Whether declared memory and processors fit a host: refused with numbers, before anything starts. Must not: guess.

Memory at the rollout's highest point; processors, which are shared, when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mooring.errors import CapacityExceeded
from mooring.model.instance import InstanceKey
from mooring.model.names import LOCAL, HostId
from mooring.model.quantity import format_size
from mooring.planner.goal import Wanted
from mooring.planner.replace import is_in_place


def peak_memory(wanted: Wanted, before: Wanted | None, *, host: HostId = LOCAL) -> int:
    """Bytes declared on one host while both run: all of the old, and of the new what it needs beside them.

    One that takes an old one's place needs only what it declares above it; those of the old that stay give up no place.
    """
    declared = dict(_declared(before, host))
    peak = sum(declared.values())
    for process in wanted.release.processes:
        keys = [key for key in wanted.instances_of(process) if key.host == host]
        new = [key for key in keys if key not in declared]
        leaving = sorted(memory for key, memory in declared.items() if key.process == process.name and key not in keys)
        places = leaving[: len(new)] if is_in_place(process, wanted) else []
        peak += (len(new) - len(places)) * process.memory + sum(max(0, process.memory - place) for place in places)
    return peak


def check_memory(
    wanted: Wanted,
    before: Wanted | None,
    *,
    others: Iterable[tuple[Wanted, Wanted | None]],
    budgets: Mapping[HostId, int],
    leftover: Mapping[HostId, int] | None = None,
    note: str = "",
) -> None:
    """Raise CapacityExceeded where on any host the peak, all other environments' peaks and what is left over exceed its budget (bytes).

    `others`: what each is to run and, while it is being deployed, what it ran before. `leftover`: bytes declared by what runs though
    nothing wants it any more. `note`: what is to be said besides.
    """
    for _, error in _short_of_memory(wanted, before, others, budgets, leftover or {}, note=note):
        raise error


def check_processors(wanted: Wanted, others: Iterable[Wanted], *, processors: Mapping[HostId, float]) -> None:
    """Raise CapacityExceeded where this and what all others are to run declare more processors than a host has; 0: nobody knows how many.

    What runs side by side for the time of a rollout shares them: unlike memory, nobody dies of having fewer for a while.
    """
    for _, error in _short_of_processors(wanted, others, processors):
        raise error


def crowded(
    wanted: Wanted,
    before: Wanted | None,
    *,
    others: Iterable[tuple[Wanted, Wanted | None]],
    budgets: Mapping[HostId, int],
    processors: Mapping[HostId, float],
    leftover: Mapping[HostId, int] | None = None,
) -> frozenset[HostId]:
    """The hosts that it does not fit, by `check_memory` or by `check_processors`."""
    known = tuple(others)
    memory = _short_of_memory(wanted, before, known, budgets, leftover or {})
    return frozenset(host for host, _ in (*memory, *_short_of_processors(wanted, [other for other, _ in known], processors)))


def declared_by(others: Iterable[tuple[Wanted, Wanted | None]], hosts: Iterable[HostId]) -> dict[HostId, int]:
    """Bytes that these declare at their peaks, by host."""
    known = tuple(others)
    return {host: sum(peak_memory(other, earlier, host=host) for other, earlier in known) for host in hosts}


def _short_of_memory(
    wanted: Wanted,
    before: Wanted | None,
    others: Iterable[tuple[Wanted, Wanted | None]],
    budgets: Mapping[HostId, int],
    leftover: Mapping[HostId, int],
    *,
    note: str = "",
) -> Iterator[tuple[HostId, CapacityExceeded]]:
    elsewhere = declared_by(others, dict.fromkeys((*wanted.hosts(), *(before.hosts() if before else ()))))
    for host, declared in elsewhere.items():
        peak, left, budget = peak_memory(wanted, before, host=host), leftover.get(host, 0), budgets.get(host, 0)
        if peak and peak + declared + left > budget:
            yield host, _too_little_memory(wanted, host, peak, declared, budget, left, note=note)


def _short_of_processors(
    wanted: Wanted, others: Iterable[Wanted], processors: Mapping[HostId, float]
) -> Iterator[tuple[HostId, CapacityExceeded]]:
    known = tuple(others)
    for host in wanted.hosts():
        own, elsewhere, has = _processors(wanted, host), sum(_processors(each, host) for each in known), processors.get(host, 0.0)
        if own == 0 or has == 0 or round(own + elsewhere, 3) <= has:
            continue
        place = "this host" if host == LOCAL else f"host {host}"
        yield (
            host,
            CapacityExceeded(
                f"declared cpus do not fit {place}: {own:g} for this app, {elsewhere:g} for other apps, and it has {has:g}",
                hint="lower count or cpus, or place it on more hosts",
                where=str(wanted.release.environment),
            ),
        )


def _processors(wanted: Wanted, host: HostId) -> float:
    """Declared on one host."""
    of = [process.cpus * wanted.hosts_of(process).count(host) for process in wanted.release.processes]
    return round(sum(of), 3)


def _too_little_memory(
    wanted: Wanted, host: HostId, peak: int, elsewhere: int, budget: int, leftover: int, *, note: str
) -> CapacityExceeded:
    numbers = f"{format_size(peak)} while old and new run side by side, {format_size(elsewhere)} for other apps"
    if leftover:
        numbers += f", {format_size(leftover)} for instances that could not be stopped yet"
    place = "this host" if host == LOCAL else f"host {host}"
    return CapacityExceeded(
        f"declared memory does not fit {place}: {numbers}, {format_size(budget)} may be declared in all" + (f"; {note}" if note else ""),
        hint="lower count or memory, or set deploy.max_surge = 0 with deploy.max_unavailable = 1 to replace in place",
        where=str(wanted.release.environment),
    )


def _declared(wanted: Wanted | None, host: HostId) -> list[tuple[InstanceKey, int]]:
    if wanted is None:
        return []
    keys = [(key, process.memory) for process in wanted.release.processes for key in wanted.instances_of(process)]
    return [(key, memory) for key, memory in keys if key.host == host]
