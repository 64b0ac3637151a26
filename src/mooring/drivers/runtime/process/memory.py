"""How much memory this host may promise to instances. Must not: count what is used now."""

from __future__ import annotations

import os
from pathlib import Path

_SHARE = 0.9  # the rest is for the edge, the controller and the system


def budget() -> int:
    """Bytes: nine tenths of what the machine, or the cgroup that we are in, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min([total, *_cgroup_limits()]) * _SHARE)


def _cgroup_limits() -> list[int]:
    """Of every cgroup (version 2) that this process is in, from the inner to the outer."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = next((line.split("::", 1)[1] for line in lines if line.startswith("0::")), "/")
    group = Path("/sys/fs/cgroup") / own.lstrip("/")
    places = [group, *(parent for parent in group.parents if parent.is_relative_to("/sys/fs/cgroup"))]
    return [limit for place in places if (limit := _limit(place / "memory.max")) > 0]


def _limit(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
