"""How a bench tells what it found: a line of JSON for machines, then a table for bench/RESULTS.md. Must not: measure."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """`at_most` is the target in the same unit; None where there is none. `beside` says what it was compared with, in words."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    beside: str = ""

    @property
    def is_held(self) -> bool:
        return self.at_most is None or self.value <= self.at_most


def show(bench: str, figures: Sequence[Figure], facts: Mapping[str, object]) -> int:
    """Prints; the exit code says whether every target was held. `facts` are what stands behind the figures."""
    told = [asdict(figure) | {"is_held": figure.is_held} for figure in figures]
    print(json.dumps({"bench": bench, "machine": machine(), "figures": told, "facts": facts}))
    print(f"\n{machine()}\n\n| figure | measured | target | beside | |\n|---|---|---|---|---|")
    for figure in figures:
        target = "" if figure.at_most is None else f"≤ {_number(figure.at_most)} {figure.unit}".strip()
        verdict = "" if figure.at_most is None else "held" if figure.is_held else "**missed**"
        print(f"| {figure.name} | {_number(figure.value)} {figure.unit} | {target} | {figure.beside} | {verdict} |".replace("  |", " |"))
    sys.stdout.flush()
    return 0 if all(figure.is_held for figure in figures) else 1


def machine() -> str:
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    where = f"{platform.system()} {platform.machine()}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"
    return f"{where}, load average {os.getloadavg()[0]:.1f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
