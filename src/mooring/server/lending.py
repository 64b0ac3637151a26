"""Who lends hosts, by the settings. Beside wiring.py it names a concrete driver. Must not: borrow anything."""

from __future__ import annotations

import os
from collections.abc import Callable

from mooring.drivers.capacity.contract import Capacity
from mooring.drivers.host.contract import HostKeeper
from mooring.errors import InvalidInput
from mooring.model.capacity import CapacityTerms
from mooring.server.machinery import passed_variables
from mooring.server.operator_programs import check_program
from mooring.server.settings import Settings

_MOST = 1000
_SHORTEST = 10.0  # seconds


def capacity_for(settings: Settings, hosts: HostKeeper, redact: Callable[[str], str]) -> Capacity | None:
    """None where nobody lends."""
    if not settings.capacity:
        return None
    from mooring.drivers.capacity.command import CommandCapacity

    return CommandCapacity(
        settings.capacity,
        passed_variables(os.environ),
        controller=lambda: hosts.controller,
        public_key=lambda: hosts.public_key,
        redact=redact,
    )


def capacity_terms(settings: Settings) -> CapacityTerms:
    return CapacityTerms(limit=settings.capacity_limit, idle=settings.capacity_idle)


def check_capacity(settings: Settings) -> None:
    """Raises InvalidInput."""
    check_program("--capacity", settings.capacity)
    if not 1 <= settings.capacity_limit <= _MOST:
        hint = f"use 1 to {_MOST}; `--capacity off` borrows none"
        raise InvalidInput(f"--capacity-limit {settings.capacity_limit} is no number of hosts", hint=hint)
    if settings.capacity_idle < _SHORTEST:
        raise InvalidInput(f"--capacity-idle is {settings.capacity_idle:g} seconds", hint="use 10s or more, such as 10m")
