"""What becomes of borrowed hosts: asked for, taken in, given back. Must not: read a clock, or touch a host that a person added.

Times are wall seconds. Of each region and way to run instances no second one is asked for while the one before has nothing on it yet: what
does not fit an empty host fits no other like it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from mooring.model.capacity import CapacityTerms, Loan, Need
from mooring.model.environment import EnvironmentId
from mooring.model.names import HostId
from mooring.model.quantity import format_duration

PATIENCE = 10.0  # seconds for which one waits before a host is asked for: another may have gone to sleep for it by then
TAKEN_IN_WITHIN = 900.0  # seconds from the lender's answer until it must be of use: it boots


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A review app that one more host would help, and since when it waits."""

    environment: EnvironmentId
    need: Need
    since: float


class Borrow(msgspec.Struct, frozen=True, kw_only=True):
    """Put on record that one is needed."""

    need: Need
    reason: str


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Ask whoever lends for it, or once more."""

    loan: Loan


class TakeIn(msgspec.Struct, frozen=True, kw_only=True):
    """Prepare it and use it."""

    loan: Loan


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Put on record since when nothing is on it; 0: something is."""

    loan: Loan
    idle_since: float


class GiveBack(msgspec.Struct, frozen=True, kw_only=True):
    """Put on record that it goes, and why."""

    loan: Loan
    reason: str


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """Empty it and hand it back: what was put on record before."""

    loan: Loan


LoanAct = Borrow | Ask | TakeIn | Note | GiveBack | Return


def plan(
    loans: Sequence[Loan],
    waiting: Sequence[Waiting],
    *,
    used: Collection[HostId],
    present: Collection[HostId],
    terms: CapacityTerms,
    now: float,
) -> tuple[LoanAct, ...]:
    """What is to be done now. `used`: hosts on which something is placed that is awake; `present`: those that were taken in.

    Never are there more loans than `terms.limit`; those that are there already stay, though it was lowered.
    """
    acts = [_next(loan, waiting, is_used=loan.host in used, is_present=loan.host in present, terms=terms, now=now) for loan in loans]
    return (*(act for act in acts if act is not None), *_borrowed(loans, waiting, used=used, terms=terms, now=now))


def _next(loan: Loan, waiting: Sequence[Waiting], *, is_used: bool, is_present: bool, terms: CapacityTerms, now: float) -> LoanAct | None:
    if loan.leaving:
        return Return(loan=loan)
    is_wanted = any(loan.need.is_like(each.need) for each in waiting)
    if is_present:
        return _kept(loan, is_used=is_used or is_wanted, terms=terms, now=now)
    if not is_wanted:
        return GiveBack(loan=loan, reason="nobody waits for room any more")
    if loan.lent is None:
        return Ask(loan=loan)
    if now - loan.since >= TAKEN_IN_WITHIN:
        reason = f"it was of no use after {format_duration(TAKEN_IN_WITHIN)}: {loan.error or 'it could not be taken in'}"
        return GiveBack(loan=loan, reason=reason)
    return TakeIn(loan=loan)


def _kept(loan: Loan, *, is_used: bool, terms: CapacityTerms, now: float) -> LoanAct | None:
    if is_used:
        return Note(loan=loan, idle_since=0.0) if loan.idle_since else None
    if not loan.idle_since:
        return Note(loan=loan, idle_since=now)
    if now - loan.idle_since >= terms.idle:
        return GiveBack(loan=loan, reason=f"nothing has been on it for {format_duration(round(now - loan.idle_since))}")
    return None


def _borrowed(
    loans: Sequence[Loan], waiting: Sequence[Waiting], *, used: Collection[HostId], terms: CapacityTerms, now: float
) -> list[Borrow]:
    """For whoever waits for longest, one for each region and way to run instances."""
    found: list[Borrow] = []
    for each in sorted(waiting, key=lambda one: (one.since, one.environment)):
        is_coming = any(loan.need.is_like(each.need) and loan.host not in used and not loan.leaving for loan in loans)
        is_asked = any(one.need.is_like(each.need) for one in found)
        if now - each.since >= PATIENCE and not is_coming and not is_asked and len(loans) + len(found) < terms.limit:
            found.append(Borrow(need=each.need, reason=f"{each.environment} waits for room"))
    return found
