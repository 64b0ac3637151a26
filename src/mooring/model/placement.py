"""Where instances are to run: what a manifest says of regions, and the host of each slot. Must not: choose one."""

from __future__ import annotations

import msgspec

from mooring.model.names import HostId, ProcessName, RegionName

Placement = dict[ProcessName, tuple[HostId | None, ...]]
"""The host of each slot, by process type, slot 1 first; None: nothing runs in it. A process type that is not here runs on the local one."""


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A named group of hosts that an environment runs in. `hosts` empty: every host of that region. `counts` differ here from elsewhere."""

    name: RegionName
    hosts: tuple[HostId, ...] = ()
    counts: dict[ProcessName, int] = {}
