"""Borrowed hosts: never more than the limit, one a need, given back only with nothing on them and nobody waiting."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.capacity import CapacityTerms, Lent, Loan, Need
from mooring.model.environment import EnvironmentId
from mooring.model.host import HostAddress, HostRuntime
from mooring.model.names import HostId, RegionName
from mooring.planner.loans import PATIENCE, TAKEN_IN_WITHIN, Ask, Borrow, GiveBack, LoanAct, Note, Return, TakeIn, Waiting, plan

NOW = 100_000.0
EU, US = (Need(region=RegionName(name), memory=1_000, runtime=HostRuntime.SYSTEMD) for name in ("eu", "us"))
TERMS = CapacityTerms(limit=2, idle=600.0)
_ADDRESS = HostAddress("root", "203.0.113.7")


def a_loan(number: int = 1, *, need: Need = EU, is_lent: bool = True, **changes: object) -> Loan:
    key = f"c0ffee-{number:08}"
    lent = Lent(key=key, address=_ADDRESS, host_key="ssh-ed25519 AAAA") if is_lent else None
    return msgspec.structs.replace(Loan(key=key, need=need, reason="one waits", since=NOW - 5, lent=lent), **changes)


def waits(branch: str = "b", *, need: Need = EU, for_: float = PATIENCE) -> Waiting:
    return Waiting(environment=EnvironmentId.parse(f"shop/{branch}"), need=need, since=NOW - for_)


def acts(
    *loans: Loan, waiting: tuple[Waiting, ...] = (), used: tuple[Loan, ...] = (), present: tuple[Loan, ...] = ()
) -> tuple[LoanAct, ...]:
    names = [frozenset(each.host for each in group) for group in (used, present)]
    return plan(loans, waiting, used=names[0], present=names[1], terms=TERMS, now=NOW)


def test_one_is_borrowed_for_who_has_waited_for_a_while() -> None:
    assert acts(waiting=(waits(for_=PATIENCE - 1),)) == ()
    assert acts(waiting=(waits(),)) == (Borrow(need=EU, reason="shop/b waits for room"),)


def test_several_of_one_region_wait_for_one_host_and_those_of_another_for_another() -> None:
    waiting = (waits("a"), waits("b", for_=50), waits("c", need=US))
    assert acts(waiting=waiting) == (
        Borrow(need=EU, reason="shop/b waits for room"),
        Borrow(need=US, reason="shop/c waits for room"),
    )


def test_the_next_is_borrowed_when_the_one_before_is_in_use_and_not_above_the_limit() -> None:
    first, second = a_loan(1), a_loan(2)
    assert acts(first, waiting=(waits(),), present=(first,)) == (), "it is empty, and still there is no room"
    assert acts(first, waiting=(waits(),), present=(first,), used=(first,)) == (Borrow(need=EU, reason="shop/b waits for room"),)
    assert acts(first, second, waiting=(waits(),), present=(first, second), used=(first, second)) == ()


def test_a_loan_is_asked_for_then_taken_in_while_somebody_waits() -> None:
    asked, lent = a_loan(is_lent=False), a_loan()
    assert acts(asked, waiting=(waits(),)) == (Ask(loan=asked),)
    assert acts(lent, waiting=(waits(),)) == (TakeIn(loan=lent),)


@pytest.mark.parametrize("loan", [a_loan(is_lent=False), a_loan()], ids=["asked", "lent"])
def test_it_goes_back_unused_when_nobody_waits_any_more(loan: Loan) -> None:
    assert acts(loan) == (GiveBack(loan=loan, reason="nobody waits for room any more"),)
    assert acts(loan, waiting=(waits(need=US, for_=0),)) == (GiveBack(loan=loan, reason="nobody waits for room any more"),)


def test_one_that_cannot_be_taken_in_goes_back_with_what_was_wrong() -> None:
    loan = a_loan(since=NOW - TAKEN_IN_WITHIN, error="no route to it")
    (act,) = acts(loan, waiting=(waits(),))
    assert act == GiveBack(loan=loan, reason="it was of no use after 15m00s: no route to it")


def test_it_stays_while_it_is_used_or_somebody_waits_and_then_for_the_idle_time() -> None:
    idle = a_loan(idle_since=NOW - 100)
    assert acts(idle, present=(idle,), used=(idle,)) == (Note(loan=idle, idle_since=0.0),)
    assert acts(idle, present=(idle,), waiting=(waits(),)) == (Note(loan=idle, idle_since=0.0),)
    assert acts(idle, present=(idle,)) == ()
    fresh = a_loan()
    assert acts(fresh, present=(fresh,)) == (Note(loan=fresh, idle_since=NOW),)
    old = a_loan(idle_since=NOW - TERMS.idle)
    assert acts(old, present=(old,)) == (GiveBack(loan=old, reason="nothing has been on it for 10m00s"),)


LOANS = st.builds(
    lambda number, need, is_lent, idle, leaving, age: a_loan(
        number, need=need, is_lent=is_lent, idle_since=NOW - idle if idle else 0.0, leaving=leaving, since=NOW - age
    ),
    st.integers(1, 99),
    st.sampled_from((EU, US)),
    st.booleans(),
    st.sampled_from((0.0, 1.0, TERMS.idle, 5_000.0)),
    st.sampled_from(("", "it was asked for")),
    st.sampled_from((0.0, TAKEN_IN_WITHIN)),
)
NEEDS = st.builds(
    lambda branch, need, age: waits(f"b{branch}", need=need, for_=age), st.integers(0, 9), st.sampled_from((EU, US)), st.floats(0, 99)
)


@given(
    st.lists(LOANS, max_size=5, unique_by=lambda loan: loan.key),
    st.lists(NEEDS, max_size=5),
    st.sets(st.integers(1, 99)),
    st.sets(st.integers(1, 99)),
    st.integers(1, 4),
)
def test_laws_of_borrowing(loans: list[Loan], waiting: list[Waiting], used: set[int], present: set[int], limit: int) -> None:
    names, taken_in = (frozenset(HostId(f"lent-{number:08}") for number in numbers) for numbers in (used, present))
    terms = msgspec.structs.replace(TERMS, limit=limit)
    found = plan(loans, waiting, used=names, present=taken_in, terms=terms, now=NOW)
    borrowed = [act for act in found if isinstance(act, Borrow)]
    assert not borrowed or len(loans) + len(borrowed) <= limit
    assert len({act.need.region for act in borrowed}) == len(borrowed)
    wanted = {each.need.region for each in waiting}
    for act in found:
        if isinstance(act, GiveBack):
            is_there = act.loan.host in taken_in
            assert not (is_there and act.loan.host in names), "something is on it"
            assert act.loan.need.region not in wanted or (not is_there and NOW - act.loan.since >= TAKEN_IN_WITHIN)
        if isinstance(act, Borrow):
            empty = [each for each in loans if each.need == act.need and each.host not in names and not each.leaving]
            assert act.need.region in wanted and not empty
    touched = [act.loan.key for act in found if not isinstance(act, Borrow)]
    assert len(touched) == len(set(touched)), "one thing at a time with each"
    assert {act.loan.key for act in found if isinstance(act, Return)} == {loan.key for loan in loans if loan.leaving}
