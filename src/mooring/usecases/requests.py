"""What is asked in a request's body: each is one JSON shape of the API. Must not: be kept."""

from __future__ import annotations

import msgspec

from mooring.model.access import Role


class RollbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`release` null: the one before the present."""

    release: int | None = None


class ScaleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of each named process type; others stay as they are."""

    counts: dict[str, int]


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

    set: dict[str, str] = {}
    unset: tuple[str, ...] = ()


class MaintenanceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    on: bool


class LockRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: str = ""


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expires_in` seconds from now; None: it lasts until it is revoked."""

    name: str
    role: Role
    expires_in: float | None = None


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message on the `run` WebSocket. `command` is argv, as typed after `--`."""

    command: tuple[str, ...]
    terminal: bool = False
    rows: int = 24
    columns: int = 80


class Resize(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="control", tag="resize"):
    """A later text message on the `run` WebSocket: the terminal has another size."""

    rows: int
    columns: int


class EndOfInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="control", tag="end-of-input"):
    """A later text message on the `run` WebSocket: nothing more will be typed."""


Control = Resize | EndOfInput


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The last message of the `run` WebSocket, from the server."""

    exit_code: int
