"""Whether declared memory fits a host at the rollout's highest point: refused with numbers, before anything starts. Must not: guess."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.errors import CapacityExceeded
from mooring.model.instance import InstanceKey
from mooring.model.quantity import format_size
from mooring.planner.goal import Wanted
from mooring.planner.replace import is_in_place


def peak_memory(wanted: Wanted, before: Wanted | None) -> int:
    """Bytes declared while both run: all of the old, and of the new what it needs beside them.

    One that takes an old one's place needs only what it declares above it; those of the old that stay give up no place.
    """
    declared = dict(_declared(before))
    peak = sum(declared.values())
    for process in wanted.release.processes:
        keys = wanted.instances_of(process)
        new = [key for key in keys if key not in declared]
        leaving = sorted(memory for key, memory in declared.items() if key.process == process.name and key not in keys)
        places = leaving[: len(new)] if is_in_place(process, wanted) else []
        peak += (len(new) - len(places)) * process.memory + sum(max(0, process.memory - place) for place in places)
    return peak


def check_memory(
    wanted: Wanted, before: Wanted | None, *, others: Iterable[tuple[Wanted, Wanted | None]], budget: int, leftover: int = 0
) -> None:
    """Raise CapacityExceeded where the peak, all other environments' peaks and what is left over exceed `budget` bytes.

    `others`: what each is to run and, while it is being deployed, what it ran before. `leftover`: bytes declared by what runs though
    nothing wants it any more.
    """
    peak, elsewhere = peak_memory(wanted, before), sum(peak_memory(other, earlier) for other, earlier in others)
    if peak == 0 or peak + elsewhere + leftover <= budget:
        return
    numbers = f"{format_size(peak)} while old and new run side by side, {format_size(elsewhere)} for other apps"
    if leftover:
        numbers += f", {format_size(leftover)} for instances that could not be stopped yet"
    raise CapacityExceeded(
        f"declared memory does not fit this host: {numbers}, {format_size(budget)} may be declared in all",
        hint="lower count or memory, or set deploy.max_surge = 0 with deploy.max_unavailable = 1 to replace in place",
        where=str(wanted.release.environment),
    )


def _declared(wanted: Wanted | None) -> list[tuple[InstanceKey, int]]:
    if wanted is None:
        return []
    return [(key, process.memory) for process in wanted.release.processes for key in wanted.instances_of(process)]
