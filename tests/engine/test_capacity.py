"""Borrowed hosts: asked for while a review app waits, used by it, given back when nothing is on them; one for each need, whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from engine.stories import QUICK, SHOP, deployed, running, until
from engine.test_room import SETTINGS, asked, up, visit, waiting

from mooring.engine.orders import ConfigOrder, DestroyOrder
from mooring.engine.waits import LONGEST_WAIT
from mooring.errors import CapacityExceeded, Refused, Unavailable
from mooring.model.capacity import CapacityTerms, Lent, Loan
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.host import HostAddress
from mooring.model.names import HostId, RegionName
from mooring.model.placement import Region
from mooring.model.release import Release
from mooring.planner.loans import TAKEN_IN_WITHIN
from mooring.testing.hosts import a_host_key
from mooring.testing.laws import Point
from mooring.testing.lending import LendingPlatform
from mooring.testing.platform import Crash, play
from mooring.testing.workshop import Tree, process

EU = Region(name=RegionName("eu"))
TREE = Tree(
    processes=(process("web", memory=3_000_000_000),),
    policy=QUICK,
    review=msgspec.structs.replace(SETTINGS, sleep=0.0),  # of 4 GB: one has room, and it never sleeps
    regions=(EU,),
)
SLEEPING = msgspec.structs.replace(TREE, review=SETTINGS)
IDLE = CapacityTerms().idle


def lending(story: Callable[[LendingPlatform], Awaitable[None]]) -> Callable[[], None]:
    """A story on a platform with one host of 4 GB of its own in the region."""

    def test() -> None:
        play_lent(story)

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


def play_lent(story: Callable[[LendingPlatform], Awaitable[None]], *, terms: CapacityTerms | None = None) -> None:
    platform = LendingPlatform(terms=terms)
    platform.add_host("eu-1", memory=4_000_000_000)

    async def told_whole(_: object) -> None:
        await story(platform)

    play(told_whole, platform=platform)


def news(platform: LendingPlatform) -> list[str]:
    return [str(event.fields["message"]) for event in platform.events() if event.kind is EventKind.PLATFORM]


def loan(platform: LendingPlatform) -> Loan:
    (found,) = platform.memory.loans()
    return found


def own_hosts_alone(platform: LendingPlatform) -> bool:
    return not platform.memory.loans() and [host.name for host in platform.memory.hosts()] == ["eu-1"]


@lending
async def test_one_that_waits_gets_a_host_of_its_own_which_is_given_back_when_it_has_gone(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=TREE)
    lent = loan(platform)
    assert running(platform, second) == [f"v1 web.1 on {lent.host}"]
    assert (lent.reason, lent.need.region, lent.need.memory) == (f"{second} waits for room", "eu", 3_000_000_000)
    assert [host.loan for host in platform.memory.hosts()] == ["", lent.key]
    await platform.rest(2 * IDLE)
    assert len(platform.capacity.machines) == 1, "it is used"
    await platform.run(second, DestroyOrder())
    await platform.rest(IDLE - 30)
    assert len(platform.capacity.machines) == 1, "it may be needed again soon"
    await platform.rest(60)
    assert (platform.capacity.machines, own_hosts_alone(platform)) == ({}, True)
    assert [line for line in news(platform) if lent.host in line] == [
        f"one more host is asked for in region eu, {lent.host}: {second} waits for room",
        f"{lent.host} was lent: root@{lent.key}.example.com",
        f"the borrowed host {lent.host} is used in region eu",
        f"the borrowed host {lent.host} is given back: nothing has been on it for 10m00s",
        f"{lent.host} was given back",
    ]
    assert [each for each, _ in platform.hosts.undone] == [lent.host]


@lending
async def test_who_can_sleep_for_it_sleeps_before_anything_is_borrowed(platform: LendingPlatform) -> None:
    first = await up(platform, "first", tree=SLEEPING)
    await platform.rest(300)
    second = await up(platform, "second", tree=SLEEPING)
    assert (running(platform, first), running(platform, second)) == ([], ["v1 web.1 on eu-1"])
    await platform.rest(60)
    assert platform.capacity.needs == []


@lending
async def test_the_limit_holds_and_the_next_waits_until_there_is_room(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=TREE)
    third, deployment = asked(platform, "third", tree=TREE)
    await platform.rest(120)
    assert (len(platform.capacity.machines), bool(waiting(platform, third))) == (1, True)
    await platform.run(second, DestroyOrder())
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert running(platform, third) == [f"v1 web.1 on {loan(platform).host}"]
    assert len(platform.capacity.needs) == 1, "the host that was there is used again"


def test_as_many_are_borrowed_as_are_needed_below_the_limit() -> None:
    async def life(platform: LendingPlatform) -> None:
        apps = [await up(platform, branch, tree=TREE) for branch in ("first", "second", "third")]
        assert len({host for app in apps for host in running(platform, app)}) == 3
        assert len(platform.capacity.machines) == 2

    play_lent(life, terms=CapacityTerms(limit=3))


@lending
async def test_what_is_no_review_app_is_never_placed_on_a_borrowed_host(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    await up(platform, "second", tree=TREE)
    small = Tree(processes=(process("web", count=3, memory=100_000_000),), policy=QUICK, regions=(EU,))
    await deployed(platform, small)
    assert {each.rpartition(" ")[2] for each in running(platform, SHOP)} == {"eu-1"}


@lending
async def test_what_does_not_fit_its_host_is_placed_on_another_of_its_region_where_it_does(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    platform.add_host("eu-2", memory=3_000_000_000)
    assert running(platform, await up(platform, "second", tree=TREE)) == ["v1 web.1 on eu-2"]
    assert platform.capacity.needs == []


@lending
async def test_a_strangers_waits_for_a_host_that_keeps_it_apart_though_another_has_room(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    bare = platform.add_host("eu-2", memory=8_000_000_000)
    bare.capabilities = msgspec.structs.replace(bare.capabilities, takes_strangers=False)
    await deployed(platform, Tree(processes=(process("web", memory=3_000_000_000),), policy=QUICK, regions=(EU,)))
    theirs = await up(platform, "pull-12:fix", tree=TREE)
    assert running(platform, theirs) == [f"v1 web.1 on {loan(platform).host}"]


@lending
async def test_one_that_sleeps_on_it_keeps_nobody_and_wakes_on_another_host(platform: LendingPlatform) -> None:
    short = msgspec.structs.replace(TREE, review=msgspec.structs.replace(SETTINGS, sleep=120.0))
    first = await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=short)
    await platform.run(first, DestroyOrder())
    await platform.rest(120 + IDLE + 60)
    assert (running(platform, second), own_hosts_alone(platform)) == ([], True)
    assert await visit(platform, second) == 200
    assert running(platform, second) == ["v1 web.1 on eu-1"]


@lending
async def test_one_that_sleeps_and_is_deployed_anew_gets_a_host_while_somebody_waits_for_it(platform: LendingPlatform) -> None:
    """Who looks for room for the visitor does not forget what the deployment needs."""
    own = platform.world.hosts[HostId("eu-1")]
    own.capabilities = msgspec.structs.replace(own.capabilities, processors=2.0)
    busy = msgspec.structs.replace(TREE, processes=(msgspec.structs.replace(process("web", memory=1_000_000_000), cpus=2.0),))
    first = await up(platform, "first", tree=msgspec.structs.replace(busy, review=SETTINGS))
    await platform.rest(300)
    await up(platform, "second", tree=busy)
    assert running(platform, first) == []
    visitor = asyncio.create_task(visit(platform, first))
    await until(platform, lambda: "declared cpus do not fit host eu-1" in waiting(platform, first))
    deployment = platform.submit(first, ConfigOrder(config_version=1, description="again"))
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert (await visitor, running(platform, first)) == (200, [f"v2 web.1 on {loan(platform).host}"])
    assert len(platform.capacity.needs) == 1


@lending
async def test_one_that_is_visited_again_while_it_goes_keeps_it(platform: LendingPlatform) -> None:
    """It is told before anything is undone there."""
    short = msgspec.structs.replace(TREE, review=msgspec.structs.replace(SETTINGS, sleep=120.0))
    await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=short)
    host = loan(platform).host
    platform.on_point = lambda point: _wake(platform, second) if _leaves(platform) and point.name == "memory.save_host" else None
    await until(platform, lambda: f"{host} is kept after all: it is used again" in news(platform), within=120 + IDLE + 120)
    platform.on_point = None
    assert running(platform, second) == [f"v1 web.1 on {host}"]
    assert [each.is_draining for each in platform.memory.hosts()] == [False, False]
    await platform.rest(2 * IDLE)


def _leaves(platform: LendingPlatform) -> bool:
    return any(each.leaving for each in platform.memory.loans())


def _wake(platform: LendingPlatform, environment: EnvironmentId) -> None:
    record = platform.memory.environment(environment)
    assert record is not None
    if record.is_asleep:
        platform.controller.reviews.wake(environment)


@lending
async def test_a_lender_that_does_not_answer_is_asked_again_and_told_of_once(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    platform.capacity.is_down = True
    second, deployment = asked(platform, "second", tree=TREE)
    await platform.rest(300)
    assert loan(platform).error == "whoever lends hosts does not answer"
    complaint = f"the borrowed host {loan(platform).host}: whoever lends hosts does not answer"
    assert news(platform).count(complaint) == 1
    assert waiting(platform, second)
    platform.capacity.is_down = False
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert loan(platform).error == ""


@lending
async def test_a_machine_that_shows_another_key_than_was_said_is_never_used_and_goes_back(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    second, deployment = asked(platform, "second", tree=TREE)
    platform.hosts.keys["root@c0ffee-00000001.example.com"] = a_host_key("somebody else")
    await until(platform, lambda: any(each.error for each in platform.memory.loans()), within=120)
    assert "another host key than the pinned one is shown" in loan(platform).error
    await until(platform, lambda: "c0ffee-00000001" not in platform.capacity.machines, within=TAKEN_IN_WITHIN + 60)
    assert platform.hosts.done == [], "nothing was done on it"
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED, "the next one is who it is said to be"
    assert running(platform, second) == ["v1 web.1 on lent-00000002"]


@lending
async def test_one_that_was_to_run_on_a_host_that_is_drained_says_for_what_it_waited_at_its_end_too(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    second, deployment = asked(platform, "second", tree=TREE)

    def drain(_: Point) -> None:
        lent = [host for host in platform.memory.hosts() if host.loan]
        if lent and not waiting(platform, second):
            platform.on_point = None
            platform.memory.save_host(msgspec.structs.replace(lent[0], is_draining=True))

    platform.on_point = drain
    await until(platform, lambda: waiting(platform, second) == "nothing new is placed on lent-00000001")
    ended = await platform.end(deployment, within=LONGEST_WAIT + 60)
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, CapacityExceeded.code)
    assert "there was no room for 30 minutes: nothing new is placed on lent-00000001" in ended.error


@lending
async def test_nobody_waits_any_more_and_what_was_asked_for_goes_back(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    platform.capacity.is_down = True
    _, deployment = asked(platform, "second", tree=TREE)
    await until(platform, lambda: bool(platform.memory.loans()), within=60)
    platform.abort(deployment)
    platform.capacity.is_down = False
    await until(platform, lambda: own_hosts_alone(platform), within=120)
    assert platform.capacity.machines == {}


@lending
async def test_a_host_that_is_gone_when_it_is_to_go_is_let_go_as_it_is(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=TREE)
    await platform.run(second, DestroyOrder())
    host = loan(platform).host
    platform.world.hosts[host].faults.is_down = True
    await platform.rest(IDLE + 300)
    assert loan(platform).leaving
    assert "answer" in loan(platform).error
    await platform.rest(600)
    assert own_hosts_alone(platform) and platform.capacity.machines == {}


@lending
async def test_while_nothing_is_lent_no_look_reads_what_is_placed_where(platform: LendingPlatform) -> None:
    await up(platform, "first", tree=TREE)
    reads: list[EnvironmentId] = []
    read, keeper = platform.memory.release, platform.keeper
    assert keeper is not None

    def counted(environment: EnvironmentId, number: int) -> Release | None:
        reads.append(environment)
        return read(environment, number)

    def reads_of_a_look() -> int:
        reads.clear()
        keeper.turn(platform.capacity)  # nobody else does anything meanwhile
        return len(reads)

    platform.memory.release = counted  # type: ignore[method-assign]
    assert reads_of_a_look() == 0
    await up(platform, "second", tree=TREE)
    assert reads_of_a_look() >= 2


@lending
async def test_a_host_that_a_person_takes_away_is_left_alone_until_they_have_done_and_they_do_not_begin_while_it_goes(
    platform: LendingPlatform,
) -> None:
    await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=TREE)
    host, keeper = next(host for host in platform.memory.hosts() if host.loan), platform.keeper
    assert keeper is not None
    with keeper.left_alone(host):
        await platform.run(second, DestroyOrder())
        await platform.rest(2 * IDLE)
        assert (platform.hosts.undone, loan(platform).leaving) == ([], ""), "it does not leave of itself"
        keeper.give_back(host, "a person took it away")
        await platform.rest(60)
        assert (platform.hosts.undone, len(platform.capacity.machines)) == ([], 1), "one that leaves is not undone by two"
    refusals: list[str] = []

    def ask(point: Point) -> None:
        if point.name in ("host.undo", "capacity.remove"):
            with pytest.raises(Refused, match=f"{host.name} is being taken away already"), keeper.left_alone(host):
                pass
            refusals.append(point.name)

    platform.on_point = ask
    await until(platform, lambda: own_hosts_alone(platform), within=60)
    assert set(refusals) == {"host.undo", "capacity.remove"}


@lending
async def test_what_was_lent_and_is_not_known_here_is_named_and_left_alone(platform: LendingPlatform) -> None:
    address = HostAddress("root", "203.0.113.7")
    for key in ("c0ffee-11111111", "another-11111111"):
        platform.capacity.machines[key] = Lent(key=key, address=address, host_key="")
    await platform.rest(1300)
    orphaned = [line for line in news(platform) if "203.0.113.7" in line]
    assert orphaned == ["nobody needs the borrowed host root@203.0.113.7 (key c0ffee-11111111), and it is not known here"]
    assert platform.keeper is not None and [each.key for each in platform.keeper.orphans] == ["c0ffee-11111111"]
    assert len(platform.capacity.machines) == 2


@lending
async def test_what_goes_back_while_whoever_lends_counts_what_was_lent_is_not_called_unknown(platform: LendingPlatform) -> None:
    count = platform.capacity.lent

    async def slowly() -> tuple[Lent, ...]:
        found = await count()
        await platform.clock.sleep(500)
        return found

    platform.capacity.lent = slowly  # type: ignore[method-assign]  # an operator's program that takes its time
    await up(platform, "first", tree=TREE)
    second = await up(platform, "second", tree=TREE)
    host = loan(platform).host
    await platform.run(second, DestroyOrder())
    await platform.rest(2 * IDLE)
    assert f"{host} was given back" in news(platform)
    assert [line for line in news(platform) if "not known" in line] == []


@lending
async def test_it_is_told_that_what_was_lent_cannot_be_compared_with_records_that_cannot_be_read(platform: LendingPlatform) -> None:
    count, read = platform.capacity.lent, platform.memory.loans

    def unreadable() -> tuple[Loan, ...]:
        platform.memory.loans = read  # type: ignore[method-assign]  # once
        raise Unavailable("the records cannot be read")

    async def counted() -> tuple[Lent, ...]:
        platform.memory.loans = unreadable  # type: ignore[method-assign]  # from now on, not before
        return await count()

    platform.capacity.lent = counted  # type: ignore[method-assign]
    await until(platform, lambda: "it is not known which hosts are borrowed: the records cannot be read" in news(platform), within=700)


async def lived(platform: LendingPlatform) -> None:
    """From the wait of the second to the end of its host; whoever dies is followed by the next."""
    second, deployment = asked(platform, "second", tree=TREE)
    ended = await platform.end(deployment)
    assert ended.outcome is Outcome.SUCCEEDED, ended.error
    lent_hosts = {HostId(each.rpartition(" ")[2]) for each in running(platform, second)}
    assert lent_hosts == {loan(platform).host}
    await platform.rest(5)
    await platform.run(second, DestroyOrder())
    for _ in range(200):
        if own_hosts_alone(platform) and not platform.is_crashed:
            break
        await platform.rest(10)
    assert own_hosts_alone(platform)
    assert platform.capacity.machines == {}
    assert len(platform.capacity.needs) == 1, "no second machine for one need"
    assert all(facts.owner == "" for facts in platform.hosts.facts.values())


def is_of_the_loan(point: Point) -> bool:
    return point.name.startswith(("capacity.", "host.")) or point.name in (
        "memory.save_loan",
        "memory.forget_loan",
        "memory.save_host",
        "memory.forget_host",
    )


def points() -> list[Point]:
    found: list[Point] = []

    async def life(platform: LendingPlatform) -> None:
        await up(platform, "first", tree=TREE)
        platform.on_point = lambda point: found.append(point) if is_of_the_loan(point) else None
        await lived(platform)

    play_lent(life)
    return found


POINTS = points()


@pytest.mark.parametrize("fatal", range(len(POINTS)), ids=[f"{number}-{point}" for number, point in enumerate(POINTS)])
def test_whenever_the_controller_dies_over_a_loan_there_is_one_machine_and_in_the_end_none(fatal: int) -> None:
    async def life(platform: LendingPlatform) -> None:
        await up(platform, "first", tree=TREE)
        count = -1

        def dies(point: Point) -> None:
            nonlocal count
            count += is_of_the_loan(point)
            if count == fatal and is_of_the_loan(point):
                count += 1
                platform.crash()
                raise Crash

        platform.on_point = dies
        await lived(platform)
        assert count > fatal

    play_lent(life)
