"""What an issuer must do: get a certificate for one hostname from an authority, answering the authority's challenge on the way.

Promises, tested by `mooring.testing.issuer_contract` on every driver and on the fake:
  - `issue` gives a certificate for that hostname with a key of its own, never used before, that was made here.
  - Whatever was presented is withdrawn when `issue` ends, however it ends: issued, refused or cancelled.
  - What the authority refuses, or answers wrongly, raises NotIssued with the authority's own words; then nothing has changed.
  - Several may be under way at once.
Raises NotIssued, or what presenting a challenge raised; never a foreign error.
"""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec

from mooring.errors import Unavailable
from mooring.model.certificate import Certificate
from mooring.model.names import Hostname


class ChallengeKind(enum.Enum):
    """How an authority wants to see that a hostname is ours. Source: RFC 8555, 8.3 and 8.4."""

    HTTP = "http-01"
    DNS = "dns-01"


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """`place` is where the authority looks: the token of an HTTP path, or the name of a TXT record; `content` what it wants to find."""

    hostname: Hostname
    kind: ChallengeKind
    place: str
    content: str


class Answering(Protocol):
    """Lets an authority find the answers to its challenges."""

    async def present(self, challenge: Challenge) -> None:
        """Returns when the authority would find it. Raises Unavailable, OutcomeUnknown."""

    async def withdraw(self, challenge: Challenge) -> None:
        """It may be gone from now on; whether it was there or not. Raises Unavailable, OutcomeUnknown."""


class NotIssued(Unavailable):
    """`retry_at` in wall seconds: before then the authority does not want to be asked again; 0 when it did not say."""

    def __init__(self, message: str, *, hint: str = "", where: str = "", retry_at: float = 0.0) -> None:
        super().__init__(message, hint=hint, where=where)
        self.retry_at = retry_at


class Issuer(Protocol):
    """One authority with one account."""

    async def issue(self, hostname: Hostname, answering: Answering) -> Certificate: ...


def kind_for(hostname: Hostname) -> ChallengeKind:
    """A wildcard can be proven by DNS alone; all else is proven where visitors go."""
    return ChallengeKind.DNS if hostname.startswith("*.") else ChallengeKind.HTTP
