"""Law 4 while hosts are away: once it is decided which release serves, it alone does, wherever something can be done. Must not: act."""

from __future__ import annotations

from mooring.model.deployment import Phase, Revision
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.planner.goal import Wanted
from mooring.testing.platform import FakePlatform
from mooring.testing.simulator.hosts import Hosts

IN_TIME = 15.0  # seconds: until a host is taken for away, what is ready is known to be, and the edge has acknowledged it
_FORWARD = (Phase.WATCH, Phase.DRAIN)


class Decided:
    """Looks how long it has been decided, and all of the release that can be reached has been ready, without a break and unchanged."""

    def __init__(self, platform: FakePlatform, environments: tuple[EnvironmentId, ...], hosts: Hosts) -> None:
        self._platform = platform
        self._environments = environments
        self._hosts = hosts
        self._since: dict[EnvironmentId, tuple[frozenset[InstanceKey], float]] = {}

    def look(self, *, is_held_up: bool) -> None:
        """All that can be done at this moment is done; nothing can be while the controller is held up."""
        now = self._platform.clock.monotonic()
        for environment in self._environments:
            wanted = None if is_held_up else self._wanted(environment)
            asked = self._can_be_asked(wanted) if wanted else frozenset[InstanceKey]()
            if wanted is None or not asked:
                self._since.pop(environment, None)
                continue
            known, since = self._since.get(environment, (asked, now))
            self._since[environment] = asked, since if known == asked else now
            others = self._platform.routed(environment) - frozenset(wanted.instances())
            left = sorted(key for key in others if self._hosts.can_be_told(key.host))
            if left and known == asked and now - since > IN_TIME:
                names = ", ".join(map(str, left))
                self._platform.laws.tell(4, f"{wanted.release.version} was decided on and is ready, and {names} still gets requests")

    def _wanted(self, environment: EnvironmentId) -> Wanted | None:
        """What was decided on; None while nothing is, and where nothing is to serve."""
        return self._platform.laws.wanted(environment, self._revision(environment))

    def _revision(self, environment: EnvironmentId) -> Revision | None:
        record = self._platform.memory.environment(environment)
        if record is None or record.is_asleep or record.is_being_destroyed:
            return None
        for each in self._platform.memory.unfinished_deployments():
            if each.environment == environment and each.phase is not Phase.QUEUED:
                return each.baseline if each.phase is Phase.REVERT else each.target if each.phase in _FORWARD else None
        return record.revision

    def _can_be_asked(self, wanted: Wanted) -> frozenset[InstanceKey]:
        """Those of it on hosts that can be told what to do, where all of these are ready; none where not."""
        now, routed = self._platform.clock.monotonic(), {process.name for process in wanted.release.processes if process.is_routed}
        keys = frozenset(key for key in wanted.instances() if key.process in routed and self._hosts.can_be_told(key.host))
        lives = [self._platform.world.life(key) for key in keys]
        return keys if all(life is not None and life.is_ready(now) for life in lives) else frozenset()
