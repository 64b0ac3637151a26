"""The other machines of a story, and what becomes of them: silent, cut off, dead, back with an old disk, full. Must not: draw lots.

They are three, in two regions. One whose line is silent is still reached by the edge; of one that is cut off or dead nobody can be
reached, and what it had taken is lost. While such a one is away, and until what is recorded there serves again, law 1 asks for the rest.
"""

from __future__ import annotations

from functools import partial

import msgspec

from mooring.engine.contract import Clock
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import HostId
from mooring.testing.laws import HEALING, Laws
from mooring.testing.platform import FakePlatform
from mooring.testing.runtime import Disk, FakeRuntime
from mooring.testing.simulator import app
from mooring.testing.simulator.lines import RuntimeLine
from mooring.testing.simulator.people import later
from mooring.testing.simulator.story import Setting, What
from mooring.testing.simulator.wire import Wire

PLACES = {HostId("eu-1"): app.REGIONS[0], HostId("eu-2"): app.REGIONS[0], HostId("us-1"): app.REGIONS[1]}
_OTHERS = ("eu-2", "us-1")  # whose clocks are ahead, and behind; the first of them is the slow one


class SkewedClock:
    """Of a machine whose clock is set wrong; its seconds are as long as everybody's."""

    def __init__(self, clock: Clock, ahead: float) -> None:
        self.monotonic = clock.monotonic
        self.sleep = clock.sleep
        self._clock = clock
        self._ahead = ahead

    def wall(self) -> float:
        return self._clock.wall() + self._ahead


class Hosts:
    """Those of one story; none, where all of it runs on the controller's own machine."""

    def __init__(self, platform: FakePlatform, wire: Wire, setting: Setting) -> None:
        self.names = tuple(PLACES) if setting.is_spread else ()
        self._platform = platform
        self._wire = wire
        self._disks: dict[HostId, Disk] = {}  # of those that are off, as they will come back
        self._old_disks: dict[HostId, Disk] = {}
        self._back_at: dict[HostId, float] = {}  # monotonic; of those that are away, and of those that are not well yet
        self._lost: list[tuple[HostId, float]] = []  # every end of every absence so far
        ahead = dict(zip(_OTHERS, (setting.skew, -setting.skew), strict=True))
        for name in self.names:
            clock = SkewedClock(platform.clock, ahead.get(name, 0.0))
            runtime = platform.add_host(name, region=PLACES[name].name, clock=clock)
            runtime.behave = partial(app.instance, setting, slow=setting.slow if name == _OTHERS[0] else 1.0)
            runtime.behave_task = lambda spec: app.task(setting, spec)
            platform.host_lines[name] = RuntimeLine(runtime, wire, name)

    def begin(self) -> None:
        """From now on they may come back as they are at this moment."""
        self._old_disks = {name: self._runtime(name).disk() for name in self.names}

    def happen(self, what: What, name: HostId, *, seconds: float) -> None:
        """To one host, for so long."""
        now = self._platform.clock.monotonic()
        match what:
            case What.HOST_SILENT:
                self._wire.cut(name, until=now + seconds)
            case What.HOST_FULL:
                self._runtime(name).is_full = True
                later(seconds, lambda: self._empty(name))
            case _:
                self._lose(name, what, until=now + seconds)

    def look(self, *, is_hindered: bool) -> None:
        """Whether those that are back serve again. While the controller is hindered, it can do nothing for them."""
        now = self._platform.clock.monotonic()
        for name, back_at in list(self._back_at.items()):
            if self.is_away(name):
                continue
            if is_hindered:
                self._back_at[name] = max(back_at, now)
            elif now >= back_at + HEALING and self._serves(name):
                del self._back_at[name]
                self._laws.out_of_reach.discard(name)

    def heal(self) -> None:
        """All are back, at once."""
        for name in self.names:
            self._return(name)
            self._empty(name)

    def is_away(self, name: HostId) -> bool:
        """Whether it is cut off, or dead."""
        return name in self._platform.world.cut_off

    def can_be_told(self, name: HostId) -> bool:
        """Whether what the controller says to it comes through."""
        return not self._wire.is_cut(name)

    def asleep(self) -> frozenset[InstanceKey]:
        """What will run again by itself, once its host is back."""
        return frozenset(life.spec.key for disk in self._disks.values() for life in disk.lives)

    def has_lost(self, slug: str, *, since: float) -> bool:
        """Whether the host of that instance has been out of reach at any time since then (monotonic)."""
        name = HostId(slug.rpartition("@")[2])
        return name in self._back_at or any(each == name and ended >= since for each, ended in self._lost)

    def has_lost_all(self, environment: EnvironmentId, *, since: float) -> bool:
        """Whether none of those that should get requests has been in reach all the time since then."""
        return bool(self.names) and all(
            self.has_lost(key.slug, since=since) for key in self._platform.wanted(environment) if key.process == "web"
        )

    @property
    def _laws(self) -> Laws:
        return self._platform.laws

    def _runtime(self, name: HostId) -> FakeRuntime:
        return self._platform.world.hosts[name]

    def _lose(self, name: HostId, what: What, *, until: float) -> None:
        """One that is away already stays so until the first of the reasons is over."""
        if self.is_away(name):
            return
        runtime = self._runtime(name)
        if what is not What.HOST_CUT:
            self._disks[name] = runtime.disk() if what is What.HOST_DIES else self._old_disks[name]
            runtime.lose_host()
        self._wire.cut(name, until=until)
        self._platform.world.cut_off.add(name)
        self._laws.out_of_reach.add(name)
        self._back_at[name] = until
        later(until - self._platform.clock.monotonic(), lambda: self._return(name))

    def _return(self, name: HostId) -> None:
        if not self.is_away(name):
            return
        self._platform.world.cut_off.discard(name)
        now = self._platform.clock.monotonic()
        self._back_at[name] = now
        self._lost.append((name, now))
        disk = self._disks.pop(name, None)
        if disk is not None:  # what no record knows any more is told, and left for a person to remove: not in these stories
            is_old = disk is self._old_disks[name]
            records = self._platform.memory.environments()
            known = {record.environment for record in records if not (is_old and record.is_being_destroyed)}
            lives = tuple(life for life in disk.lives if life.spec.key.environment in known)
            self._runtime(name).boot(msgspec.structs.replace(disk, lives=lives))

    def _empty(self, name: HostId) -> None:
        self._runtime(name).is_full = False

    def _serves(self, name: HostId) -> bool:
        platform = self._platform
        for record in platform.memory.environments():
            mine = {key for key in platform.wanted(record.environment) if key.host == name}
            if not mine <= platform.running(record.environment):
                return False
            if not {key for key in mine if key.process == "web"} <= platform.routed(record.environment):
                return False
        return True
