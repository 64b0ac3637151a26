"""Which faults have struck around which effects: the table that a campaign has to fill. Must not: know how a fault is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from mooring.testing.laws import Moment
from mooring.testing.simulator.story import AROUND_A_WRITE, AROUND_AN_EFFECT, AROUND_AN_EFFECT_ON_HOSTS, What

EFFECTS = (
    "runtime.deliver",
    "runtime.start",
    "runtime.stop",
    "runtime.restart",
    "runtime.run_task",
    "runtime.stop_task",
    "runtime.forget",
    "runtime.reclaim",
    "edge.apply",
    "edge.remove",
)
WRITES = (
    "memory.add_deployment",
    "memory.save_deployment",
    "memory.add_release",
    "memory.save_environment",
    "memory.forget_environment",
    "memory.write_intent",
    "memory.write_outcome",
    "memory.append_event",
    "memory.take_lease",
    "memory.renew_lease",
    "memory.release_lease",
)


class Cell(msgspec.Struct, frozen=True, order=True):
    """One fault, before or after one effect or write."""

    effect: str
    moment: str
    fault: str

    def __str__(self) -> str:
        return f"{self.fault} {self.moment} {self.effect}"


def cell(effect: str, moment: Moment, what: What) -> Cell:
    return Cell(effect, moment.value, what.value)


def all_cells() -> frozenset[Cell]:
    faults = AROUND_AN_EFFECT | AROUND_AN_EFFECT_ON_HOSTS
    around_effects = (cell(name, moment, what) for name in EFFECTS for what, moments in faults.items() for moment in moments)
    around_writes = (cell(name, moment, what) for name in WRITES for what, moments in AROUND_A_WRITE.items() for moment in moments)
    return frozenset((*around_effects, *around_writes))


def empty_cells(struck: Counter[Cell]) -> list[Cell]:
    """Those that no story has reached."""
    return sorted(each for each in all_cells() if not struck[each])


def unknown_points(passed: Iterable[str]) -> list[str]:
    """Effects and writes that were passed and have no row in the table: somebody has added one."""
    return sorted(set(passed) - {*EFFECTS, *WRITES})
