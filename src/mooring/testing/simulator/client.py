"""A client that asks at a constant rate, whatever the answers are, and knows when one should have come. Must not: repeat a request."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from mooring.model.environment import EnvironmentId
from mooring.testing.edge import FakeAnswer
from mooring.testing.platform import FakePlatform
from mooring.testing.simulator.hosts import Hosts

RATE = 5.0  # requests a second


class _Failure(NamedTuple):
    answer: FakeAnswer
    began: float
    ended: float


class Client:
    """Of one environment, from its first success until it is to be destroyed. `asked` and `failed` count requests.

    A request that no app answered is failed, and breaks the promise unless the app itself was unwell meanwhile, the edge died
    under it, its host was lost with it, or it took longer than the drain budget says anybody waits. Where an app has a gap by its
    own wish (a single web, or one replaced in place), it may also fail while anything but good orders is under way: the gap is then
    longer than requests are held.
    """

    def __init__(self, platform: FakePlatform, environment: EnvironmentId, hosts: Hosts, *, patience: float) -> None:
        self.asked = self.failed = 0
        self._platform = platform
        self._environment = environment
        self._hosts = hosts
        self._patience = patience
        self._edge_died = float("-inf")
        self._is_stopped = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._failures: list[_Failure] = []

    async def visit(self) -> None:
        """Until `stop`."""
        while not self._is_stopped:
            if self._is_expected():
                request = asyncio.create_task(self._ask())
                self._under_way.add(request)
                request.add_done_callback(self._under_way.discard)
            await self._platform.clock.sleep(1 / RATE)

    async def stop(self) -> None:
        """No new request; those under way end."""
        self._is_stopped = True
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    def judge(self, *, is_calm: bool) -> None:
        """Those that have failed since the last time. Called when all is known that there is to know of this moment."""
        for failure in self._failures:
            if not self._is_excused(failure, is_calm=is_calm):
                said = f"{failure.answer.edge} {failure.answer.instance}".rstrip()
                self._platform.laws.tell(0, f"a request to {self._environment} failed: {said}")
        self._failures.clear()

    def note_edge_restart(self) -> None:
        """Its connections are lost."""
        self._edge_died = self._platform.clock.monotonic()

    def _is_expected(self) -> bool:
        record = self._platform.memory.environment(self._environment)
        return record is not None and record.revision is not None and not record.is_being_destroyed

    async def _ask(self) -> None:
        self.asked += 1
        began = self._platform.clock.monotonic()
        answer = await self._platform.edge.ask(f"{self._environment.label}.localhost", f"/{self.asked}")
        if answer.edge and self._is_expected():
            self.failed += 1
            self._failures.append(_Failure(answer, began, self._platform.clock.monotonic()))

    def _is_excused(self, failure: _Failure, *, is_calm: bool) -> bool:
        laws, answer = self._platform.laws, failure.answer
        is_cut = answer.instance != "" and failure.ended - failure.began >= self._patience
        is_gap = not answer.instance and not is_calm and not laws.must_serve(self._environment)
        if answer.instance:
            is_lost = self._hosts.has_lost(answer.instance, since=failure.began)
        else:
            is_lost = self._hosts.has_lost_all(self._environment, since=failure.began)
        return self._edge_died >= failure.began or is_cut or is_gap or is_lost or laws.is_excused(self._environment, since=failure.began)
