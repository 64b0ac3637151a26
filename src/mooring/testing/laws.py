"""The laws of the rollout, checked in a world of fakes at every effect, by what is true there and not by what the engine believes.

Broken laws are collected, not raised: whatever the engine raises or swallows, they are told in the end.
Must not: change anything.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Collection, Mapping

import msgspec

from mooring.engine.contract import Clock
from mooring.model.deployment import Revision
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import LOCAL, HostId, ProcessName
from mooring.model.records import EnvironmentRecord
from mooring.model.release import ProcessType
from mooring.model.routing import EndpointState
from mooring.model.steps import (
    Deliver,
    ForgetReleases,
    ProvideService,
    PruneAssets,
    PushAssets,
    RemoveAssets,
    RemoveRoutes,
    RemoveService,
    RestartInstance,
    RestoreService,
    RotateService,
    RunMask,
    RunRelease,
    SetRoutes,
    StartInstance,
    Step,
    StopInstance,
    StopRelease,
    WithdrawLogins,
)
from mooring.planner.goal import Wanted, wanted_of
from mooring.planner.replace import is_in_place
from mooring.planner.routes import active_keys
from mooring.testing.edge import FakeEdge
from mooring.testing.memory import FakeMemory
from mooring.testing.world import FakeWorld

HEALING = 6.0  # seconds after which a controller that can act has noticed that an instance died: it looks again after 5 at most
_RETURN = 5.0  # seconds


class Moment(enum.Enum):
    BEFORE = "before"
    AFTER = "after"


class Point(msgspec.Struct, frozen=True):
    """An effect or a write of the memory, about to happen or just done. `name`: `runtime.start`, `edge.apply`, `memory.add_release`."""

    moment: Moment
    name: str
    subject: object = None

    def __str__(self) -> str:
        return f"{self.moment.value} {self.name}" + (f" {self.subject}" if self.subject is not None else "")


class Violation(msgspec.Struct, frozen=True):
    """A law was broken; `at` is monotonic seconds. Law 0 is the promise itself: no request fails."""

    law: int
    what: str
    at: float

    def __str__(self) -> str:
        return f"law {self.law}: {self.what} (at {self.at:.2f})"


class Laws:
    """Checked before and after every effect, and (`check_world`) whenever somebody says that time goes on.

    `others` are the edges of hosts: who gets requests from any of them gets requests.

    `is_calm` False: instances die by themselves, which excuses law 1. `excuse` does so for one environment and for a while.
    `out_of_reach`: hosts of which nobody can be asked for anything; law 1 is about what is elsewhere.
    """

    def __init__(
        self, memory: FakeMemory, world: FakeWorld, edge: FakeEdge, clock: Clock, others: Mapping[HostId, FakeEdge] | None = None
    ) -> None:
        self.violations: list[Violation] = []
        self.is_calm = True
        self.out_of_reach: set[HostId] = set()
        self.before_check: Callable[[], None] = lambda: None  # notices what has happened by itself
        self._memory = memory
        self._world = world
        self._edge = edge
        self._others = others if others is not None else {}
        self._clock = clock
        self._active: dict[EnvironmentId, frozenset[InstanceKey]] = {}
        self._draining: dict[InstanceKey, float] = {}
        self._most: dict[tuple[EnvironmentId, ProcessName], int] = {}
        self._excused_until: dict[EnvironmentId, float] = {}
        self._well_since: dict[EnvironmentId, float] = {}

    def check(self, point: Point) -> None:
        if point.name.startswith("memory."):
            return
        self.before_check()
        environment = point.subject.environment if isinstance(point.subject, InstanceKey) else point.subject
        if point.moment is Moment.BEFORE:
            self._check_intent(point)
            if point.name == "runtime.start" and isinstance(point.subject, InstanceKey):
                self._check_place(point.subject)
            if point.name in ("runtime.stop", "runtime.restart") and isinstance(point.subject, InstanceKey):
                self._check_stop(point.subject)
                if point.name == "runtime.stop":
                    self._check_last(point.subject)
        elif isinstance(environment, EnvironmentId):
            self._check_environment(environment)
            self._check_memory()

    def check_world(self) -> None:
        """Every environment, as it is now."""
        self.before_check()
        for record in self._memory.environments():
            self._check_environment(record.environment)
        self._check_memory()

    def excuse(self, environment: EnvironmentId, *, seconds: float) -> None:
        """The app itself is unwell: law 1 is excused for at least so long, and then until as many serve again as should."""
        until = self._clock.monotonic() + seconds
        self._excused_until[environment] = max(until, self._excused_until.get(environment, until))

    def is_excused(self, environment: EnvironmentId, *, since: float) -> bool:
        """Whether the app has been unwell at any time since then (monotonic)."""
        return environment in self._excused_until or self._well_since.get(environment, float("-inf")) >= since

    def must_serve(self, environment: EnvironmentId) -> bool:
        """Whether law 1 asks that somebody serves at every moment: not where the app itself wants a gap."""
        return any(count > 0 for count in self._desired(environment).values())

    def wanted(self, environment: EnvironmentId, revision: Revision | None) -> Wanted | None:
        """What is to run by it, where there is one and its release is on record."""
        release = self._memory.release(environment, revision.release) if revision else None
        return wanted_of(revision, release) if revision and release else None

    def tell(self, law: int, what: str) -> None:
        """A law was broken: told once, however long it goes on."""
        if not any((each.law, each.what) == (law, what) for each in self.violations):
            self.violations.append(Violation(law, what, self._clock.monotonic()))

    @property
    def broken(self) -> list[str]:
        return [str(each) for each in self.violations]

    # the laws

    def _check_environment(self, environment: EnvironmentId) -> None:
        self._check_routes(environment)
        self._check_singles(environment)
        self._check_enough(environment)
        self._check_tasks(environment)

    def _check_intent(self, point: Point) -> None:
        leases = {entry.environment: self._memory.lease(entry.environment) for entry in self._memory.open_intents()}
        mine = [entry for entry in self._memory.open_intents() if (held := leases[entry.environment]) and held.fence == entry.fence]
        loans = self._memory.loans()  # on record before whoever lends, or a host of theirs, is touched
        names = [name for loan in loans for name in (loan.key, loan.host)]
        is_of_a_loan = point.name.startswith(("capacity.", "host.")) and point.subject in names
        if not is_of_a_loan and not any(_is_of(entry.step, point) for entry in mine):
            self.tell(11, f"no intent on disk {point}")

    def _check_stop(self, key: InstanceKey) -> None:
        if self._world.life(key) is None:
            return
        if key in self._routed(key.environment):
            self.tell(2, f"{key} gets requests and is stopped")
        release = self._memory.release(key.environment, key.release)
        if release is None:
            return
        policy, drained = release.policy, self._clock.monotonic() - self._draining.get(key, float("inf"))
        requests, streams = (sum((getattr(edge, of) for edge in self._edges()), Counter[str]()) for of in ("flying", "streams"))
        kinds = [("requests", requests, policy.drain_timeout), ("streams", streams, policy.stream_drain_timeout)]
        for word, flying, budget in kinds:
            if flying[key.slug] and drained < budget:
                self.tell(3, f"{key} has {flying[key.slug]} {word} in flight and is stopped before their budget is spent")

    def _check_last(self, key: InstanceKey) -> None:
        """Even where the app is unwell: who serves by the record and is known to be well stays until another gets its requests.

        Not where the app is replaced in place: there the old that have died leave first, however soon they are back.
        """
        record = self._memory.environment(key.environment)
        wanted, process = self.wanted(key.environment, record.revision if record else None), self._process(key)
        if wanted is None or process is None or key not in wanted.instances() or is_in_place(process, wanted):
            return
        others = [each for each in self._routed(key.environment) if each.process == key.process]
        if not others and self._is_well(key) and self._desired(key.environment).get(key.process, 0) > 0:
            self.tell(1, f"{key} is ready and is stopped, and nobody gets requests in its place")

    def _check_routes(self, environment: EnvironmentId) -> None:
        now, active = self._clock.monotonic(), self._routed(environment)
        for key in active - self._active.get(environment, frozenset()):
            # it has died a moment ago, and nobody can know yet
            is_unwell = environment in self._excused_until or key.host in self.out_of_reach
            if not is_unwell and not (self._is_ready(key) and self._has_answered(key)):
                self.tell(2, f"{key} gets requests and is not ready")
        self._active[environment] = active
        tables = [table for edge in self._edges() if (table := edge.table(environment)) is not None]
        ends = [end for table in tables for route in table.routes for end in route.endpoints]
        draining = {end.instance for end in ends if end.state is EndpointState.DRAINING and end.instance not in active}
        kept = {key: since for key, since in self._draining.items() if key.environment != environment or key in draining}
        self._draining = {**dict.fromkeys(draining, now), **kept}

    def _edges(self) -> tuple[FakeEdge, ...]:
        return (self._edge, *self._others.values())

    def _routed(self, environment: EnvironmentId) -> frozenset[InstanceKey]:
        """Who gets requests from any edge."""
        return frozenset[InstanceKey]().union(*(active_keys(edge.table(environment)) for edge in self._edges()))

    def _check_singles(self, environment: EnvironmentId) -> None:
        counts: dict[ProcessName, int] = {}
        for life in self._world.lives():
            key = life.spec.key
            process = self._process(key)
            if key.environment == environment and process is not None and process.is_single:
                counts[key.process] = counts.get(key.process, 0) + 1
        for name, count in counts.items():
            if count > 1:
                self.tell(6, f"{name} of {environment} runs {count} times")

    def _check_enough(self, environment: EnvironmentId) -> None:
        """Ready and routed ones, against what is desired now by old and new, and what there has been."""
        desired, active, is_enough = self._desired(environment), self._active.get(environment, frozenset()), True
        for name in sorted({*desired, *(key.process for key in active)}):
            ready = sum(1 for key in active if key.process == name and key.host not in self.out_of_reach and self._is_ready(key))
            most = self._most[environment, name] = max(ready, self._most.get((environment, name), 0))
            floor = min(desired.get(name, 0), most)
            if ready < floor and self.is_calm and environment not in self._excused_until:
                self.tell(1, f"{ready} of {name} of {environment} serve, {floor} should")
            is_enough = is_enough and ready >= floor
        if is_enough and self._excused_until.get(environment, float("inf")) <= self._clock.monotonic():
            del self._excused_until[environment]
            self._well_since[environment] = self._clock.monotonic()

    def _check_memory(self) -> None:
        for host, (declared, budget) in self._world.declared().items():
            if declared > budget:
                self.tell(7, f"{declared} bytes are declared by what runs on {host}, {budget} are to be had")

    def _check_tasks(self, environment: EnvironmentId) -> None:
        for name, count in self._world.task_counts(environment).items():
            if count > 1:
                self.tell(5, f"the command {name} of {environment} was run {count} times")
        running = self._world.running_tasks(environment)
        if len(running) > 1:
            self.tell(5, f"{' and '.join(running)} of {environment} run at the same time")

    def _check_place(self, key: InstanceKey) -> None:
        """Started where a record says so, and nowhere else in place of one of which nobody knows whether it runs."""
        if not any(_is_placed(key, revision) for revision in self._revisions(key.environment)):
            self.tell(10, f"{key} is started, and no record places it there")

    def _is_ready(self, key: InstanceKey) -> bool:
        life = self._world.life(key)
        return life is not None and life.is_ready(self._clock.monotonic())

    def _is_well(self, key: InstanceKey) -> bool:
        """Whether it answers, and has been asked since it was started: so that a controller may know."""
        life = self._world.life(key)
        return life is not None and life.has_answered and self._is_ready(key) and 200 <= life.behaviour.answers < 400

    def _has_answered(self, key: InstanceKey) -> bool:
        life = self._world.life(key)
        return life is not None and life.has_answered

    # what is desired

    def _desired(self, environment: EnvironmentId) -> dict[ProcessName, int]:
        """The fewest that have to serve: of what is recorded, and of what a deployment under way leads to."""
        record = self._memory.environment(environment)
        if record is None or record.revision is None:
            return {}
        if self._is_asleep(record):
            self.excuse(environment, seconds=_RETURN)  # it serves again soon after somebody came
            return {}
        if record.is_being_destroyed:
            self.excuse(environment, seconds=_RETURN)  # a destruction that cannot be ended is taken back: it serves again soon after
            return {}
        wanted = [each for each in (self.wanted(environment, revision) for revision in self._revisions(environment)) if each is not None]
        return _fewest(wanted, out_of_reach=self.out_of_reach)

    def _is_asleep(self, record: EnvironmentRecord) -> bool:
        """It, or the app whose accessory it is."""
        home = self._memory.environment(record.environment.home)
        return record.is_asleep or (home is not None and home.is_asleep)

    def _revisions(self, environment: EnvironmentId) -> list[Revision]:
        """What is recorded, and what a deployment under way comes from and leads to."""
        record = self._memory.environment(environment)
        revisions = [record.revision] if record and record.revision else []
        for deployment in self._memory.unfinished_deployments():
            if deployment.environment == environment:
                revisions += [each for each in (deployment.target, deployment.baseline) if each is not None]
        return revisions

    def _process(self, key: InstanceKey) -> ProcessType | None:
        release = self._memory.release(key.environment, key.release)
        return release.process(key.process) if release else None


def _is_placed(key: InstanceKey, revision: Revision) -> bool:
    if (revision.release, revision.generation) != (key.release, key.generation):
        return False
    hosts = revision.placement.get(key.process)
    return key.host == LOCAL if hosts is None else key.slot <= len(hosts) and hosts[key.slot - 1] == key.host


def _fewest(wanted: list[Wanted], *, out_of_reach: Collection[HostId]) -> dict[ProcessName, int]:
    names = [frozenset(process.name for process in each.release.processes if process.is_routed) for each in wanted]
    common = frozenset.intersection(*names) if names else frozenset[ProcessName]()
    return {name: min(_floor(each, name, wanted, out_of_reach=out_of_reach) for each in wanted) for name in sorted(common)}


def _floor(wanted: Wanted, name: ProcessName, every: list[Wanted], *, out_of_reach: Collection[HostId]) -> int:
    """How many may not be missed: less what the policy allows where it replaces in place, and less those that nobody can reach.

    Where it replaces in place some of the old, and some of the new that serve instead of others, may be lost with one host.
    """
    process = wanted.release.process(name)
    if process is None or process.is_single:
        return 0
    count = wanted.count(process)
    allowed = wanted.release.policy.max_unavailable.of(count, rounding_up=False)
    lost = sum(host in out_of_reach for each in (every if is_in_place(process, wanted) else [wanted]) for host in each.hosts_of(process))
    return max(0, count - lost - (max(1, allowed) if is_in_place(process, wanted) else allowed))


def _is_of(step: Step, point: Point) -> bool:
    """Whether this intent is that of the effect."""
    match point.name, step:
        case ("runtime.start", StartInstance(instance=key)) | ("runtime.stop", StopInstance(instance=key)):
            return key == point.subject
        case "runtime.restart", RestartInstance(instance=key):
            return key == point.subject
        case "runtime.run_task", RunRelease(release=number, is_seed=is_seed):
            return point.subject == (f"seed.v{number}" if is_seed else f"release.v{number}")
        case "runtime.stop_task", StopRelease(release=number):
            return point.subject in (f"release.v{number}", f"seed.v{number}")
        case "edge.apply", SetRoutes(table=table):
            return table.environment == point.subject
        case ("edge.remove", RemoveRoutes()) | ("runtime.forget", ForgetReleases()):
            return True
        case "runtime.reclaim", ForgetReleases():
            return True
        case "runtime.deliver", Deliver() | StartInstance() | RunRelease() | RunMask():
            return True  # whatever begins on another host brings what it runs from
    return _is_of_service(step, point) or _is_of_assets(step, point)


def _is_of_service(step: Step, point: Point) -> bool:
    match point.name, step:
        case "runtime.run_task", RunMask(task=task):
            return point.subject == task
        case "runtime.stop_task", RemoveService(service=service):
            return str(point.subject).startswith(f"mask.{service}.")
        case ("service.provide" | "service.clone", ProvideService()) | ("service.admit", RotateService()):
            return True
        case "service.withdraw", WithdrawLogins():
            return True
        case ("service.restore", RestoreService()) | ("service.remove", RemoveService()):
            return True
    return False


def _is_of_assets(step: Step, point: Point) -> bool:
    match point.name, step:
        case ("bucket.write" | "bucket.push", PushAssets()) | ("bucket.write" | "bucket.remove", PruneAssets()):
            return True
        case "bucket.remove", RemoveAssets():
            return True
    return False
