"""What is asked in a request's body: each is one JSON shape of the API. Must not: be kept."""

from __future__ import annotations

import msgspec

from mooring.model.access import Role


class RollbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="rollback"):
    """`release` None: the one before the present."""

    release: int | None = None


class ScaleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="scale"):
    """How many of each named process type; others stay as they are."""

    counts: dict[str, int]


class RestartRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="restart"):
    """All instances anew."""


class DestroyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="order", tag="destroy"):
    """Only to be planned: destroying is asked with DELETE."""


PlanRequest = RollbackRequest | ScaleRequest | RestartRequest | DestroyRequest


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
