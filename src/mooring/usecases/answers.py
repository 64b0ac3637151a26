"""What is answered to those who ask, where the model has no word for it: each is one JSON shape of the API.

Must not: hold a secret, but for `TokenCreated`, which is shown once to who made the token, and `ReviewLogin`, for who may change the app.
"""

from __future__ import annotations

import enum

import msgspec

from mooring.engine.orders import Snapshot
from mooring.model.access import TokenRecord
from mooring.model.accessory import Place
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeEvent, ForgeLink
from mooring.model.host import Facts, Finding, Host, Preparation
from mooring.model.instance import InstanceView
from mooring.model.lease import Lock
from mooring.model.names import AccessoryName, Hostname
from mooring.model.records import EnvironmentRecord, Unowned
from mooring.model.release import Release
from mooring.model.service import Owned, ServiceRecord, ServiceServer
from mooring.model.trouble import Trouble
from mooring.planner.accessories import Condition


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    version: str


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the platform: `controller`, `supervisor`, `edge`. `said` explains why it is down."""

    name: str
    is_up: bool
    said: str = ""


class EnvironmentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """`release` 0: nothing is desired to run. `is_asleep`: it runs again when somebody visits it.

    `age`: seconds since the instances were looked at. `deployment`: the one that goes on."""

    environment: EnvironmentId
    release: int = 0
    ready: int = 0
    desired: int = 0
    is_maintenance: bool = False
    is_locked: bool = False
    is_serving: bool = False
    is_asleep: bool = False
    deployment: str = ""
    age: float = 0.0
    urls: tuple[str, ...] = ()


class ReviewAppStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A review app. `error`: what its last deployment failed of, empty where it did not. Times are wall seconds.

    `summary` is of its environment; `leaving` says why it is being torn down, `waiting` why it has no room yet; `pulls` are
    the numbers of the pull requests that offer it. `is_warned`: its time is nearly over.
    """

    branch: str
    head: str
    created_at: float
    used_at: float
    expires_at: float
    leaving: str
    error: str
    summary: EnvironmentSummary
    pulls: tuple[int, ...] = ()
    waiting: str = ""
    is_warned: bool = False


class ReviewLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser asks for; both empty where everybody gets in."""

    user: str
    password: str


class PlatformStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`started_at` is the controller's start in wall seconds; ports are 0 when closed.

    `unowned` is what runs or is routed and belongs to no environment; empty too while the runtime or the edge cannot be asked.
    `troubles`: all that is not as it should be, worst first. `backed_up_at`: when a backup was last asked for, 0 for never.
    `borrowed`: how each host stands that is borrowed for review apps, in words.
    """

    version: str
    state_directory: str
    started_at: float
    http_port: int
    https_port: int
    parts: tuple[PartStatus, ...]
    environments: tuple[EnvironmentSummary, ...]
    unowned: tuple[Unowned, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    backed_up_at: float = 0.0
    borrowed: tuple[str, ...] = ()


class EnvironmentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one environment. `deployment` is the one that goes on, `release` the one desired to run."""

    record: EnvironmentRecord
    release: Release | None
    snapshot: Snapshot
    urls: tuple[str, ...] = ()
    lock: Lock | None = None
    deployment: Deployment | None = None


class VariableKind(enum.Enum):
    PLAIN = "plain"
    SECRET = "secret"  # noqa: S105 (a kind's name)


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """`value` None: a secret, or not asked for. `origin` says where it comes from: `config v3 (anna)`, `mooring.toml`, `builder`."""

    name: str
    value: str | None
    kind: VariableKind
    origin: str = ""
    version: int = 0


class ConfigChange(msgspec.Struct, frozen=True, kw_only=True):
    """`deployment` None: nothing runs yet, or nothing changed; the values are stored."""

    version: int
    deployment: Deployment | None


class TokenCreated(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is what goes after `Authorization: Bearer`; it is not kept and cannot be shown again."""

    record: TokenRecord
    token: str


class CertificateAdded(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what it is called from now on; `shown_for` the hostnames of apps that it is shown for, `expires_at` in wall seconds."""

    name: Hostname
    hostnames: tuple[str, ...]
    issuer: str
    expires_at: float
    shown_for: tuple[Hostname, ...]


class KeyRotation(msgspec.Struct, frozen=True, kw_only=True):
    """How many encrypted values were sealed anew."""

    resealed: int


class AccessoryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An accessory, declared or there. `said`: how these stand to each other, with what to do; `runs`: what it was last made from.

    `place`: where it listens. `instance` None: it does not run. `is_asleep`: with its review app, and it runs again before that does.
    `age`: seconds since it was looked at. `deployment`: the one under way.
    """

    name: AccessoryName
    condition: Condition
    said: str
    runs: str = ""
    place: Place | None = None
    instance: InstanceView | None = None
    is_asleep: bool = False
    age: float = 0.0
    deployment: str = ""


class AccessoryChange(msgspec.Struct, frozen=True, kw_only=True):
    """`deployment` None: nothing had to be done, and `said` is why."""

    deployment: Deployment | None
    said: str = ""


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A host with what is placed on it. `age`: seconds since it last answered, None when it never has; `error` why it does not now.

    `edge_error`: why its edge does not, where it carries one.
    """

    host: Host
    fingerprint: str
    age: float | None
    error: str
    instances: int
    environments: tuple[str, ...]
    edge_error: str = ""


class HostPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on a host and what would be done. `facts` None: only the host key that it shows was looked at. `fingerprint` empty:
    only that of the bastion before it.
    """

    host: Host
    fingerprint: str
    facts: Facts | None = None
    preparation: Preparation = Preparation(findings=())


class HostAdded(msgspec.Struct, frozen=True, kw_only=True):
    """`done` says in words what was done there; nothing, where it was prepared already."""

    host: Host
    fingerprint: str
    done: tuple[str, ...]


class HostKey(msgspec.Struct, frozen=True, kw_only=True):
    public_key: str


class ForgeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`age`: seconds since it was last looked at in vain or not, None when it has not been; `error` why in vain."""

    link: ForgeLink
    age: float | None = None
    error: str = ""


class ForgeChecked(msgspec.Struct, frozen=True, kw_only=True):
    """`said`: what the token reaches; `branches` how many there are."""

    link: ForgeLink
    said: str
    branches: int


class ForgeHeard(msgspec.Struct, frozen=True, kw_only=True):
    """What was understood of a message."""

    event: ForgeEvent


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A server of data services: what comes from it, and how it is. `error`: why it does not answer now.

    `orphans` carry this platform's mark there, and no environment is known to own them.
    """

    server: ServiceServer
    services: tuple[str, ...] = ()
    orphans: tuple[Owned, ...] = ()
    findings: tuple[Finding, ...] = ()
    error: str = ""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A service of an environment. `logins`: 2 while a new password is brought to the app; `size` in bytes, None where `error` says why."""

    record: ServiceRecord
    logins: int
    size: int | None
    error: str = ""
