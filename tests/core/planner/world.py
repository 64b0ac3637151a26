"""A small world for the planner: applies steps, lets instances live and die as drawn, and checks the laws at every step.

Virtual time, no chance of its own: whatever may go either way is asked of `choose`, which Hypothesis answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from mooring.model.deployment import Outcome, Phase
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, Checks, Health
from mooring.model.instance import InstanceKey, InstanceView, ProcessState, TaskState
from mooring.model.names import AppName, ArtifactId, EnvironmentName, Hostname, ProcessName
from mooring.model.policy import Policy
from mooring.model.release import Artifact, ProcessType, Release, Source
from mooring.model.routing import EndpointState, RouteTable
from mooring.model.steps import Conclude, GoBack, RemoveRoutes, RestartInstance, RunRelease, SetRoutes, StartInstance, Step, StopInstance
from mooring.planner.goal import Current, Goal, Progress, Wanted
from mooring.planner.replace import is_in_place
from mooring.planner.rollout import plan
from mooring.planner.routes import active_keys

SHOP = EnvironmentId(app=AppName("shop"), environment=EnvironmentName("production"))
CHECKS = Checks(startup=Check(), readiness=Check())
TICK = 0.05
REQUESTS_DRAIN, STREAMS_DRAIN = 0.3, 0.6  # seconds


def process(name: str, *, count: int = 1, single: bool = False) -> ProcessType:
    return ProcessType(name=ProcessName(name), command=f"run {name}", count=count, is_routed=name == "web", is_single=single, checks=CHECKS)


def release(number: int, *processes: ProcessType, policy: Policy | None = None, command: str = "") -> Release:
    return Release(
        environment=SHOP,
        number=number,
        artifact=Artifact(id=ArtifactId(f"a{number}"), builder="procfile", reason="", directory="/nowhere", size=1),
        source=Source(digest=f"d{number}"),
        config_version=0,
        processes=processes,
        hostnames=(Hostname("shop.localhost"),),
        policy=policy or Policy(drain_timeout=REQUESTS_DRAIN, stream_drain_timeout=STREAMS_DRAIN),
        release_command=command,
    )


@dataclass
class World:
    target: Wanted
    baseline: Wanted | None
    choose: Callable[[str, list[object]], object] = lambda _, options: options[0]
    broken: frozenset[int] = frozenset()  # release numbers whose instances never become ready
    now: float = 1000.0
    views: dict[InstanceKey, InstanceView] = field(default_factory=dict)
    table: RouteTable | None = None
    in_flight: dict[str, int] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    task: TaskState = TaskState.SUCCEEDED
    task_runs: int = 0
    progress: Progress | None = None
    outcome: Outcome | None = None
    started: dict[str, float] = field(default_factory=dict)
    draining: dict[str, float] = field(default_factory=dict)
    truly_draining: dict[str, float] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """The baseline serves, healthy; a deployment to the target starts."""
        for key in self.baseline.instances() if self.baseline else ():
            self.views[key] = InstanceView(
                key=key, state=ProcessState.RUNNING, port=self._port(key), health=Health.READY, ready_since=self.now - 100
            )
        keeping = Goal(environment=SHOP, target=self.baseline)
        for _ in range(3):
            for step in plan(keeping, self.current(), now=self.now).steps:
                self.apply(step)
        has_command = bool(self.target.release.release_command)
        self.task = TaskState.ABSENT if has_command else TaskState.SUCCEEDED
        self.progress = Progress(started_at=self.now, phase_since=self.now, baseline=self.baseline, release_task=self.task)

    def goal(self) -> Goal:
        if self.progress is None:
            return Goal(environment=SHOP, target=self.target if self.outcome is Outcome.SUCCEEDED else self.baseline)
        return Goal(environment=SHOP, target=self.target, progress=msgspec.structs.replace(self.progress, release_task=self.task))

    def current(self) -> Current:
        return Current(
            instances=tuple(self.views.values()),
            table=self.table,
            in_flight=dict(self.in_flight),
            streams=dict(self.streams),
            started_since=dict(self.started),
            draining_since=dict(self.draining),
        )

    def tick(self, *, calm: bool) -> None:
        self.now += TICK
        self._live(calm=calm)
        before = self.progress
        decided = plan(self.goal(), self.current(), now=self.now)
        for step in decided.steps:
            fate = "done" if calm else self.choose("fate", ["done", "done", "done", "never happened", "answer lost"])
            if fate == "never happened":
                self._controller_restarts()
                return
            self.apply(step)
            if fate == "answer lost":
                self._controller_restarts()
                return
        if self.progress is before and before is not None and decided.phase is not None and decided.phase is not before.phase:
            self.progress = msgspec.structs.replace(before, phase=decided.phase, phase_since=self.now)

    def apply(self, step: Step) -> None:
        self.history.append(f"{self.now:.2f} {type(step).__name__} {getattr(step, 'instance', '')} {getattr(step, 'summary', '')}")
        match step:
            case RunRelease():
                assert self.task is TaskState.ABSENT, "law 5: the release command runs once"
                assert all(key.release != self.target.release.number for key in active_keys(self.table)), "law 5: before traffic moves"
                self.task_runs += 1
                self.task = TaskState.RUNNING
            case StartInstance(instance=key):
                self._start(key)
            case SetRoutes(table=table, is_switch=is_switch):
                self._route(table)
                if is_switch and self.progress:
                    self.progress = msgspec.structs.replace(self.progress, was_switched=True)
            case StopInstance(instance=key):
                self._stop(key)
            case RemoveRoutes():
                assert not active_keys(self.table), "law 2: active endpoints are drained before their routes go"
                self.table = None
            case GoBack():
                assert self.progress is not None
                self.progress = msgspec.structs.replace(self.progress, phase=Phase.REVERT, phase_since=self.now)
            case Conclude(outcome=outcome):
                wanted = self.target if outcome is Outcome.SUCCEEDED else self.baseline
                assert frozenset(self.views) == frozenset(wanted.instances() if wanted else ()), f"law 4: {outcome} with others left"
                self.outcome, self.progress = outcome, None
            case RestartInstance():
                pass

    def _start(self, key: InstanceKey) -> None:
        kind = self._process(key)
        if kind.is_single:
            assert not [view for view in self.views if view.process == key.process], f"law 6: {key.process} would run twice"
        if key not in self.views:
            self.views[key] = InstanceView(key=key, state=ProcessState.RUNNING, port=self._port(key), health=Health.STARTING)
            self.started[key.slug] = self.now

    def _route(self, table: RouteTable) -> None:
        was = active_keys(self.table)
        will = active_keys(table)
        for key in will:
            view = self.views[key]
            assert view.health is Health.READY or (view.health is Health.UNKNOWN and key in was), f"law 2: {key} is not ready"
        self._check_enough(was, will)
        for route in table.routes:
            for end in route.endpoints:
                if end.state is EndpointState.DRAINING:
                    self.draining.setdefault(end.instance.slug, self.now)
                    self.truly_draining.setdefault(end.instance.slug, self.now)
                else:
                    self.draining.pop(end.instance.slug, None)
                    self.truly_draining.pop(end.instance.slug, None)
        self.table = table

    def _check_enough(self, was: frozenset[InstanceKey], will: frozenset[InstanceKey]) -> None:
        for kind in self.target.release.processes:
            old = self.baseline.release.process(kind.name) if self.baseline else None
            if not kind.is_routed or old is None or self.baseline is None or (is_in_place(kind, self.target) and kind.is_single):
                continue
            desired = min(self.target.count(kind), self.baseline.count(old))
            allowed = max(
                wanted.release.policy.max_unavailable.of(desired, rounding_up=False) if is_in_place(kind, wanted) else 0
                for wanted in (self.target, self.baseline)
            )
            could = sum(1 for key in was if key.process == kind.name and self.views[key].health in (Health.READY, Health.UNKNOWN))
            left = sum(1 for key in will if key.process == kind.name)
            assert left >= min(could, desired - allowed), (
                f"law 1: {left} of {kind.name} left, {could} were possible, {desired} desired\n" + self.story()
            )

    def story(self) -> str:
        """What led here, for a failure's message."""
        views = [f"{view.key} {view.state.value} {view.health.value} restarts={view.restarts}" for view in self.views.values()]
        return "\n".join([*self.history[-25:], f"phase {self.progress.phase if self.progress else None}", *views])

    def _stop(self, key: InstanceKey) -> None:
        assert key not in active_keys(self.table), f"law 2: {key} gets requests and would be stopped"
        self._check_untouched(key)
        since = self.truly_draining.get(key.slug)
        for word, flying, budget in (("requests", self.in_flight, REQUESTS_DRAIN), ("streams", self.streams, STREAMS_DRAIN)):
            if count := flying.get(key.slug, 0):
                assert since is not None
                drained = self.now - since
                assert drained >= budget - TICK, f"law 3: {key} has {count} {word} and {drained:.2f} s of their budget"
        for left in (self.views, self.in_flight, self.streams, self.started, self.draining, self.truly_draining):
            left.pop(key if left is self.views else key.slug, None)  # type: ignore[arg-type, call-overload]

    def _check_untouched(self, key: InstanceKey) -> None:
        """Nothing of the old release is stopped before every new one is ready and was watched, but for what is replaced in place."""
        if self.progress is None or self.progress.phase not in (Phase.RELEASE, Phase.PREPARE, Phase.WATCH):
            return
        kind = self.target.release.process(key.process)
        assert kind is not None, f"all or none: {key} is stopped early"
        assert is_in_place(kind, self.target), f"all or none: {key} is stopped early"

    def _live(self, *, calm: bool) -> None:
        if self.task is TaskState.RUNNING:
            ends = [TaskState.SUCCEEDED] if calm else [TaskState.SUCCEEDED, TaskState.RUNNING, TaskState.FAILED]
            self.task = self.choose("task", list(ends))  # type: ignore[assignment]
        for key, view in list(self.views.items()):
            self.views[key] = self._lived(view, calm=calm)
            self._traffic(key, calm=calm)

    def _lived(self, view: InstanceView, *, calm: bool) -> InstanceView:
        broken = view.key.release in self.broken
        event = "well" if calm else self.choose("life", ["well", "well", "well", "slow", "crashes", "unready"])
        if broken or event == "crashes":
            dies = broken and self.now - self.started.get(view.key.slug, self.now) > 0.3
            restarts = view.restarts + (1 if dies or event == "crashes" else 0)
            return msgspec.structs.replace(view, health=Health.STARTING, ready_since=None, restarts=min(restarts, 3 if broken else 2))
        if event == "unready":
            return msgspec.structs.replace(view, health=Health.UNREADY, ready_since=None)
        if event == "slow" or view.health is Health.READY:
            return view
        return msgspec.structs.replace(view, health=Health.READY, ready_since=self.now)

    def _traffic(self, key: InstanceKey, *, calm: bool) -> None:
        for word, flying in (("requests", self.in_flight), ("streams", self.streams)):
            count = flying.get(key.slug, 0)
            if key in active_keys(self.table) and not calm:
                flying[key.slug] = self.choose(word, [0, 1, 5])  # type: ignore[assignment]
            elif count:
                flying[key.slug] = count - 1 if calm else self.choose("finish", [count, count - 1])  # type: ignore[assignment]

    def _controller_restarts(self) -> None:
        """Marks in its memory are lost; what is recorded, and the world, stay. Health has to be asked anew."""
        self.started = dict.fromkeys(self.started, self.now)
        self.draining = dict.fromkeys(self.draining, self.now)
        self.views = {
            key: msgspec.structs.replace(view, health=Health.UNKNOWN if view.health is Health.READY else view.health, ready_since=None)
            for key, view in self.views.items()
        }
        if self.progress:
            self.progress = msgspec.structs.replace(self.progress, started_at=self.now, phase_since=self.now)

    def _process(self, key: InstanceKey) -> ProcessType:
        releases = [wanted.release for wanted in (self.target, self.baseline) if wanted and wanted.release.number == key.release]
        found = releases[0].process(key.process)
        assert found is not None
        return found

    def _port(self, key: InstanceKey) -> int:
        return 20000 + key.slot + 100 * key.release if self._process(key).is_routed else 0
