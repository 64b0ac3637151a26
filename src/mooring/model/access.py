"""Who asks, what they may reach, and what they did. Must not: hold a token's secret, or decide what a role may do."""

from __future__ import annotations

import enum
import re

import msgspec

from mooring.errors import InvalidName
from mooring.model.environment import EnvironmentId
from mooring.model.names import schema_pattern

_NAME = re.compile(r"\A[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?\Z")
TOKEN_PATTERN = schema_pattern(_NAME)


class Role(enum.Enum):
    """Each reaches what the one before it reaches, and more."""

    VIEWER = "viewer"  # sees everything but secrets
    DEPLOYER = "deployer"  # deploys, rolls back, scales, restarts, sets config
    ADMIN = "admin"  # tokens, keys, destroying, the platform itself

    def reaches(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Actor(msgspec.Struct, frozen=True):
    """Who asks. `name` is what the audit log and a deployment's `requested_by` show."""

    name: str
    role: Role


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret. Times are wall seconds; `expires_at` None: it lasts until it is revoked."""

    id: str
    name: str
    role: Role
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def is_valid(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def actor(self) -> Actor:
        return Actor(name=self.name, role=self.role)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody asked for: `what` is the use case's verb ("deploy", "config set"); `detail` holds no secret."""

    sequence: int
    at: float
    who: str
    what: str
    environment: EnvironmentId | None = None
    detail: dict[str, str] = {}


def token_name(text: str) -> str:
    """1-64 letters, digits, dots, dashes, underscores and @, beginning and ending with a letter or digit; raises InvalidName."""
    if not _NAME.match(text):
        raise InvalidName(f"the token name {text!r} is not allowed", hint="use 1-64 letters, digits and . _ @ -, like ci or anna@laptop")
    return text
