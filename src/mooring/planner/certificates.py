"""Which certificates to order now, which to show, and when to look again. Must not: order, or read a clock.

A certificate is renewed when two thirds of its life are over, so that a month of trouble with the authority is nothing visitors notice.
Times are wall seconds: a certificate's own are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mooring.model.certificate import Attempt, AttemptOutcome, Certificate, CertificateSource, Holding
from mooring.model.edge import HttpsSettings
from mooring.model.names import Hostname

_HOUR = 3600.0
SOON = 7 * 86_400.0  # seconds before its end in which a certificate that nobody renews is worth a word
_LONGEST_WORD = 7 * 86_400.0  # an authority that asks for more patience than a week is asked again after a week


# No authority of the wide web signs for these; source: RFC 6761, RFC 6762 appendix G, RFC 8375, and what routers call their networks.
_PRIVATE = frozenset(
    (
        "alt",
        "arpa",
        "corp",
        "example",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "onion",
        "private",
        "test",
    )
)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How an authority may be asked. Seconds, but for `renew_after`, a share of the lifetime.

    After a failure a hostname waits `first_pause`, doubled with each further one up to `longest_pause`. The defaults stay below
    Let's Encrypt's limits (5 failed validations per hostname and hour, 300 orders in 3 hours). With `practises` a
    certificate for practice is as good as any; without, it is replaced at once: the authority is one that browsers trust.
    """

    renew_after: float = 2 / 3
    first_pause: float = 120.0
    longest_pause: float = 6 * _HOUR
    per_hour: int = 60
    at_once: int = 4
    practises: bool = False


class CertificateOrder(msgspec.Struct, frozen=True):
    hostname: Hostname
    reason: str


class CertificatePlan(msgspec.Struct, frozen=True, kw_only=True):
    """`orders` are to be placed now, `next_orders` says of the other hostnames when; at `look_at` this should be asked again."""

    orders: tuple[CertificateOrder, ...] = ()
    next_orders: dict[Hostname, float] = {}
    look_at: float | None = None


class Held(msgspec.Struct, frozen=True):
    """A certificate that may be shown for a hostname."""

    source: CertificateSource
    certificate: Certificate

    @property
    def holding(self) -> Holding:
        held, is_platforms = self.certificate, self.source is CertificateSource.ACME
        return Holding(
            source=self.source,
            starts_at=held.starts_at,
            expires_at=held.expires_at,
            is_for_practice=is_platforms and held.is_for_practice,
        )


def is_public(hostname: Hostname) -> bool:
    """Whether it can be a name of the wide web: more than one label, and the last one neither private nor a number."""
    *below, last = hostname.removeprefix("*.").split(".")
    return bool(below) and last not in _PRIVATE and not last.isdigit()


def hindrance(hostname: Hostname, settings: HttpsSettings, *, has_hook: bool) -> str:
    """Why the platform orders no certificate for a public hostname; empty when it does."""
    if not settings.acme:
        return "the app's manifest says `acme = false`"
    if hostname.startswith("*.") and not has_hook:
        return "a wildcard is proven by DNS: `mooring up --acme-dns-hook COMMAND`"
    return ""


def best(candidates: Iterable[Held], *, now: float) -> Held | None:
    """The one to show: one that is valid before one that is not, a person's own before the platform's, the longest before others.

    One that has expired is still shown when there is nothing better: a browser's warning names the reason.
    """

    def rank(held: Held) -> tuple[bool, bool, float]:
        is_valid = held.certificate.starts_at <= now < held.certificate.expires_at
        return is_valid, is_valid and held.source is CertificateSource.OWN, held.certificate.expires_at

    return max(candidates, key=rank, default=None)


def plan(
    wanted: Iterable[Hostname],
    holdings: Mapping[Hostname, Holding],
    attempts: Sequence[Attempt],
    now: float,
    *,
    terms: Terms = Terms(),  # noqa: B008 - frozen
    asked: frozenset[Hostname] = frozenset(),
) -> CertificatePlan:
    """What to order for the `wanted` hostnames. `asked` are those that a person wants anew at once: only the authority may delay them."""
    known = _by_hostname(_believed(attempts, now))
    open_names = {name for name, mine in known.items() if any(each.outcome is AttemptOutcome.OPEN for each in mine)}
    cases = [
        _case(name, holdings.get(name), known.get(name, []), now=now, terms=terms, is_asked=name in asked)
        for name in dict.fromkeys(wanted)
        if name not in open_names
    ]
    due = sorted((case for case in cases if case.at <= now), key=lambda case: case.rank)
    room, opens_at = _room(attempts, now, terms=terms, under_way=len(open_names))
    chosen, waiting = due[:room], due[room:]
    later = {case.hostname: case.at for case in cases if case.at > now}
    looks = [*later.values(), *([opens_at] if waiting and opens_at is not None else [])]
    return CertificatePlan(
        orders=tuple(CertificateOrder(case.hostname, case.reason) for case in chosen),
        next_orders=later | {case.hostname: max(opens_at or now, now) for case in waiting},
        look_at=min(looks, default=None),
    )


