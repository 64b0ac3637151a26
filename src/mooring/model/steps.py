"""The acts a plan is made of: small named records, shown before they run, each with its reason. Must not: act."""

from __future__ import annotations

import msgspec

from mooring.model.deployment import Outcome
from mooring.model.instance import InstanceKey
from mooring.model.names import LOCAL, EnvironmentName, HostId, ServerName, ServiceName
from mooring.model.routing import RouteTable
from mooring.model.service import ServiceKind


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


class ProvideService(msgspec.Struct, frozen=True, kw_only=True, tag="provide-service"):
    """Make a service that the release declares, before anything of the release runs."""

    service: ServiceName
    kind: ServiceKind
    server: ServerName
    reason: str
    source: EnvironmentName | None = None  # the environment whose service it begins as a copy of
    mask: str = ""  # SQL that is run in the copy before anybody else may see it
    mask_command: str = ""  # a command of the release's that is run then; only when it has succeeded the service is ready

    def __str__(self) -> str:
        masked = [", masked"] if self.mask else []
        masked += [f", masked by `{self.mask_command}`"] if self.mask_command else []
        copied = f", a copy of that of {self.source}{''.join(masked)}" if self.source else ""
        return f"make {self.service} ({self.kind.value} on {self.server}{copied})"


class RunMask(msgspec.Struct, frozen=True, kw_only=True, tag="run-mask"):
    """Run the command that makes a copy fit to be seen, before anything else of the release runs. `task`: what this one run is called."""

    release: int
    service: ServiceName
    command: str
    task: str
    reason: str
    host: HostId = LOCAL

    def __str__(self) -> str:
        return f"run mask command of {self.service}: {self.command}"


class RotateService(msgspec.Struct, frozen=True, kw_only=True, tag="rotate-service"):
    """A second login beside the first; all that starts from now on uses it."""

    service: ServiceName
    reason: str

    def __str__(self) -> str:
        return f"a new password for {self.service}"


class WithdrawLogins(msgspec.Struct, frozen=True, kw_only=True, tag="withdraw-logins"):
    """No login of a service is valid any more but the one that is used."""

    service: ServiceName
    reason: str

    def __str__(self) -> str:
        return f"end the old password of {self.service}"


class RestoreService(msgspec.Struct, frozen=True, kw_only=True, tag="restore-service"):
    """What a dump holds takes the place of what has the same name in a service. `dump` is a file of the controller's."""

    service: ServiceName
    dump: str
    reason: str

    def __str__(self) -> str:
        return f"restore {self.service} from a dump"


class RemoveService(msgspec.Struct, frozen=True, kw_only=True, tag="remove-service"):
    """It, with all that is stored in it."""

    service: ServiceName
    reason: str

    def __str__(self) -> str:
        return f"remove {self.service} with all that is in it"


class PushAssets(msgspec.Struct, frozen=True, kw_only=True, tag="push-assets"):
    """Put the files of a release that are not there yet into its bucket, before anything of it starts."""

    release: int
    bucket: str
    reason: str

    def __str__(self) -> str:
        return f"push the assets of v{self.release} to {self.bucket}"


class PruneAssets(msgspec.Struct, frozen=True, kw_only=True, tag="prune-assets"):
    """Remove files of earlier releases that no open page needs any more, from each bucket that the environment has used."""

    reason: str

    def __str__(self) -> str:
        return "remove assets of earlier releases"


class RemoveAssets(msgspec.Struct, frozen=True, kw_only=True, tag="remove-assets"):
    """All that was pushed for the environment, and the list of it."""

    reason: str

    def __str__(self) -> str:
        return "remove all assets"


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


AssetStep = PushAssets | PruneAssets | RemoveAssets
ServiceStep = ProvideService | RotateService | WithdrawLogins | RestoreService | RemoveService
Step = (
    RunRelease
    | StopRelease
    | ServiceStep
    | RunMask
    | AssetStep
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


def own_words(step: ServiceStep | RunMask | AssetStep) -> str:
    """What one of these does, in the words that it has itself."""
    return str(step)
