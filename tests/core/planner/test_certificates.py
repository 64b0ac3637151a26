"""The laws of certificates, for any hostnames, any lifetimes and any authority; and the cases a person would think of."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.model.certificate import Attempt, AttemptOutcome, Certificate, CertificateSource, Holding
from mooring.model.names import Hostname
from mooring.model.secret import Secret
from mooring.planner.certificates import CertificatePlan, Held, Terms, best, failures, plan

HOUR, DAY = 3600.0, 86_400.0
NOW = 1_800_000_000.0
SHOP, BLOG = Hostname("shop.example.com"), Hostname("blog.example.com")
TERMS = Terms(per_hour=6, at_once=2)


def acme(*, age: float, life: float = 90 * DAY) -> Holding:
    return Holding(source=CertificateSource.ACME, starts_at=NOW - age, expires_at=NOW - age + life)


def attempt(
    sequence: int, hostname: Hostname = SHOP, *, ago: float, outcome: AttemptOutcome = AttemptOutcome.FAILED, retry_in: float = 0.0
) -> Attempt:
    retry_at = NOW + retry_in if retry_in else 0.0
    return Attempt(sequence=sequence, hostname=hostname, at=NOW - ago, outcome=outcome, retry_at=retry_at)


def ordered(found: CertificatePlan) -> list[Hostname]:
    return [each.hostname for each in found.orders]


# cases


def test_a_hostname_without_a_certificate_is_ordered_at_once() -> None:
    found = plan([SHOP], {}, [], NOW)
    assert [(each.hostname, each.reason) for each in found.orders] == [(SHOP, "it has no certificate")]


def test_a_fresh_certificate_is_left_alone_until_two_thirds_of_its_life_are_over() -> None:
    found = plan([SHOP], {SHOP: acme(age=59 * DAY)}, [], NOW)
    assert ordered(found) == []
    assert found.look_at == found.next_orders[SHOP] == pytest.approx(NOW + DAY)
    assert ordered(plan([SHOP], {SHOP: acme(age=60 * DAY)}, [], NOW)) == [SHOP]


def test_what_was_issued_for_practice_is_replaced_as_soon_as_an_authority_is_asked_that_browsers_trust() -> None:
    practice = msgspec.structs.replace(acme(age=DAY), is_for_practice=True)
    issued = attempt(1, ago=DAY, outcome=AttemptOutcome.ISSUED)
    found = plan([SHOP], {SHOP: practice}, [issued], NOW)
    assert [(each.hostname, each.reason) for each in found.orders] == [(SHOP, "its certificate is one for practice")]
    assert ordered(plan([SHOP], {SHOP: practice}, [issued], NOW, terms=Terms(practises=True))) == []
    refused = plan([SHOP], {SHOP: practice}, [issued, attempt(2, ago=60)], NOW)
    assert (ordered(refused), refused.next_orders[SHOP]) == ([], NOW + 60)


def test_what_is_not_wanted_is_not_renewed() -> None:
    assert plan([], {SHOP: acme(age=80 * DAY)}, [], NOW) == CertificatePlan()


def test_a_persons_own_certificate_is_replaced_only_when_it_has_expired() -> None:
    own = Holding(source=CertificateSource.OWN, starts_at=NOW - 300 * DAY, expires_at=NOW + 1.0)
    assert ordered(plan([SHOP], {SHOP: own}, [], NOW)) == []
    assert ordered(plan([SHOP], {SHOP: own}, [], NOW + 1.0)) == [SHOP]


def test_the_pause_doubles_with_each_failure_in_a_row_and_a_success_ends_it() -> None:
    failed = [attempt(number, ago=0.0) for number in range(1, 4)]
    assert plan([SHOP], {}, failed, NOW).next_orders[SHOP] == NOW + 480.0
    many = [attempt(number, ago=0.0) for number in range(1, 40)]
    assert plan([SHOP], {}, many, NOW).next_orders[SHOP] == NOW + 6 * HOUR
    issued = [attempt(1, ago=200.0), attempt(2, ago=150.0, outcome=AttemptOutcome.ISSUED), attempt(3, ago=0.0)]
    assert plan([SHOP], {}, issued, NOW).next_orders[SHOP] == NOW + 120.0
    assert len(failures(issued, SHOP)) == 1


def test_an_authority_that_asks_for_patience_gets_it_even_if_a_person_has_none() -> None:
    refused = [attempt(1, ago=10_000.0, retry_in=5000.0)]
    for asked in (frozenset[Hostname](), frozenset({SHOP})):
        assert plan([SHOP], {}, refused, NOW, asked=asked).next_orders[SHOP] == NOW + 5000.0
    forever = [attempt(1, ago=0.0, retry_in=1e9)]
    assert plan([SHOP], {}, forever, NOW).next_orders[SHOP] == NOW + 7 * DAY


def test_who_asks_need_not_wait_for_the_end_of_a_pause_or_of_a_life() -> None:
    assert ordered(plan([SHOP], {}, [attempt(1, ago=0.0)], NOW, asked=frozenset({SHOP}))) == [SHOP]
    assert ordered(plan([SHOP], {SHOP: acme(age=0.0)}, [], NOW, asked=frozenset({SHOP}))) == [SHOP]


def test_one_name_that_fails_holds_up_no_other() -> None:
    assert ordered(plan([SHOP, BLOG], {}, [attempt(1, SHOP, ago=0.0)], NOW)) == [BLOG]


def test_renewals_come_before_new_names_that_fail_again_and_again() -> None:
    bad = [Hostname(f"n{number}.example.com") for number in range(5)]
    failed = [attempt(number, name, ago=3 * HOUR) for number, name in enumerate(bad, 1)]
    found = plan([*bad, SHOP], {SHOP: acme(age=61 * DAY)}, failed, NOW, terms=Terms(per_hour=1))
    assert ordered(found) == [SHOP]


def test_a_clock_that_was_a_year_ahead_stops_nothing() -> None:
    assert ordered(plan([SHOP], {}, [attempt(1, ago=-365 * DAY)], NOW)) == [SHOP]


def test_a_clock_that_is_a_year_ahead_does_not_order_again_and_again() -> None:
    """Whatever is issued has expired by that clock."""
    issued = [attempt(1, ago=60.0, outcome=AttemptOutcome.ISSUED)]
    assert ordered(plan([SHOP], {SHOP: acme(age=365 * DAY)}, issued, NOW)) == []


# which one is shown


def held(source: CertificateSource, *, starts: float = -DAY, ends: float) -> Held:
    return Held(source, Certificate(chain=f"{ends}", key=Secret("k"), hostnames=(SHOP,), starts_at=NOW + starts, expires_at=NOW + ends))


def test_a_persons_own_is_shown_before_the_platforms_as_long_as_it_is_valid() -> None:
    own, ours = held(CertificateSource.OWN, ends=DAY), held(CertificateSource.ACME, ends=80 * DAY)
    assert best([ours, own], now=NOW) == own
    assert best([ours, own], now=NOW + DAY) == ours


@given(st.lists(st.tuples(st.sampled_from(CertificateSource), st.integers(-50, 50), st.integers(-50, 50)), max_size=6))
def test_while_any_is_valid_a_valid_one_is_shown_and_nothing_is_shown_only_when_there_is_none(
    kinds: list[tuple[CertificateSource, int, int]],
) -> None:
    candidates = [held(source, starts=starts * DAY, ends=ends * DAY) for source, starts, ends in kinds]
    shown = best(candidates, now=NOW)
    valid = [each for each in candidates if each.certificate.starts_at <= NOW < each.certificate.expires_at]
    assert (shown is None) == (not candidates)
    assert not valid or shown in valid


# laws


class World:
    """Hostnames, an authority with moods, and a keeper that does what the plan says."""

    def __init__(self, names: list[Hostname], life: float) -> None:
        self.names, self.life = names, life
        self.now = NOW
        self.holdings: dict[Hostname, Holding] = {}
        self.attempts: list[Attempt] = []

    def look(self) -> CertificatePlan:
        found = plan(self.names, self.holdings, self.attempts, self.now, terms=TERMS)
        assert plan(self.names, self.holdings, list(reversed(self.attempts)), self.now, terms=TERMS) == found, (
            "the order of rows is nothing"
        )
        for order in found.orders:
            self.check_order(order.hostname)
            self.attempts.append(Attempt(sequence=len(self.attempts) + 1, hostname=order.hostname, at=self.now))
        assert found.look_at is None or found.look_at > self.now, "looking again at once would spin"
        return found

    def check_order(self, name: Hostname) -> None:
        mine = [each for each in self.attempts if each.hostname == name]
        under_way = [each for each in self.attempts if each.outcome is AttemptOutcome.OPEN]
        assert name not in {each.hostname for each in under_way}, "never twice at once"
        assert len(under_way) < TERMS.at_once, "not more at once than agreed"
        assert sum(1 for each in self.attempts if each.at > self.now - HOUR) < TERMS.per_hour, "not more in any hour than agreed"
        if mine and mine[-1].outcome is AttemptOutcome.FAILED:
            row = failures(mine, name)
            assert self.now - row[-1].at >= min(120.0 * 2 ** (len(row) - 1), 6 * HOUR) - 1e-6, "not before its pause is over"
            assert self.now >= row[-1].retry_at, "not before the authority wants to be asked"
        holding = self.holdings.get(name)
        if holding:
            assert self.now - holding.starts_at >= self.life * 2 / 3 - 1e-3, "not while it is fresh"

    def end(self, index: int, *, issued: bool, patience: float = 0.0) -> None:
        under_way = [number for number, each in enumerate(self.attempts) if each.outcome is AttemptOutcome.OPEN]
        if not under_way:
            return
        number = under_way[index % len(under_way)]
        outcome = AttemptOutcome.ISSUED if issued else AttemptOutcome.FAILED
        retry_at = self.now + patience if patience and not issued else 0.0
        self.attempts[number] = msgspec.structs.replace(self.attempts[number], outcome=outcome, retry_at=retry_at)
        if issued:
            name = self.attempts[number].hostname
            self.holdings[name] = Holding(source=CertificateSource.ACME, starts_at=self.now, expires_at=self.now + self.life)


STEPS = st.lists(
    st.tuples(st.sampled_from(["look", "issue", "fail", "refuse", "wait"]), st.integers(0, 5), st.floats(0.0, 2 * DAY)), max_size=80
)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9), st.sampled_from([60.0, DAY, 90 * DAY]), STEPS)
def test_whatever_the_authority_does_the_laws_of_asking_hold(count: int, life: float, steps: list[tuple[str, int, float]]) -> None:
    world = World([Hostname(f"n{number}.example.com") for number in range(count)], life)
    for verb, index, seconds in steps:
        match verb:
            case "look":
                world.look()
            case "issue":
                world.end(index, issued=True)
            case "fail":
                world.end(index, issued=False)
            case "refuse":
                world.end(index, issued=False, patience=seconds)
            case _:
                world.now += seconds


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.sampled_from([6 * DAY, 90 * DAY]), st.lists(st.booleans(), max_size=12))
def test_with_an_authority_that_issues_in_the_end_no_certificate_ever_runs_out(count: int, life: float, moods: list[bool]) -> None:
    """It is looked only when the plan says so: what is due is never overslept."""
    world = World([Hostname(f"n{number}.example.com") for number in range(count)], life)
    first_issued = dict.fromkeys(world.names, float("inf"))
    end = world.now + 3 * life
    mood = iter(moods)
    while world.now < end:
        found = world.look()
        while any(each.outcome is AttemptOutcome.OPEN for each in world.attempts):
            world.end(0, issued=next(mood, True))
        for name in world.holdings:
            first_issued[name] = min(first_issued[name], world.now)
        again = plan(world.names, world.holdings, world.attempts, world.now, terms=TERMS)
        if again.orders:
            continue
        assert again.look_at is not None or found.look_at is not None
        world.now = again.look_at or found.look_at or end
        for name, holding in world.holdings.items():
            assert holding.expires_at > world.now, f"{name} ran out"
    assert all(first < float("inf") for first in first_issued.values())
