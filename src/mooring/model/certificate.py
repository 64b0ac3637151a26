"""What proves to visitors that a hostname is ours, and the attempts to get it. Must not: hold a file, or speak to an authority."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.names import Hostname
from mooring.model.secret import Secret


class Certificate:
    """A chain (leaf first, without its root) and the key of its leaf, both PEM. Times are wall seconds.

    Not a Struct: its key must not be encoded by accident.
    """

    __slots__ = ("chain", "expires_at", "hostnames", "issuer", "key", "starts_at")

    def __init__(
        self, *, chain: str, key: Secret, hostnames: tuple[str, ...], issuer: str = "", starts_at: float = 0.0, expires_at: float
    ) -> None:
        self.chain = chain
        self.key = key
        self.hostnames = hostnames
        self.issuer = issuer
        self.starts_at = starts_at
        self.expires_at = expires_at

    def __repr__(self) -> str:
        return f"<certificate for {', '.join(self.hostnames)} by {self.issuer or 'nobody known'}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and (self.chain, self.key) == (other.chain, other.key)

    def __hash__(self) -> int:
        return hash(self.chain)

    @property
    def is_for_practice(self) -> bool:
        """Whether it was issued to try things out, and no browser trusts it. Source: https://letsencrypt.org/docs/staging-environment/"""
        return self.issuer.startswith("(STAGING) ")

    def covers(self, hostname: str) -> bool:
        """Whether a client that asks for `hostname` accepts it; a wildcard stands for one label. Source: RFC 6125, 6.4.3."""
        _, _, parent = hostname.partition(".")
        return hostname in self.hostnames or (not hostname.startswith("*.") and bool(parent) and f"*.{parent}" in self.hostnames)


class CertificateSource(enum.Enum):
    """Who keeps a certificate fresh."""

    ACME = "acme"  # the platform, from an authority
    OWN = "own"  # the person who added it


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that is there, as far as planning needs to know it. Times are wall seconds."""

    source: CertificateSource
    starts_at: float
    expires_at: float
    is_for_practice: bool = False


class AttemptOutcome(enum.Enum):
    OPEN = "open"  # under way, or its controller died over it
    ISSUED = "issued"
    FAILED = "failed"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One order placed with an authority, in wall seconds; `retry_at` is when the authority allows the next one, 0 when it did not say."""

    sequence: int = 0
    hostname: Hostname
    at: float
    outcome: AttemptOutcome = AttemptOutcome.OPEN
    detail: str = ""
    retry_at: float = 0.0


class CertificateView(msgspec.Struct, frozen=True, kw_only=True):
    """How a hostname stands. Times are wall seconds, 0 where there is none.

    `source` is `acme` or `own`, empty without a certificate; `hindrance` says why the platform orders none; `failures` counts those in a
    row since the last success: the first was at `failing_since`, `last_error` is of the last. `environment` None: an own certificate that
    no app uses.
    """

    hostname: Hostname
    environment: EnvironmentId | None = None
    source: str = ""
    issuer: str = ""
    expires_at: float = 0.0
    is_under_way: bool = False
    next_order_at: float = 0.0
    hindrance: str = ""
    failures: int = 0
    last_error: str = ""
    failing_since: float = 0.0
