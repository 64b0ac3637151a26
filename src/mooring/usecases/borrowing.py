"""How borrowed hosts stand, in words: for who waits for one, and for who pays for them. Must not: ask whoever lends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from mooring.model.capacity import CapacityTerms, Lent, Loan, Need
from mooring.model.host import Weight
from mooring.model.review import ReviewMark
from mooring.model.trouble import Trouble
from mooring.usecases.platform import Platform


def waiting_words(platform: Platform, mark: ReviewMark) -> str:
    """Why it has no room yet, its place among those that wait, and what is done about it; empty where it does not wait."""
    keeper, memory = platform.capacity, platform.memory
    if not mark.waiting:
        return ""
    marks = [record.review for record in memory.environments() if record.review is not None]
    said = [mark.waiting, place_in_line(mark, marks)]
    if mark.need is not None and keeper.is_there and not mark.leaving:
        joined = {host.loan for host in memory.hosts()}
        said.append(_prospect(mark.need, memory.loans(), joined, keeper.terms))
    return "; ".join(each for each in said if each)


def place_in_line(mark: ReviewMark, every: Iterable[ReviewMark]) -> str:
    """`it is number 2 of the 3 that wait`, by when each asked; empty where no other of them waits, and for one that is to go."""
    since = [each.waiting_since for each in every if each.waiting and not each.leaving]
    place = 1 + sum(each < mark.waiting_since for each in since)
    return f"it is number {place} of the {len(since)} that wait" if len(since) > 1 and not mark.leaving else ""


def stands(loan: Loan) -> str:
    """How far a loan is, and why there is one."""
    if loan.leaving:
        return f"{loan.host} is given back: {loan.leaving}"
    if loan.lent is None:
        return f"{loan.host} is asked for: {loan.reason}"
    if loan.idle_since:
        return f"{loan.host} ({loan.lent.address}) has nothing on it; it was borrowed since {loan.reason}"
    return f"{loan.host} ({loan.lent.address}) is borrowed: {loan.reason}"


def of_loans(loans: Iterable[Loan], orphans: Iterable[Lent], *, is_lender_there: bool) -> list[Trouble]:
    """Those that do not come further, that nobody can take back, and what is known to the lender alone."""
    found = []
    for each in loans:
        if each.error:
            hint = "it is tried again by itself; `mooring events` says what went before"
            found.append(Trouble(subject=f"borrowed host {each.host}", weight=Weight.WARNING, said=each.error, hint=hint, since=each.since))
        elif not is_lender_there:
            said, hint = "nobody can be told that it is given back", "`mooring up --capacity COMMAND` names the program that lent it"
            found.append(Trouble(subject=f"borrowed host {each.host}", weight=Weight.WARNING, said=said, hint=hint))
    for orphan in orphans:
        said = f"{orphan.address} was made for the key {orphan.key}, and is not known here"
        hint = "look whether a platform on an older copy of this state uses it; else do away with it where it was made"
        found.append(Trouble(subject="a borrowed host", weight=Weight.WARNING, said=said, hint=hint))
    return found


def _prospect(need: Need, loans: Sequence[Loan], joined: Collection[str], terms: CapacityTerms) -> str:
    coming = [each for each in loans if each.need.is_like(need) and not each.leaving and each.key not in joined]
    if coming:
        return stands(coming[0])
    return f"{len(loans)} of {terms.limit} hosts are borrowed already" if len(loans) >= terms.limit else "one more host is asked for soon"
