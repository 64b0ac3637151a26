"""Borrowed hosts through the API and by the settings: marked, kept when they are changed, handed back when a person removes them."""

from __future__ import annotations

import msgspec
import pytest
from server.serving import Served

from mooring.errors import InvalidInput, Refused, Unavailable
from mooring.model.capacity import Lent, Loan, Need, borrowed
from mooring.model.environment import EnvironmentId
from mooring.model.host import HostAddress, HostRuntime, Weight
from mooring.model.names import RegionName
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark
from mooring.server.lending import capacity_for, capacity_terms, check_capacity
from mooring.server.operator_programs import words
from mooring.server.settings import Settings
from mooring.testing.clock import VirtualClock
from mooring.testing.hosts import GOOD, FakeHosts, a_host_key
from mooring.usecases.borrowing import of_loans, place_in_line, stands, waiting_words
from mooring.usecases.requests import HostRequest

ADDRESS = "root@203.0.113.7"
KEY = "c0ffee-00000001"
NEED = Need(region=RegionName("eu"), memory=1_000, runtime=HostRuntime.SYSTEMD)
LENT = Lent(key=KEY, address=HostAddress.parse(ADDRESS), host_key=a_host_key(ADDRESS))
LOAN = Loan(key=KEY, need=NEED, reason="shop/a waits for room", since=1.0, lent=LENT)
PROGRAM = ("/bin/true",)


@pytest.fixture
def borrowing(served: Served) -> Served:
    """With one borrowed host that was taken in, and no other."""
    memory = served.world.memory
    for host in memory.hosts():
        served.client.remove_host(host.name, is_lost=True)
    served.world.hosts.facts[ADDRESS] = GOOD
    memory.save_loan(LOAN)
    request = HostRequest(address=ADDRESS, name=LOAN.host, host_key=LENT.host_key, region="eu", runtime=HostRuntime.SYSTEMD)
    served.client.add_host(request)
    (host,) = memory.hosts()
    memory.save_host(msgspec.structs.replace(host, loan=KEY))
    return served


def test_adding_a_borrowed_host_again_leaves_it_borrowed(borrowing: Served) -> None:
    request = HostRequest(address=ADDRESS, name=LOAN.host, host_key=LENT.host_key, region="eu", runtime=HostRuntime.SYSTEMD, memory=5_000)
    borrowing.client.add_host(request)
    (status,) = borrowing.client.hosts()
    assert (status.host.loan, status.host.memory) == (KEY, 5_000)
    borrowing.client.remove_host(LOAN.host)


def test_removing_a_borrowed_host_hands_it_back(borrowing: Served) -> None:
    borrowing.client.remove_host(LOAN.host)
    (loan,) = borrowing.world.memory.loans()
    assert loan.leaving.endswith("took it away")
    assert stands(loan) == f"lent-00000001 is given back: {loan.leaving}"
    borrowing.world.memory.forget_loan(KEY)


def test_a_borrowed_host_that_a_person_removes_is_theirs_alone_until_it_is_undone_and_nothing_is_placed_there(borrowing: Served) -> None:
    memory, hosts, keeper = borrowing.world.memory, borrowing.world.hosts, borrowing.services.platform.capacity
    seen: list[tuple[str, list[bool]]] = []

    def pass_by(moment: str, name: str, host: str) -> None:
        if (moment, name) == ("before", "undo"):
            seen.append((memory.loans()[0].leaving, [each.is_draining for each in memory.hosts()]))
            with pytest.raises(Refused, match=f"{LOAN.host} is being taken away already"), keeper.left_alone(borrowed(LOAN, LENT)):
                pass
            raise Unavailable("its line is cut")

    hosts.passed = pass_by
    with pytest.raises(Unavailable, match="its line is cut"):
        borrowing.client.remove_host(LOAN.host)
    hosts.passed = lambda moment, name, host: None
    assert seen == [("", [True])]
    assert (memory.loans()[0].leaving, [each.name for each in memory.hosts()]) == ("", [LOAN.host]), "they may ask again"
    borrowing.client.remove_host(LOAN.host)
    assert (memory.loans()[0].leaving.endswith("took it away"), memory.hosts()) == (True, ())
    memory.forget_loan(KEY)


