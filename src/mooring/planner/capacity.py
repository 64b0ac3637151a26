"""Whether declared memory fits a host at the rollout's highest point: refused with numbers, before anything starts. Must not: guess."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.errors import CapacityExceeded
from mooring.model.instance import InstanceKey
from mooring.model.quantity import format_size
from mooring.planner.goal import Wanted
from mooring.planner.replace import is_in_place


def peak_memory(wanted: Wanted, before: Wanted | None) -> int:
    """Bytes declared while both run: all of the old, and all of the new that does not take an old one's place."""
    declared = dict(_declared(before))
    for process in wanted.release.processes:
        old = sum(1 for key in declared if key.process == process.name)
        new = [key for key in wanted.instances_of(process) if key not in declared]
        extra = new[min(old, len(new)) :] if is_in_place(process, wanted) else new
        declared |= dict.fromkeys(extra, process.memory)
    return sum(declared.values())


def steady_memory(wanted: Wanted | None) -> int:
    """Bytes declared once only `wanted` runs."""
    return sum(memory for _, memory in _declared(wanted))


def check_memory(wanted: Wanted, before: Wanted | None, *, others: Iterable[Wanted], budget: int) -> None:
    """Raise CapacityExceeded where the peak and all other environments' declarations exceed `budget` bytes."""
    peak, elsewhere = peak_memory(wanted, before), sum(steady_memory(other) for other in others)
    if peak == 0 or peak + elsewhere <= budget:
        return
    numbers = f"{format_size(peak)} while old and new run side by side, {format_size(elsewhere)} for other apps"
    raise CapacityExceeded(
        f"declared memory does not fit this host: {numbers}, {format_size(budget)} may be declared in all",
        hint="lower count or memory, or set deploy.max_surge = 0 with deploy.max_unavailable = 1 to replace in place",
        where=str(wanted.release.environment),
    )


def _declared(wanted: Wanted | None) -> list[tuple[InstanceKey, int]]:
    if wanted is None:
        return []
    return [(key, process.memory) for process in wanted.release.processes for key in wanted.instances_of(process)]
