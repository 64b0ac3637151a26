"""Whether the disks of its hosts take one more review app: beside what a host itself needs. Must not: look.

What a build, or an artifact on its way to a host, takes is reckoned by who makes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mooring.errors import CapacityExceeded
from mooring.model.names import LOCAL, HostId
from mooring.model.quantity import format_size
from mooring.planner.goal import Wanted
from mooring.planner.hosts import LEAST_DISK


def full_disks(free: Mapping[HostId, int]) -> frozenset[HostId]:
    """Hosts where none may start. `free`: bytes, of the hosts where it is known."""
    return frozenset(host for host, size in free.items() if size < LEAST_DISK)


def check_disk(wanted: Wanted, *, free: Mapping[HostId, int], copied: int = 0) -> None:
    """Raise CapacityExceeded where one of its hosts has too little free (bytes), or this machine for what is copied onto it."""
    full = next((host for host in wanted.hosts() if free.get(host, LEAST_DISK) < LEAST_DISK), None)
    if full is not None:
        place = "this host" if full == LOCAL else f"host {full}"
        said = f"disk does not do on {place}: {format_size(free[full])} are free, and {format_size(LEAST_DISK)} have to be"
        raise _too_little(wanted, said)
    if copied and free.get(LOCAL, LEAST_DISK + copied) < LEAST_DISK + copied:
        raise _too_little(
            wanted,
            f"disk does not do on this host: the copy of its data takes {format_size(copied)}, {format_size(free[LOCAL])} are free, "
            f"and {format_size(LEAST_DISK)} stay free",
        )


def _too_little(wanted: Wanted, said: str) -> CapacityExceeded:
    return CapacityExceeded(said, hint="make room there; what nobody needs goes by itself", where=str(wanted.release.environment))
