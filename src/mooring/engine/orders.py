"""What may be asked of the engine: each order becomes a deployment with a journal, events and a receipt. Must not: carry a secret."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceView
from mooring.model.names import ProcessName
from mooring.model.release import Source
from mooring.model.routing import RouteView
from mooring.model.steps import Step


class DeployOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Build this uploaded source archive and run it. The engine removes the archive when it is done with it."""

    archive: Path
    origin: Source


class ConfigOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Run the present artifact with this config snapshot (already in the memory) as a new release."""

    config_version: int
    description: str


class RollbackOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Run again what release `number` ran: artifact, config, process types, as a new release. None: the one before the present."""

    number: int | None = None


class ScaleOrder(msgspec.Struct, frozen=True, kw_only=True):
    counts: dict[ProcessName, int]


class RestartOrder(msgspec.Struct, frozen=True, kw_only=True):
    """All instances anew, start-first, same release."""


class DestroyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Stop and remove all that this environment owns."""


Order = DeployOrder | ConfigOrder | RollbackOrder | ScaleOrder | RestartOrder | DestroyOrder


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was last seen of an environment, and how many seconds ago."""

    environment: EnvironmentId
    age: float
    instances: tuple[InstanceView, ...]
    routes: RouteView | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would do, touching nothing. `notes` are sentences: gaps, refusals to come, deadlines."""

    environment: EnvironmentId
    description: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
