"""Somebody who looks at the status again and again, and knows what was true: law 14. Must not: ask for anything else."""

from __future__ import annotations

import asyncio

from mooring.engine.orders import Snapshot
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, ProcessState
from mooring.testing.platform import FakePlatform

_EVERY = 0.9  # seconds
_EXACTLY = 0.001  # seconds


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
        at = self._platform.clock.monotonic() - snapshot.age
        for view in snapshot.instances:
            if view.state is ProcessState.RUNNING and not self._existed(view.key, at=at):
                self._platform.laws.tell(14, f"status says of {snapshot.age:.1f} s ago that {view.key} ran, and it did not")

    def _existed(self, key: InstanceKey, *, at: float) -> bool:
        gone = self._platform.runtime.gone.get(key, float("-inf"))
        return self._platform.runtime.life(key) is not None or gone >= at - _EXACTLY
