"""Who may change an environment now, and the number that proves it. Must not: be trusted without its fence where effects land."""

from __future__ import annotations

import msgspec

from mooring.model.environment import EnvironmentId


class Mark(msgspec.Struct, frozen=True):
    """Goes with every effect: which operation, under which fencing number. A place that has seen a higher number refuses."""

    environment: EnvironmentId
    operation: str
    fence: int


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One per environment. `holder` names the controller and deployment; `heartbeat` is wall seconds."""

    environment: EnvironmentId
    holder: str
    fence: int
    since: float
    heartbeat: float


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A person's wish that nothing be deployed for now."""

    environment: EnvironmentId
    by: str
    reason: str
    since: float
