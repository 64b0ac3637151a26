"""What everybody who lends hosts does, fake or real: a subclass gives the fixture `capacity`, of the controller `c0ffee`.

Must not: look inside a driver, or use what it lends.
"""

from __future__ import annotations

from mooring.drivers.capacity.contract import Capacity
from mooring.model.capacity import Need
from mooring.model.host import HostRuntime, fingerprint
from mooring.model.names import RegionName

NEED = Need(region=RegionName("eu"), memory=2_000_000_000, runtime=HostRuntime.SYSTEMD)
FIRST, SECOND = "c0ffee-00000001", "c0ffee-00000002"
ANOTHERS = "c0ffee2-00000001"


class CapacityContract:
    async def test_one_key_is_one_machine_however_often_it_is_asked_for(self, capacity: Capacity) -> None:
        first = await capacity.add(FIRST, NEED)
        assert first.key == FIRST
        assert fingerprint(first.host_key).startswith("SHA256:")
        assert await capacity.add(FIRST, NEED) == first
        assert await capacity.lent() == (first,)

    async def test_another_key_is_another_machine_and_both_are_named_by_key(self, capacity: Capacity) -> None:
        second, first = await capacity.add(SECOND, NEED), await capacity.add(FIRST, NEED)
        assert second.address != first.address
        assert await capacity.lent() == (first, second)

    async def test_one_that_was_taken_back_is_gone_and_the_others_stay(self, capacity: Capacity) -> None:
        first, second = await capacity.add(FIRST, NEED), await capacity.add(SECOND, NEED)
        await capacity.remove(FIRST, first)
        assert await capacity.lent() == (second,)
        await capacity.remove(FIRST, first)
        await capacity.remove("c0ffee-neverwas", None)
        assert await capacity.lent() == (second,)

    async def test_one_whose_answer_was_lost_is_taken_back_by_its_key(self, capacity: Capacity) -> None:
        await capacity.add(FIRST, NEED)
        await capacity.remove(FIRST, None)
        assert await capacity.lent() == ()

    async def test_another_controllers_is_not_named(self, capacity: Capacity) -> None:
        await capacity.add(ANOTHERS, NEED)
        assert await capacity.lent() == ()
