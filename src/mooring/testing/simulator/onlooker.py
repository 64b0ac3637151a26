"""Somebody who looks at the status again and again, and knows what was true: law 14. Must not: ask for anything else."""

from __future__ import annotations

import asyncio

from mooring.engine.orders import Snapshot
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, ProcessState
from mooring.testing.platform import FakePlatform

_EVERY = 0.9  # seconds
_EXACTLY = 0.001  # seconds
_LOOKED_AT_LATER = 5.0  # seconds by which a look at another host may end after the one that told of it


class Onlooker:
    """What a snapshot says was so when it says: an instance that is said to run existed `age` seconds ago."""

    def __init__(self, platform: FakePlatform, environments: tuple[EnvironmentId, ...]) -> None:
        self._platform = platform
        self._environments = environments

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await self._platform.clock.sleep(_EVERY)
            for environment in self._environments:
                await self._look(environment)

    async def _look(self, environment: EnvironmentId) -> None:
        if not self._platform.is_up or self._platform.memory.environment(environment) is None:
            return
        look = asyncio.create_task(self._platform.within(self._platform.controller.snapshot(environment)))
        await asyncio.wait({look})
        if not look.cancelled() and look.exception() is None:
            self._judge(look.result())

    def _judge(self, snapshot: Snapshot) -> None:
        now = self._platform.clock.monotonic()
        sights = {sight.host: sight for sight in self._platform.controller.fleet.sights()}
        for view in snapshot.instances:
            age, sight = snapshot.age, sights.get(view.key.host)
            is_away = view.key.host in self._platform.laws.out_of_reach
            if sight is not None and (is_away or sight.error or sight.age is None):
                continue  # it is told that its host does not answer
            age = age if sight is None or sight.age is None else max(age, sight.age) + _LOOKED_AT_LATER
            if view.state is ProcessState.RUNNING and not self._existed(view.key, at=now - age):
                self._platform.laws.tell(14, f"status says of {age:.1f} s ago that {view.key} ran, and it did not")

    def _existed(self, key: InstanceKey, *, at: float) -> bool:
        return self._platform.world.life(key) is not None or self._platform.world.went(key) >= at - _EXACTLY
