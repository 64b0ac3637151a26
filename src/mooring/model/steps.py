"""The acts a plan is made of: small named records, shown before they run, each with its reason. Must not: act."""

from __future__ import annotations

import msgspec

from mooring.model.deployment import Outcome
from mooring.model.instance import InstanceKey
from mooring.model.names import LOCAL, HostId
from mooring.model.routing import RouteTable


class RunRelease(msgspec.Struct, frozen=True, kw_only=True, tag="run-release"):
    """Run the release command once, on the new artifact, before traffic moves; or (`is_seed`) what lays in data, after it."""

    release: int
    command: str
    reason: str
    host: HostId = LOCAL
    is_seed: bool = False


class StopRelease(msgspec.Struct, frozen=True, kw_only=True, tag="stop-release"):
    """End a release or seed command that still runs though its deployment turned round: the next one's must not run beside it."""

    release: int
    reason: str


class Deliver(msgspec.Struct, frozen=True, kw_only=True, tag="deliver"):
    """Bring a release's artifact to a host, before anything of it starts there."""

    host: HostId
    release: int
    reason: str


class StartInstance(msgspec.Struct, frozen=True, kw_only=True, tag="start-instance"):
    instance: InstanceKey
    reason: str


class SetRoutes(msgspec.Struct, frozen=True, kw_only=True, tag="set-routes"):
    """Give the edge this environment's whole table. `summary` says what changes: `switch v6 → v7`, `drain v6 web.1`."""

    table: RouteTable
    summary: str
    reason: str
    is_switch: bool = False  # from here on the target's instances serve


class StopInstance(msgspec.Struct, frozen=True, kw_only=True, tag="stop-instance"):
    """The stop signal, then after `grace` seconds SIGKILL to the whole group; its registration goes too."""

    instance: InstanceKey
    grace: float
    reason: str


class RestartInstance(msgspec.Struct, frozen=True, kw_only=True, tag="restart-instance"):
    """A live but sick instance (liveness failed): stop and start the same one."""

    instance: InstanceKey
    grace: float
    reason: str


class RemoveRoutes(msgspec.Struct, frozen=True, kw_only=True, tag="remove-routes"):
    """Nothing of this environment is routed any more (destroy)."""

    reason: str


class ForgetReleases(msgspec.Struct, frozen=True, kw_only=True, tag="forget-releases"):
    """Remove the logs and leftovers of these releases; None: of the whole environment (destroy), `volumes` too where that is said."""

    releases: tuple[int, ...] | None
    reason: str
    volumes: bool = False


class Conclude(msgspec.Struct, frozen=True, kw_only=True, tag="conclude"):
    """The deployment ends with this outcome."""

    outcome: Outcome
    reason: str


class GoBack(msgspec.Struct, frozen=True, kw_only=True, tag="go-back"):
    """The deployment turns round: from here on the baseline is what is desired. `code` is an error's code, `hint` what to do."""

    reason: str
    code: str
    hint: str = ""


Step = (
    RunRelease
    | StopRelease
    | Deliver
    | StartInstance
    | SetRoutes
    | StopInstance
    | RestartInstance
    | RemoveRoutes
    | ForgetReleases
    | Conclude
    | GoBack
)
