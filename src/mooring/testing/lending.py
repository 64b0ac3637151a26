"""A platform in memory to which somebody lends hosts: the real keeper of loans, a lender and hosts that are fake.

Must not: know what a test wants to see, or touch anything real.
"""

from __future__ import annotations

import asyncio

import msgspec

from mooring.drivers.runtime.contract import Runtime
from mooring.engine.capacity import CapacityKeeper
from mooring.engine.contract import Clock
from mooring.engine.controller import Controller
from mooring.engine.hosts import HostDesk
from mooring.model.capacity import CapacityTerms, Lent, Need
from mooring.model.host import Host
from mooring.model.names import HostId
from mooring.testing.capacity import FakeCapacity
from mooring.testing.hosts import GOOD, FakeHosts
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform
from mooring.testing.runtime import FakeRuntime

_ROOM = 10_000_000_000  # bytes of a lent host's disk


class LendingPlatform(FakePlatform):
    """`capacity` is who lends; `hosts` are the machines, as SSH would find them."""

    def __init__(self, *, terms: CapacityTerms | None = None) -> None:
        super().__init__()
        self.terms = terms or CapacityTerms()
        self.hosts = _Machines(self, self.clock)
        self.capacity = FakeCapacity(made=self._made, taken=self._taken)
        self.hosts.passed = lambda moment, name, host: self._pass(Point(Moment(moment), f"host.{name}", host))
        self.capacity.passed = lambda moment, name, key: self._pass(Point(Moment(moment), f"capacity.{name}", key))
        self._keys = 0
        self.keeper: CapacityKeeper | None = None

    def connect(self, runtime: FakeRuntime) -> None:
        """What it does passes the laws, like all else."""
        self._connect_runtime(runtime)

    async def _started(self) -> Controller:
        for host in self.memory.hosts():
            if host.loan:
                self.hosts.runtime(host)  # also where the controller died before it had used it
        controller = await super()._started()
        self.keeper = CapacityKeeper(
            memory=self.memory,
            desk=HostDesk(self.hosts, self.memory, controller.fleet, controller.edges, self.clock),
            reviews=controller.reviews,
            driver=self.capacity,
            terms=self.terms,
            clock=self.clock,
            tell=controller.tell,
            controller=lambda: self.hosts.controller,
            new_key=self._new_key,
        )
        asyncio.create_task(self.keeper.run(), name="keep borrowed hosts")  # noqa: RUF006 (the controller's life holds it)
        return controller

    def _new_key(self) -> str:
        self._keys += 1
        return f"{self._keys:08}"

    def _made(self, lent: Lent, need: Need) -> None:
        self.hosts.facts[str(lent.address)] = msgspec.structs.replace(GOOD, memory=2 * lent.memory)

    def _taken(self, lent: Lent) -> None:
        """The machine is no more, and whatever ran on it."""
        del self.hosts.facts[str(lent.address)]
        name = self.hosts.names.pop(str(lent.address), None)
        runtime = self.world.hosts.pop(name, None) if name is not None else None
        if runtime is not None and runtime.lives():
            self.laws.tell(1, f"{name} was given back with {len(runtime.lives())} instances on it")


class _Machines(FakeHosts):
    """Their runtimes are a part of the platform's world. `names`: what each is called, by its address."""

    def __init__(self, platform: LendingPlatform, clock: Clock) -> None:
        super().__init__(clock)
        self._platform = platform
        self.names = dict[str, HostId]()

    def runtime(self, host: Host) -> Runtime:
        world = self._platform.world.hosts
        if host.name not in world:
            port = 20_000 + 1_000 * len(world)
            runtime = FakeRuntime(self._clock, memory_budget=host.memory, room=_ROOM, host=host.name, first_port=port)
            self._platform.connect(runtime)
            world[host.name] = runtime
        self.names[str(host.address)] = host.name
        return world[host.name]
