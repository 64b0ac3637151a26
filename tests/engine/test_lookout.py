"""What is found on hosts while nobody asks: named from the moment it is seen until it is mended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from mooring.engine.lookout import EVERY, Ailment, Lookout
from mooring.model.host import Host, HostAddress, HostRuntime, Weight
from mooring.model.names import HostId
from mooring.testing.clock import VirtualClock, run_virtually
from mooring.testing.hosts import GOOD, FakeHosts, a_host_key

EU = "root@eu-1"


def host(address: str) -> Host:
    parsed = HostAddress.parse(address)
    return Host(name=HostId(parsed.host), address=parsed, runtime=HostRuntime.DOCKER, host_key=a_host_key(address), bind="10.0.0.5")


def virtually(test: Callable[[VirtualClock, FakeHosts, Lookout], Awaitable[None]], *hosts: Host) -> None:
    clock = VirtualClock()
    keeper = FakeHosts(clock)
    for each in hosts:
        keeper.facts[str(each.address)] = msgspec.structs.replace(GOOD, owner=keeper.controller)
    lookout = Lookout(keeper, lambda: hosts, clock)
    run_virtually(test(clock, keeper, lookout), clock)  # type: ignore[arg-type]  # a coroutine is awaitable


def said(ailments: tuple[Ailment, ...]) -> list[tuple[str, str, Weight]]:
    return [(each.host, each.finding.subject, each.finding.weight) for each in ailments]


def test_a_disk_that_fills_up_is_named_since_it_was_seen_first_until_there_is_room() -> None:
    async def story(clock: VirtualClock, keeper: FakeHosts, lookout: Lookout) -> None:
        await lookout.look()
        assert lookout.ailments() == ()
        keeper.facts[EU] = msgspec.structs.replace(keeper.facts[EU], disk_free=5)
        await lookout.look()
        (first,) = lookout.ailments()
        assert said((first,)) == [("eu-1", "disk", Weight.FAULT)]
        await clock.sleep(EVERY)
        keeper.facts[EU] = msgspec.structs.replace(keeper.facts[EU], disk_free=7)
        await lookout.look()
        (second,) = lookout.ailments()
        assert (second.since, second.finding.said) == (first.since, "7 B free")
        assert clock.wall() - second.since >= EVERY
        keeper.facts[EU] = msgspec.structs.replace(keeper.facts[EU], disk_free=GOOD.disk_free)
        await lookout.look()
        assert lookout.ailments() == ()

    virtually(story, host(EU))


def test_it_tells_how_much_disk_is_free_of_the_hosts_that_it_has_seen() -> None:
    async def story(clock: VirtualClock, keeper: FakeHosts, lookout: Lookout) -> None:
        del keeper.facts["root@us-1"]
        keeper.keys["root@us-1"] = a_host_key("somebody else")
        keeper.facts[EU] = msgspec.structs.replace(keeper.facts[EU], disk_free=5)
        assert lookout.free() == {}
        await lookout.look()
        assert lookout.free() == {HostId("eu-1"): 5}

    virtually(story, host(EU), host("root@us-1"))


def test_a_clock_that_is_off_is_named_and_what_was_accepted_when_it_was_added_is_not() -> None:
    async def story(clock: VirtualClock, keeper: FakeHosts, lookout: Lookout) -> None:
        keeper.facts[EU] = msgspec.structs.replace(keeper.facts[EU], clock=3600.0, system="plan 9")
        await lookout.look()
        assert said(lookout.ailments()) == [("eu-1", "clock", Weight.WARNING)]

    virtually(story, host(EU))


def test_of_a_host_that_does_not_answer_the_last_findings_stay_and_the_others_are_looked_at() -> None:
    async def story(clock: VirtualClock, keeper: FakeHosts, lookout: Lookout) -> None:
        keeper.facts[EU] = msgspec.structs.replace(keeper.facts[EU], disk_free=5)
        await lookout.look()
        del keeper.facts[EU]
        keeper.keys["root@us-1"] = a_host_key("somebody else")
        await lookout.look()
        assert said(lookout.ailments()) == [("eu-1", "disk", Weight.FAULT), ("us-1", "identity", Weight.FAULT)]

    virtually(story, host(EU), host("root@us-1"))
