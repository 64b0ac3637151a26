"""What every runtime does for accessories, fake or real: a subclass gives the fixture `rig`. Must not: look inside a runtime."""

from __future__ import annotations

import functools
from typing import Protocol

from mooring.model.instance import InstanceKey, InstanceSpec
from mooring.model.names import accessory_name
from mooring.testing.runtime_contract import BLOG, SHOP, RuntimeRig, a_key, a_mark, started


class LastingRig(RuntimeRig, Protocol):
    """A rig whose runtime can run accessories."""

    def lasting(self, key: InstanceKey) -> InstanceSpec:
        """One that is steady, and writes a line into its volume when it starts."""

    async def starts(self, key: InstanceKey) -> int:
        """The lines in the volume of an instance that runs, as it finds them; 0 while it has not come so far."""


CACHE = SHOP.with_accessory(accessory_name("cache"))


class LastingContract:
    async def test_the_port_and_the_volume_of_an_accessory_stay_from_one_release_to_the_next(self, rig: LastingRig) -> None:
        first = await started(rig, rig.lasting(a_key(process="cache", environment=CACHE)))
        await rig.until(lambda: _has_started(rig, first.key, 1))
        await rig.runtime.stop(a_mark(environment=CACHE), first.key, grace=10)
        others = [await started(rig, rig.instance(a_key(slot))) for slot in (1, 2)]
        second = await started(rig, rig.lasting(a_key(process="cache", environment=CACHE, release=2)))
        assert first.port > 0
        assert second.port == first.port
        assert second.port not in [each.port for each in others]
        await rig.until(lambda: _has_started(rig, second.key, 2))

    async def test_a_volume_goes_when_that_is_said_and_not_before(self, rig: LastingRig) -> None:
        async def runs_again(release: int, *, starts: int) -> None:
            view = await started(rig, rig.lasting(a_key(process="cache", environment=CACHE, release=release)))
            await rig.until(lambda: _has_started(rig, view.key, starts))
            await rig.runtime.stop(a_mark(environment=CACHE), view.key, grace=10)

        async def volumes() -> list[int]:
            return [len((await rig.runtime.holdings(environment)).volumes) for environment in (CACHE, SHOP, BLOG)]

        for seen in (CACHE, SHOP, BLOG):  # a host may have seen other tests
            await rig.runtime.forget(a_mark(environment=seen), seen, releases=None, volumes=True)
        assert await volumes() == [0, 0, 0]
        await runs_again(1, starts=1)
        assert await volumes() == [1, 1, 0]
        await rig.runtime.forget(a_mark(environment=CACHE), CACHE, releases=frozenset({1}))
        await rig.runtime.forget(a_mark(environment=CACHE), CACHE, releases=None)
        await runs_again(2, starts=2)
        await rig.runtime.forget(a_mark(environment=CACHE), CACHE, releases=None, volumes=True)
        assert await volumes() == [0, 0, 0]
        await runs_again(3, starts=1)
        await rig.runtime.forget(a_mark(environment=CACHE), CACHE, releases=None)
        await rig.runtime.forget(a_mark(), SHOP, releases=None, volumes=True)
        await runs_again(4, starts=1)

    async def test_no_two_accessories_share_a_port_or_a_volume(self, rig: LastingRig) -> None:
        queue = SHOP.with_accessory(accessory_name("queue"))
        views = [await started(rig, rig.lasting(a_key(process="cache", environment=each))) for each in (CACHE, queue)]
        assert len({view.port for view in views}) == 2
        for view in views:
            await rig.until(functools.partial(_has_started, rig, view.key, 1))


async def _has_started(rig: LastingRig, key: InstanceKey, count: int) -> bool:
    return await rig.starts(key) == count
