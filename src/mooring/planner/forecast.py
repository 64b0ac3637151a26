"""What a goal would lead to if all went well: the planner, run against a world of its own making. Must not: touch the real one."""

from __future__ import annotations

from typing import assert_never

import msgspec

from mooring.errors import NeedsPerson
from mooring.model.deployment import Phase
from mooring.model.health import Health
from mooring.model.instance import InstanceKey, InstanceView, ProcessState, TaskState
from mooring.model.routing import EndpointState
from mooring.model.steps import (
    Conclude,
    Deliver,
    ForgetReleases,
    GoBack,
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
from mooring.planner.goal import Current, Goal
from mooring.planner.replace import is_in_place
from mooring.planner.rollout import plan

_LONGEST = 10_000  # looks, far above what any rollout of a host needs


def forecast(goal: Goal, current: Current, *, now: float) -> tuple[Step, ...]:
    """All steps of the deployment in `goal.progress`, in order, if every start becomes ready and every request ends."""
    taken: list[Step] = []
    current = _well(current, now=now)
    for _ in range(_LONGEST):
        decided = plan(goal, current, now=now)
        for step in decided.steps:
            taken.append(step)
            if isinstance(step, (Conclude, GoBack)):
                return tuple(taken)
            goal, current = _applied(step, goal, current, now=now)
        goal, now = _moved_on(goal, decided.phase, now=now, wake_at=decided.wake_at, is_idle=not decided.steps)
    raise NeedsPerson("the plan finds no end", hint="this is a defect of Mooring: please report the manifest that led to it")


def gaps(goal: Goal) -> tuple[str, ...]:
    """Sentences for process types that cannot be replaced without a moment in which fewer run, and why."""
    if goal.target is None or goal.progress is None or goal.progress.baseline is None or goal.is_asleep:
        return ()
    notes = []
    for process in goal.target.release.processes:
        if is_in_place(process, goal.target) and goal.progress.baseline.release.process(process.name):
            why = "it must never run twice (single = true)" if process.is_single else "deploy.max_surge is 0"
            held = "; requests are held meanwhile" if process.is_routed else ""
            notes.append(f"{process.name}: the old one stops before the new one starts, because {why}: expect a gap{held}")
    return tuple(notes)


def _moved_on(goal: Goal, phase: Phase | None, *, now: float, wake_at: float | None, is_idle: bool) -> tuple[Goal, float]:
    assert goal.progress is not None  # a forecast is of a deployment
    if phase is not None and phase is not goal.progress.phase:
        return msgspec.structs.replace(goal, progress=msgspec.structs.replace(goal.progress, phase=phase, phase_since=now)), now
    return goal, max(now, wake_at) if is_idle and wake_at is not None else now


def _well(current: Current, *, now: float) -> Current:
    """The present as it would be if all were healthy: a forecast is of the plan, not of luck."""
    return msgspec.structs.replace(
        current, instances=tuple(_ready(view.key, view.port, now=now) for view in current.instances), is_known=True
    )


def _ready(key: InstanceKey, port: int, *, now: float) -> InstanceView:
    return InstanceView(key=key, state=ProcessState.RUNNING, port=port, health=Health.READY, ready_since=now - 3600)


def _applied(step: Step, goal: Goal, current: Current, *, now: float) -> tuple[Goal, Current]:
    match step:
        case RunRelease(is_seed=is_seed):
            return _with_progress(goal, **{"seed_task" if is_seed else "release_task": TaskState.SUCCEEDED}), current
        case StopRelease():
            return _with_progress(goal, release_task=TaskState.FAILED), current
        case StartInstance(instance=key):
            process = goal.target.release.process(key.process) if goal.target else None
            port = 1 if process and process.is_routed else 0
            return goal, msgspec.structs.replace(current, instances=(*current.instances, _ready(key, port, now=now)))
        case SetRoutes(table=table, is_switch=is_switch):
            draining = {
                end.instance.slug: now - 3600 for route in table.routes for end in route.endpoints if end.state is EndpointState.DRAINING
            }
            seen = msgspec.structs.replace(current, table=table, draining_since=draining, in_flight={}, streams={})
            return (_with_progress(goal, was_switched=True) if is_switch else goal), seen
        case StopInstance(instance=key):
            left = tuple(view for view in current.instances if view.key != key)
            return goal, msgspec.structs.replace(current, instances=left)
        case RemoveRoutes():
            return goal, msgspec.structs.replace(current, table=None)
        case ProvideService() | RunMask() | RotateService() | WithdrawLogins() | RestoreService() | RemoveService():
            return goal, current
        case PushAssets() | PruneAssets() | RemoveAssets():
            return goal, current
        case Deliver() | RestartInstance() | ForgetReleases() | Conclude() | GoBack():
            return goal, current
        case _:
            assert_never(step)


def _with_progress(goal: Goal, **changes: object) -> Goal:
    assert goal.progress is not None  # a forecast is of a deployment
    return msgspec.structs.replace(goal, progress=msgspec.structs.replace(goal.progress, **changes))
