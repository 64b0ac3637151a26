"""Many hosts as one runtime: it keeps the contract of each, and one that hangs or is off keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from mooring.drivers.runtime.contract import Inspection, LogQuery
from mooring.engine.fleet import LOOK, Fleet
from mooring.engine.member import SILENT
from mooring.errors import CapacityExceeded, NeedsPerson, OutcomeUnknown, Unavailable
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, ProcessState
from mooring.model.names import LOCAL, ArtifactId, HostId
from mooring.model.release import Artifact
from mooring.testing.behaviour import Behaviour
from mooring.testing.clock import VirtualClock, run_virtually
from mooring.testing.runtime import FakeRuntime
from mooring.testing.runtime_contract import SHOP, a_key, a_mark

EU = HostId("eu-1")
US = HostId("us-1")


def fleet_of(clock: VirtualClock, *names: HostId) -> tuple[Fleet, dict[HostId, FakeRuntime]]:
    members = {LOCAL: FakeRuntime(clock), **{name: FakeRuntime(clock, room=5_000) for name in names}}
    fleet = Fleet(clock, members[LOCAL])
    for name in names:
        fleet.add(name, members[name])
    return fleet, members


def at(host: HostId, slot: int = 1) -> InstanceKey:
    return msgspec.structs.replace(a_key(slot), host=host)


def spec(host: HostId, *, size: int = 100) -> InstanceSpec:
    artifact = Artifact(id=ArtifactId(f"a{size}"), builder="procfile", reason="", directory="/a", size=size)
    return InstanceSpec(key=at(host), command="run", directory="/a", is_routed=True, artifact=artifact)


def virtually(test: Callable[[VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock()
    run_virtually(test(clock), clock)  # type: ignore[arg-type]  # a coroutine is awaitable


def test_an_effect_goes_to_its_host_with_what_it_runs_from_and_views_say_where() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU, US)
        await fleet.start(a_mark(), spec(EU), {})
        assert [len(each.lives()) for each in members.values()] == [0, 1, 0]
        assert list(members[EU].delivered) == ["a100"]
        assert [view.key for view in await fleet.observe()] == [at(EU)]
        await fleet.stop(a_mark(), at(EU), grace=1)
        assert await fleet.observe() == ()

    virtually(story)


def test_of_a_host_that_does_not_answer_the_last_known_is_told_with_its_age() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        await fleet.start(a_mark(), spec(EU), {})
        seen = await fleet.observe()
        members[EU].faults.is_down = True
        await clock.sleep(30)
        assert [view.key for view in await fleet.observe()] == [view.key for view in seen]
        (sight,) = fleet.sights()
        assert sight.error
        assert sight.age == pytest.approx(30, abs=1)
        assert fleet.unseen() == frozenset()

    virtually(story)


def test_a_host_that_shows_another_key_is_away_and_says_why() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)

        async def refuse() -> tuple[InstanceView, ...]:
            raise NeedsPerson("another host key than the pinned one is shown")

        members[EU].observe = refuse  # type: ignore[method-assign]
        assert await fleet.observe() == ()
        (sight,) = fleet.sights()
        assert sight.error == "another host key than the pinned one is shown"
        assert sight.is_away

    virtually(story)


def test_a_host_that_never_answered_is_unseen() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        members[EU].faults.is_down = True
        assert await fleet.observe() == ()
        assert fleet.unseen() == {EU}
        members[EU].faults.is_down = False
        await fleet.observe()
        assert fleet.unseen() == frozenset()

    virtually(story)


def test_a_look_waits_for_a_hanging_host_only_so_long_and_believes_it_later() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        answered = asyncio.Event()
        look = members[EU].observe

        async def hang() -> tuple[InstanceView, ...]:
            await answered.wait()
            return await look()

        members[EU].observe = hang  # type: ignore[method-assign]  # a host whose line hangs
        began = clock.monotonic()
        assert await fleet.observe() == ()
        assert clock.monotonic() - began == pytest.approx(LOOK)
        answered.set()
        await fleet.observe()
        assert fleet.unseen() == frozenset()

    virtually(story)


def test_of_a_host_whose_line_hangs_nothing_else_is_asked_until_it_has_answered() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        await fleet.start(a_mark(), spec(EU), {})
        await fleet.observe()
        answered, look = asyncio.Event(), members[EU].observe

        async def hang() -> tuple[InstanceView, ...]:
            await answered.wait()
            return await look()

        members[EU].observe = hang  # type: ignore[method-assign]  # a host whose line hangs
        await fleet.observe()
        assert fleet.away() == frozenset(), "it may be slow"
        await clock.sleep(SILENT)
        assert fleet.away() == {EU}
        began = clock.monotonic()
        with pytest.raises(Unavailable, match=r"eu-1 does not answer: no answer for \d s"):
            await fleet.stop(a_mark(), at(EU), grace=1)
        with pytest.raises(Unavailable, match="eu-1 does not answer"):
            await fleet.inspect(at(EU))
        assert clock.monotonic() - began == pytest.approx(2 * LOOK)
        assert len(members[EU].lives()) == 1
        answered.set()
        await fleet.stop(a_mark(), at(EU), grace=1)
        assert (fleet.away(), members[EU].lives()) == (frozenset(), ())

    virtually(story)


def test_a_question_of_which_the_answer_does_not_come_is_given_up_soon() -> None:
    """The line breaks between a look and the question: nobody knows yet that the host is away."""

    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        await fleet.start(a_mark(), spec(EU), {})
        await fleet.observe()

        async def hang(key: InstanceKey, *, lines: int) -> Inspection:
            await clock.sleep(1_000)
            raise AssertionError(key, lines)

        members[EU].inspect = hang  # type: ignore[method-assign, assignment]  # a host whose line hangs
        began = clock.monotonic()
        with pytest.raises(Unavailable, match="eu-1 does not answer"):
            await fleet.inspect(at(EU))
        assert clock.monotonic() - began == pytest.approx(SILENT)

    virtually(story)


def test_an_effect_on_a_host_that_was_just_found_off_is_refused_at_once() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        members[EU].faults.is_down = True
        await fleet.observe()
        with pytest.raises(Unavailable, match="eu-1 does not answer"):
            await fleet.start(a_mark(), spec(EU), {})
        assert members[EU].lives() == ()

    virtually(story)


def test_what_a_host_has_not_answered_is_neither_told_to_run_nor_changed_again_until_it_was_looked_at() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        await fleet.start(a_mark(), spec(EU), {})
        assert [view.state for view in await fleet.observe()] == [ProcessState.RUNNING]
        members[EU].faults.lose_answer("stop")
        with pytest.raises(OutcomeUnknown):
            await fleet.stop(a_mark(), at(EU), grace=1)
        members[EU].faults.is_down = True
        assert [view.state for view in await fleet.observe()] == [ProcessState.STOPPING]
        await clock.sleep(10)
        with pytest.raises(Unavailable, match=r"nobody knows yet what became of v1 web\.1 on eu-1: the runtime gives no answer"):
            await fleet.stop(a_mark(), at(EU), grace=1)
        members[EU].faults.is_down = False
        await clock.sleep(10)
        await fleet.start(a_mark(), spec(EU), {})
        assert [view.state for view in await fleet.observe()] == [ProcessState.RUNNING]

    virtually(story)


def test_what_may_have_been_started_on_a_host_that_gave_no_answer_is_told_as_unknown() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU)
        assert await fleet.observe() == ()
        members[EU].faults.lose_answer("start")
        with pytest.raises(OutcomeUnknown):
            await fleet.start(a_mark(), spec(EU), {})
        members[EU].faults.is_down = True
        assert [(view.key, view.state) for view in await fleet.observe()] == [(at(EU), ProcessState.UNKNOWN)]
        members[EU].faults.is_down = False
        await clock.sleep(1)
        assert [(view.key, view.state) for view in await fleet.observe()] == [(at(EU), ProcessState.RUNNING)]

    virtually(story)


def test_what_a_host_has_no_room_for_is_refused_by_a_delivery_and_not_done_by_a_start() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, _ = fleet_of(clock, EU)
        large = spec(EU, size=9_000)
        assert large.artifact is not None
        with pytest.raises(CapacityExceeded):
            await fleet.deliver_to(EU, a_mark(), large.artifact)
        with pytest.raises(Unavailable, match="9000 bytes"):
            await fleet.start(a_mark(), large, {})

    virtually(story)


def test_a_host_that_was_removed_is_named() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, _ = fleet_of(clock, EU)
        await fleet.remove(EU)
        with pytest.raises(Unavailable, match="no host eu-1"):
            await fleet.stop(a_mark(), at(EU), grace=1)

    virtually(story)


class Holding(FakeRuntime):
    """Holds a connection until it is closed."""

    is_closed = False

    async def close(self) -> None:
        self.is_closed = True


def test_a_host_reached_anew_or_removed_and_all_of_them_at_the_end_are_let_go_of() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock)
        first, second, other = (Holding(clock) for _ in range(3))
        fleet.add(EU, first)
        fleet.add(US, other)
        await fleet.observe()
        await fleet.replace(EU, second)
        assert (first.is_closed, second.is_closed) == (True, False)
        await fleet.replace(EU, second)
        assert not second.is_closed, "the same way is kept"
        await fleet.remove(EU)
        assert (second.is_closed, other.is_closed) == (True, False)
        await fleet.close()
        assert other.is_closed
        assert await fleet.observe() == await members[LOCAL].observe()

    virtually(story)


def test_logs_of_all_hosts_are_merged_by_time_and_one_that_is_off_is_named() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock, EU, US)
        for host in (US, EU):
            members[host].behave = lambda _: Behaviour(lines=("hello",))
            await fleet.start(a_mark(), spec(host), {})
            await clock.sleep(1)
        lines = [line async for line in fleet.logs(LogQuery(environment=SHOP))]
        assert [line.host for line in lines] == [US, EU]
        followed = fleet.logs(LogQuery(environment=SHOP, follow=True))
        assert [(await anext(followed)).host for _ in range(2)] == [US, EU]
        await followed.aclose()  # type: ignore[attr-defined]  # an async generator
        members[US].faults.is_down = True
        lines = [line async for line in fleet.logs(LogQuery(environment=SHOP))]
        assert [(line.host, line.source) for line in lines] == [(EU, "web.1"), (US, "mooring")]
        assert lines[-1].text.startswith(f"{US} does not answer, its lines are missing here: ")
        followed = fleet.logs(LogQuery(environment=SHOP, follow=True))
        assert "missing" in [await anext(followed) for _ in range(3)][-1].text
        await followed.aclose()  # type: ignore[attr-defined]  # likewise

    virtually(story)


def test_a_fleet_of_one_is_that_one() -> None:
    async def story(clock: VirtualClock) -> None:
        fleet, members = fleet_of(clock)
        assert fleet.capabilities == members[LOCAL].capabilities
        members[LOCAL].faults.is_down = True
        with pytest.raises(Unavailable):
            await fleet.observe()

    virtually(story)