def test_who_waits_is_told_its_place_among_all_that_wait(served: Served) -> None:
    bare = ReviewMark(branch="b", used_at=0, expires_at=0)
    first, second, third = (msgspec.structs.replace(bare, waiting="no room", waiting_since=float(at)) for at in (10, 20, 30))
    every = [third, bare, first, second]
    assert [place_in_line(each, every) for each in (first, third)] == [
        "it is number 1 of the 3 that wait",
        "it is number 3 of the 3 that wait",
    ]
    assert place_in_line(first, [first, bare]) == ""
    leaving = msgspec.structs.replace(second, leaving="its branch is gone")
    assert (place_in_line(leaving, [first, leaving, third]), place_in_line(third, [first, leaving, third])) == (
        "",
        "it is number 2 of the 2 that wait",
    )
    memory, environments = served.world.memory, [EnvironmentId.parse("shop/one"), EnvironmentId.parse("shop/two")]
    for mark, environment in zip((first, second), environments, strict=True):
        memory.save_environment(EnvironmentRecord(environment=environment, created_at=0, review=mark))
    said = waiting_words(served.services.platform, second)
    for environment in environments:
        memory.forget_environment(environment)
    assert said == "no room; it is number 2 of the 2 that wait"


def test_status_says_how_each_loan_stands(borrowing: Served) -> None:
    status = borrowing.client.status()
    assert status.borrowed == (f"lent-00000001 ({ADDRESS}) is borrowed: shop/a waits for room",)
    borrowing.client.remove_host(LOAN.host, is_lost=True)
    borrowing.world.memory.forget_loan(KEY)


def test_who_waits_is_told_what_is_coming_and_what_the_limit_is(served: Served) -> None:
    memory, platform = served.world.memory, served.services.platform
    mark = ReviewMark(branch="b", used_at=0, expires_at=0, waiting="no room", need=NEED)
    said = [waiting_words(platform, msgspec.structs.replace(mark, waiting="", need=None)), waiting_words(platform, mark)]
    memory.save_loan(msgspec.structs.replace(LOAN, lent=None))
    said.append(waiting_words(platform, mark))
    said.append(waiting_words(platform, msgspec.structs.replace(mark, need=msgspec.structs.replace(NEED, region=RegionName("us")))))
    said.append(waiting_words(platform, msgspec.structs.replace(mark, need=msgspec.structs.replace(NEED, runtime=HostRuntime.DOCKER))))
    memory.save_host(borrowed(LOAN, LENT))
    said += [waiting_words(platform, mark), waiting_words(platform, msgspec.structs.replace(mark, need=None))]
    said.append(waiting_words(platform, msgspec.structs.replace(mark, leaving="its branch is gone")))
    memory.forget_loan(KEY)
    memory.forget_host(LOAN.host)
    assert said == [
        "",
        "no room; one more host is asked for soon",
        "no room; lent-00000001 is asked for: shop/a waits for room",
        "no room; 1 of 1 hosts are borrowed already",
        "no room; 1 of 1 hosts are borrowed already",
        "no room; 1 of 1 hosts are borrowed already",
        "no room",
        "no room",
    ]


def test_a_loan_in_trouble_one_that_nobody_takes_back_and_one_that_is_not_known_are_named() -> None:
    wrong = msgspec.structs.replace(LOAN, error="no route to it")
    found = of_loans([wrong, LOAN], [LENT], is_lender_there=False)
    assert [(each.subject, each.weight) for each in found] == [
        ("borrowed host lent-00000001", Weight.WARNING),
        ("borrowed host lent-00000001", Weight.WARNING),
        ("a borrowed host", Weight.WARNING),
    ]
    assert found[0].said == "no route to it"
    assert "`mooring up --capacity COMMAND`" in found[1].hint
    assert found[2].said == f"{ADDRESS} was made for the key {KEY}, and is not known here"
    assert of_loans([LOAN], [], is_lender_there=True) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"capacity": ("lend",)}, "--capacity lend is no program that can be run"),
        ({"capacity": ("/nonexistent/lend", "x")}, "--capacity /nonexistent/lend is no program"),
        ({"capacity": PROGRAM, "capacity_limit": 0}, "--capacity-limit 0 is no number of hosts"),
        ({"capacity": PROGRAM, "capacity_idle": 3.0}, "--capacity-idle is 3 seconds"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_capacity(msgspec.structs.replace(Settings(), **changes))


def test_words_are_parted_as_a_shell_would_and_never_guessed() -> None:
    assert words("--capacity", "/bin/lend '/a b' $(id)") == ("/bin/lend", "/a b", "$(id)")
    with pytest.raises(InvalidInput, match='--capacity "\'open" cannot be read'):
        words("--capacity", "'open")


async def test_nobody_lends_unless_the_settings_say_who() -> None:
    hosts = FakeHosts(VirtualClock())
    assert capacity_for(Settings(), hosts, str) is None
    settings = Settings(capacity=PROGRAM, capacity_limit=3, capacity_idle=90.0)
    check_capacity(settings)
    assert (capacity_terms(settings).limit, capacity_terms(settings).idle) == (3, 90.0)
    lender = capacity_for(settings, hosts, str)
    assert lender is not None
    assert await lender.lent() == ()
