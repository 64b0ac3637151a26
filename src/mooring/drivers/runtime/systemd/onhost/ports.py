"""Hands out ports: each once, free at that moment, and remembered until it is given back. Must not: listen on one.

Numbers go round, so that a port is not used again soon after: a late request to an instance that is gone must not reach another app.
"""

from __future__ import annotations

import os

from mooring.drivers.runtime.listeners import is_free
from mooring.drivers.runtime.systemd.onhost import record
from mooring.drivers.runtime.systemd.onhost.place import Place


def take(place: Place, owner: str, low: int, high: int) -> int:
    """The owner's own if it has one already."""
    folder = place.path("ports")
    with record.locked(f"{folder}/.lock"):
        owned = {int(name): _owner(f"{folder}/{name}") for name in os.listdir(folder) if name.isdigit()}
        for port, other in owned.items():
            if other == owner:
                return port
        last: int = record.read(f"{folder}/.last").get("port", 0)
        first = last + 1 if low <= last < high else low
        candidates: list[int] = [*range(first, high + 1), *range(low, first)]
        for port in candidates:
            if port not in owned and is_free(port):
                record.write_whole(f"{folder}/{port}", owner.encode())
                record.write(f"{folder}/.last", {"port": port})
                return port
    raise record.Failed("unavailable", f"no port from {low} to {high} is free", "widen the range of ports, or stop what holds them")


def give_back(place: Place, owner: str) -> None:
    folder = place.path("ports")
    with record.locked(f"{folder}/.lock"):
        for name in os.listdir(folder):
            if name.isdigit() and _owner(f"{folder}/{name}") == owner:
                record.remove(f"{folder}/{name}")


def _owner(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""