def failures(attempts: Iterable[Attempt], hostname: Hostname) -> tuple[Attempt, ...]:
    """Those in a row since the last success, newest last."""
    found: list[Attempt] = []
    for each in _in_order(attempts, hostname):
        if each.outcome is AttemptOutcome.ISSUED:
            found.clear()
        elif each.outcome is AttemptOutcome.FAILED:
            found.append(each)
    return tuple(found)


def renewal_at(holding: Holding, terms: Terms) -> float:
    """When the platform begins to look for its successor. A person's own is replaced when it has expired, and not before."""
    if holding.source is CertificateSource.OWN:
        return holding.expires_at
    return holding.starts_at + terms.renew_after * _lifetime(holding)


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """One hostname: when it may and should be ordered. Those that fail most come last, then those that are needed soonest come first."""

    hostname: Hostname
    at: float
    reason: str
    rank: tuple[int, float, str]


def _case(hostname: Hostname, holding: Holding | None, attempts: Sequence[Attempt], *, now: float, terms: Terms, is_asked: bool) -> _Case:
    failed = failures(attempts, hostname)
    lasting = None if holding is None or (holding.is_for_practice and not terms.practises) else holding
    allowed = _retry_at(attempts[-1]) if attempts else 0.0
    due = renewal_at(lasting, terms) if lasting else 0.0
    if is_asked:
        at, reason = allowed, "somebody asked for it"
    else:
        at, reason = (
            max(due, allowed, _rested_at(attempts, failed, lasting, terms=terms)),
            _reason(holding, now, is_lasting=lasting is not None),
        )
    needed_at = holding.expires_at if holding else 0.0
    return _Case(hostname=hostname, at=at, reason=reason, rank=(len(failed), needed_at, hostname))


def _reason(holding: Holding | None, now: float, *, is_lasting: bool) -> str:
    if holding is None:
        return "it has no certificate"
    if holding.expires_at <= now:
        return "its certificate has expired"
    if not is_lasting:
        return "its certificate is one for practice"
    return f"{(holding.expires_at - now) / 86_400:.1f} days of its certificate's life are left"


def _retry_at(last: Attempt) -> float:
    return min(last.retry_at, last.at + _LONGEST_WORD) if last.outcome is AttemptOutcome.FAILED else 0.0


def _rested_at(attempts: Sequence[Attempt], failed: Sequence[Attempt], holding: Holding | None, *, terms: Terms) -> float:
    """After failures ever longer; after a success as long as what was issued lives, whatever a wrong clock says of its times."""
    if failed:
        pause = min(terms.first_pause * 2.0 ** min(len(failed) - 1, 30), terms.longest_pause)
        return failed[-1].at + pause
    if not attempts:
        return 0.0
    is_acme = holding is not None and holding.source is CertificateSource.ACME
    return attempts[-1].at + (terms.renew_after * _lifetime(holding) if is_acme and holding else terms.first_pause)


def _room(attempts: Sequence[Attempt], now: float, *, terms: Terms, under_way: int) -> tuple[int, float | None]:
    """How many orders may be placed now; and when an hour will have passed over enough of the earlier ones, None: when one ends."""
    recent = sorted(each.at for each in attempts if now - _HOUR < each.at <= now + _HOUR)
    left = terms.per_hour - len(recent)
    opens_at = recent[len(recent) - terms.per_hour] + _HOUR if left <= 0 else None
    return max(min(left, terms.at_once - under_way), 0), opens_at


def _believed(attempts: Iterable[Attempt], now: float) -> list[Attempt]:
    """Without those that a clock which was wrong then has put far into the future; one that is open counts in any case."""
    return [
        msgspec.structs.replace(each, at=min(each.at, now))
        for each in attempts
        if each.at <= now + _HOUR or each.outcome is AttemptOutcome.OPEN
    ]


def _by_hostname(attempts: Iterable[Attempt]) -> dict[Hostname, list[Attempt]]:
    found: dict[Hostname, list[Attempt]] = {}
    for each in sorted(attempts, key=lambda attempt: attempt.sequence):
        found.setdefault(each.hostname, []).append(each)
    return found


def _in_order(attempts: Iterable[Attempt], hostname: Hostname) -> list[Attempt]:
    return sorted((each for each in attempts if each.hostname == hostname), key=lambda attempt: attempt.sequence)


def _lifetime(holding: Holding) -> float:
    return max(holding.expires_at - holding.starts_at, 0.0)
