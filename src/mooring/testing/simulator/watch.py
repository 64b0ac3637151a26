"""The watch over a story's world: who died by itself, what a deployment left when it ended, whether all is in order. Must not: act."""

from __future__ import annotations

from mooring.model.deployment import Deployment, Outcome, Revision
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.instance import InstanceKey
from mooring.model.names import DeploymentId
from mooring.testing.laws import HEALING
from mooring.testing.platform import FakePlatform
from mooring.testing.simulator.hosts import Hosts

ROLLING = ("release", "prepare", "drain")  # phases in which something is done
_IN_TIME = 90.0  # seconds: there and back with all drains, and as long as drivers or the disk may be away in a story
_MOST_AT_ONCE = 5  # deployments that may end by one write
_OLD_SERVES = (Outcome.FAILED, Outcome.REVERTED, Outcome.ABORTED)


class Watch:
    """Tells the laws what excuses them, and what is broken that no single effect shows."""

    def __init__(self, platform: FakePlatform, environments: tuple[EnvironmentId, ...], hosts: Hosts) -> None:
        self._platform = platform
        self._hosts = hosts
        self._environments = environments
        self._restarts: dict[InstanceKey, int] = {}
        self._ended: set[DeploymentId] = set()
        self._rolling: dict[DeploymentId, float] = {}

    def begin(self) -> None:
        """What has ended before is not looked at."""
        self._ended = {each.id for each in self._platform.memory.deployments(limit=1_000)}

    def look(self, *, is_hindered: bool) -> None:
        """All that can be done at this moment is done. While the controller is hindered, nobody can be well again."""
        laws, now = self._platform.laws, self._platform.clock.monotonic()
        for environment in self._environments if is_hindered else ():
            if laws.is_excused(environment, since=now):
                laws.excuse(environment, seconds=HEALING)
        laws.check_world()

    def read(self, event: Event) -> None:
        """Law 14: each rollout ends in time. A controller that takes one up again gives it its time anew."""
        now = self._platform.clock.monotonic()
        if event.kind is EventKind.PHASE_STARTED and event.deployment is not None and event.fields["phase"] in ROLLING:
            self._rolling.setdefault(event.deployment, now)
        elif event.kind is EventKind.DEPLOYMENT_ENDED and event.deployment is not None:
            took = now - self._rolling.pop(event.deployment, now)
            if took > _IN_TIME:
                self._platform.laws.tell(14, f"{event.deployment} took {took:.0f} s, which no deadline allows")
        elif event.environment is None:
            self._rolling = dict.fromkeys(self._rolling, now)

    def notice_deaths(self) -> None:
        """What died, or answers badly, by itself: the app is unwell."""
        now = self._platform.clock.monotonic()
        for life in self._platform.world.lives():
            life.advance(now)
            key = life.spec.key
            has_died = life.restarts > self._restarts.get(key, 0) or life.waits_until is not None
            self._restarts[key] = life.restarts
            is_lost = key.host in self._platform.laws.out_of_reach
            if (has_died or not 0 < life.behaviour.answers < 400) and not is_lost and self._matters(key):
                self._platform.laws.excuse(key.environment, seconds=HEALING)

    def check_ends(self) -> None:
        """Law 4, at the moment in which a deployment's end is written down."""
        for record in self._platform.memory.deployments(limit=_MOST_AT_ONCE):
            if record.outcome is not None and record.id not in self._ended:
                self._ended.add(record.id)
                self._check_end(record)

    def disorder(self) -> list[str]:
        """What differs between the world and the records; of an environment that is gone, all that is left of it."""
        return [found for environment in self._environments for found in self._platform.disorder(environment)]

    def is_in_order(self) -> bool:
        """Nothing differs, and nobody is unwell."""
        now, laws = self._platform.clock.monotonic(), self._platform.laws
        return not self.disorder() and not any(
            laws.is_excused(each.environment, since=now) for each in self._platform.memory.environments()
        )

    def _check_end(self, record: Deployment) -> None:
        """Where neither could be reached, a person was told."""
        if record.outcome is Outcome.NEEDS_PERSON:
            self._platform.laws.excuse(record.environment, seconds=HEALING)
        if record.target is None or record.outcome not in (*_OLD_SERVES, Outcome.SUCCEEDED):
            return
        old, new = self._instances(record.environment, record.baseline), self._instances(record.environment, record.target)
        right, wrong = (new, old - new) if record.outcome is Outcome.SUCCEEDED else (old, new - old)
        running = self._platform.running(record.environment)
        lost = frozenset(key for key in old | new if self._hosts.is_away(key.host))
        left, missing = sorted(wrong & (running | self._hosts.asleep())), sorted(right - running - lost)
        is_excused = self._platform.laws.is_excused(record.environment, since=self._platform.clock.monotonic())
        if left or (missing and not is_excused):
            names = [f"{key} runs" for key in left] + [f"{key} does not run" for key in missing]
            self._platform.laws.tell(4, f"deployment {record.number} ended {record.outcome.value}, and {', '.join(names)}")

    def _instances(self, environment: EnvironmentId, revision: Revision | None) -> frozenset[InstanceKey]:
        wanted = self._platform.laws.wanted(environment, revision)
        return frozenset(wanted.instances()) if wanted else frozenset()

    def _matters(self, key: InstanceKey) -> bool:
        """Whether it serves, or should by the record: what never had traffic excuses nothing."""
        record = self._platform.memory.environment(key.environment)
        is_recorded = record is not None and record.revision is not None and record.revision.release == key.release
        return is_recorded or key in self._platform.routed(key.environment)
