"""What is asked in a request's body: each is one JSON shape of the API. Must not: be kept.

Bounds stand here for the OpenAPI document; what keeps them is the use case, which says in words what was wrong.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mooring.model.access import TOKEN_PATTERN, Role
from mooring.model.forge import LATEST, SEEN, SOONEST, ForgeKind
from mooring.model.host import DEFAULT_REGION, EdgePorts, HostRuntime
from mooring.model.names import PROCESS_PATTERN, VARIABLE_PATTERN
from mooring.model.push_key import LONGEST as LONGEST_KEY
from mooring.model.push_key import PUSH_KEY_PATTERN

LARGEST_VALUE = 120_000  # bytes; the kernel takes 131,072 of name and value together (MAX_ARG_STRLEN)
MOST_INSTANCES = 1000
LARGEST_PASSWORD = 16_000  # bytes; tokens of cloud registries have some thousand
LONGEST_TOKEN_LIFE = 10 * 365 * 86_400.0  # seconds

_ProcessName = Annotated[str, Meta(extra_json_schema={"pattern": PROCESS_PATTERN})]
_Count = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": MOST_INSTANCES})]
_VariableName = Annotated[str, Meta(extra_json_schema={"pattern": VARIABLE_PATTERN})]
_SettableName = Annotated[str, Meta(extra_json_schema={"pattern": VARIABLE_PATTERN.replace("^", "^(?!PORT$|MOORING_)", 1)})]
_Value = Annotated[str, Meta(extra_json_schema={"pattern": r"^[^\u0000]*$", "maxLength": LARGEST_VALUE})]
_TokenName = Annotated[str, Meta(extra_json_schema={"pattern": TOKEN_PATTERN})]
_TokenLife = Annotated[float, Meta(extra_json_schema={"minimum": 1, "maximum": LONGEST_TOKEN_LIFE})]


class RegistryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`images`: the repository in it through which images built here reach hosts; empty: they are sent to each host."""

    host: str
    username: str
    password: str
    images: str = ""


class RollbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`release` null: the one before the present."""

    release: int | None = None


class ScaleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of each named process type; others stay as they are."""

    counts: Annotated[dict[_ProcessName, _Count], Meta(extra_json_schema={"minProperties": 1})]


class RestartRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All instances anew."""


class PlanRollback(RollbackRequest, frozen=True, kw_only=True, tag_field="order", tag="rollback"):
    """What a rollback would do."""


class PlanScale(ScaleRequest, frozen=True, kw_only=True, tag_field="order", tag="scale"):
    """What scaling would do."""


class PlanRestart(RestartRequest, frozen=True, kw_only=True, tag_field="order", tag="restart"):
    """What a restart would do."""


class PlanDestroy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="destroy"):
    """What destroying would do; it is asked for with DELETE."""


PlanRequest = PlanRollback | PlanScale | PlanRestart | PlanDestroy


class ConfigRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plain variables to set, and names (of secrets too) to remove."""

    set: dict[_SettableName, _Value] = {}
    unset: tuple[_VariableName, ...] = ()


class MaintenanceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    on: bool


class LockRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: str = ""


AccessoryVerb = Literal["apply", "start", "stop", "restart"]
PlannedVerb = Literal["apply", "start", "stop", "restart", "remove"]


class AccessoryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`apply`: run it as it is declared; `restart`: the same anew."""

    order: AccessoryVerb


class PlanAccessory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`volume`: with `remove`, the volume too."""

    order: PlannedVerb
    volume: bool = False


class HostRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`address` like root@203.0.113.7. `host_key` as the plan told it; empty there: it is asked for. Empty or 0 elsewhere: found out.

    `engine_socket`: where its container engine listens, like unix:///run/podman/podman.sock; found out as often as it is not given.
    `bastion`: what is gone through on the way, like deploy@gate.example.com, with `bastion_key` like `host_key`. `firewall`: close its
    instances' ports to everybody but the edge; once it was asked for, it stays. `take_over`: also from another controller, which must not
    use it any more. `edge`: it carries one for its region, at these ports; without it, it carries none any more.
    """

    address: Annotated[str, Meta(max_length=300)]
    name: Annotated[str, Meta(max_length=100)] = ""
    host_key: Annotated[str, Meta(max_length=5_000)] = ""
    runtime: HostRuntime = HostRuntime.DOCKER
    region: Annotated[str, Meta(max_length=100)] = DEFAULT_REGION
    labels: dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=1_000)]] = {}
    bind: Annotated[str, Meta(max_length=100)] = ""
    memory: Annotated[int, Meta(ge=0, le=2**50)] = 0
    engine_socket: Annotated[str, Meta(max_length=200)] = ""
    bastion: Annotated[str, Meta(max_length=300)] = ""
    bastion_key: Annotated[str, Meta(max_length=5_000)] = ""
    firewall: bool = False
    take_over: bool = False
    edge: EdgePorts | None = None


class DrainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`on` false: it is used again."""

    on: bool


class PushKeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`public_key` as in a `.pub` file. `apps` empty: every app."""

    name: Annotated[str, Meta(extra_json_schema={"pattern": PUSH_KEY_PATTERN})]
    public_key: Annotated[str, Meta(max_length=LONGEST_KEY)]
    apps: Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(max_length=100)] = ()


class ForgeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`repository` like acme/shop, or for plain git its address. `url` is the forge's (empty: the public one), `clone` where git fetches.

    `hook_secret` empty: nothing that is sent is believed, and it is only looked at, `every` seconds."""

    app: Annotated[str, Meta(max_length=100)]
    kind: ForgeKind
    repository: Annotated[str, Meta(max_length=500)]
    url: Annotated[str, Meta(max_length=500)] = ""
    clone: Annotated[str, Meta(max_length=500)] = ""
    every: Annotated[float, Meta(ge=SOONEST, le=LATEST)] = SEEN
    token: Annotated[str, Meta(max_length=10_000)] = ""
    hook_secret: Annotated[str, Meta(max_length=1_000)] = ""


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expires_in` seconds from now; None: it lasts until it is revoked."""

    name: _TokenName
    role: Role
    expires_in: _TokenLife | None = None


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message on the `run` WebSocket. `command` is argv, as typed after `--`."""

    command: tuple[str, ...]
    terminal: bool = False
    rows: int = 24
    columns: int = 80


class ExecRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message on the `exec` WebSocket. `command` is argv, as typed after `--`; `slot` None: the first instance that runs."""

    process: str
    command: tuple[str, ...]
    slot: int | None = None
    terminal: bool = False
    rows: int = 24
    columns: int = 80


class Direction(enum.Enum):
    """Which way a copy goes, seen from the instance."""

    IN = "in"
    OUT = "out"


class CopyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message on the `copy` WebSocket. `name` is what the copy is called when it goes into a directory."""

    process: str
    direction: Direction
    path: str
    name: str = ""
    slot: int | None = None


class Resize(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="control", tag="resize"):
    """A later text message on a `run` or `exec` WebSocket: the terminal has another size."""

    rows: int
    columns: int


class EndOfInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="control", tag="end-of-input"):
    """A later text message on a `run` or `exec` WebSocket: nothing more will be typed."""


Control = Resize | EndOfInput


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The last message of a `run` or `exec` WebSocket, from the server."""

    exit_code: int
