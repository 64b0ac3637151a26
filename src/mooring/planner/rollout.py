"""What to do next for one environment: the one decision of the program. Must not: act, wait, read a clock.

no deployment   keep: what is wanted runs and is routed, nothing else does
RELEASE         run the release command once
PREPARE         start the new, leave the old alone, switch when every new one is ready
WATCH           the new serve for `bake` seconds while the old stay warm; worse → back
DRAIN           the old finish their requests and go; then the deployment succeeds
REVERT          back to the baseline, by the same rules; then it has failed, and the old release serves
"""

from __future__ import annotations

from mooring.model.deployment import Outcome, Phase
from mooring.model.health import Health
from mooring.model.instance import InstanceKey, ProcessState, TaskState
from mooring.model.policy import Policy
from mooring.model.steps import Conclude, GoBack, RunRelease, Step, StopRelease
from mooring.planner.goal import Current, Goal, Plan, Progress, Wanted
from mooring.planner.reach import Reach, Stance, reach

_BLIND = "an answer from the runtime and the edge"
_SETTLED = (Health.READY, Health.UNREADY, Health.SICK)  # they have answered once: what they answer now is their own doing
_STUCK = "it did not get there in time, and deploy.auto_revert is off: the new release stays as it is"
CRASH_LOOP = 3  # starts after the first within one deployment, before it is called a crash loop


def plan(goal: Goal, current: Current, *, now: float) -> Plan:
    """The steps that may be taken now. `now` is monotonic seconds."""
    if goal.progress is None:
        return _keep(goal, current, now=now) if current.is_known else Plan(waiting_for=_BLIND)
    if goal.progress.phase is Phase.REVERT:
        return _revert(goal.progress, goal, current, now=now)
    setback = _setback(goal, goal.progress, current, now=now)
    if setback is not None:
        return Plan(steps=(setback,), phase=Phase.REVERT)
    if _is_stuck(goal, goal.progress, now=now):
        return Plan(steps=(Conclude(outcome=Outcome.NEEDS_PERSON, reason=_STUCK),), phase=goal.progress.phase)
    if goal.target is None and now >= _destroy_until(goal.progress):
        reason = "what it runs could not be stopped, or its routes not be removed, in time"
        return Plan(steps=(Conclude(outcome=Outcome.NEEDS_PERSON, reason=reason),), phase=goal.progress.phase)
    if not current.is_known:
        return Plan(phase=goal.progress.phase, waiting_for=_BLIND)
    return _advance(goal, goal.progress, current, now=now)


def _keep(goal: Goal, current: Current, *, now: float) -> Plan:
    reached = reach(goal, current, now=now, wanted=goal.target, before=None, stance=Stance.KEEPING)
    return _as_plan(reached, phase=None)


def _advance(goal: Goal, progress: Progress, current: Current, *, now: float) -> Plan:
    if progress.phase is Phase.RELEASE:
        return _release(goal, progress, current, now=now)
    if progress.phase is Phase.PREPARE:
        reached = reach(goal, current, now=now, wanted=goal.target, before=progress.baseline, stance=Stance.PREPARING)
        done = reached.is_ready and reached.is_routed and not reached.steps
        return _as_plan(reached, phase=Phase.WATCH if done else Phase.PREPARE, deadline=_prepare_deadline(goal, progress, current))
    if progress.phase is Phase.WATCH:
        reached = reach(goal, current, now=now, wanted=goal.target, before=progress.baseline, stance=Stance.SWITCHED)
        until = progress.phase_since + bake(goal.target, progress)
        is_over = now >= until and reached.is_ready  # the old may not go while the new are not ready
        return _as_plan(reached, phase=Phase.DRAIN if is_over else Phase.WATCH, deadline=until if now < until else None)
    reached = reach(goal, current, now=now, wanted=goal.target, before=progress.baseline, stance=Stance.CLEARING)
    if reached.steps or not (reached.is_ready and reached.is_clear):
        return _as_plan(reached, phase=Phase.DRAIN)
    return Plan(steps=(Conclude(outcome=Outcome.SUCCEEDED, reason=_success(goal, progress)),), phase=Phase.DRAIN)


def bake(wanted: Wanted | None, progress: Progress) -> float:
    """Seconds to watch; none where there is no other release to go back to."""
    if wanted is None or progress.baseline is None or progress.baseline.release.number == wanted.release.number:
        return 0.0
    return wanted.release.policy.bake


def _success(goal: Goal, progress: Progress) -> str:
    if goal.target is None:
        return "nothing of it runs or is routed any more"
    before = progress.baseline.release.version if progress.baseline else ""
    same = not before or before == goal.target.release.version
    return f"{goal.target.release.version} serves" + ("" if same else f" and {before} is gone")


def _release(goal: Goal, progress: Progress, current: Current, *, now: float) -> Plan:
    """However long it takes, what serves is kept serving meanwhile."""
    if progress.task is TaskState.SUCCEEDED or goal.target is None:
        return Plan(phase=Phase.PREPARE)
    release = goal.target.release
    kept: tuple[Step, ...] = ()
    if progress.baseline is not None:
        kept = reach(goal, current, now=now, wanted=progress.baseline, before=None, stance=Stance.KEEPING).steps
    if progress.task is TaskState.ABSENT:
        return Plan(steps=(*kept, _run(goal.target, is_seed=progress.is_seeding)), phase=Phase.RELEASE)
    until = _task_until(progress, release.policy)
    return Plan(steps=kept, phase=Phase.RELEASE, waiting_for=f"the {_task_name(progress)} of {release.version}", wake_at=until)


def _run(wanted: Wanted, *, is_seed: bool) -> RunRelease:
    release = wanted.release
    command, reason = release.release_command, "runs once on the new artifact, before any traffic moves"
    if is_seed:
        command, reason = release.seed_command, "lays in the data of this review app, once"
    return RunRelease(release=release.number, command=command, reason=reason, host=wanted.first_host(), is_seed=is_seed)


def _task_name(progress: Progress) -> str:
    return "seed command" if progress.is_seeding else "release command"


def _task_until(progress: Progress, policy: Policy) -> float:
    """Monotonic time by which the command whose turn it is has ended by itself; the release command's time comes before the seed's."""
    return progress.phase_since + policy.release_timeout * (2 if progress.is_seeding else 1) + 5


def _setback(goal: Goal, progress: Progress, current: Current, *, now: float) -> GoBack | None:
    """The first reason, if any, to turn round."""
    if goal.target is None:
        return None
    if progress.is_abort_asked and progress.phase is not Phase.DRAIN:
        return GoBack(reason="somebody asked to abort it", code="aborted")
    policy = goal.target.release.policy
    if now > _until(progress, policy) and not _stays(progress, policy):
        hint = "raise deploy.progress_deadline, or find out what takes so long"
        return GoBack(reason=f"it did not get there within {policy.progress_deadline:g} s", code="not-healthy", hint=hint)
    if not current.is_known:
        return None
    if progress.phase is Phase.RELEASE:
        return _release_setback(goal.target, progress, now=now)
    if progress.phase is Phase.PREPARE:
        return _prepare_setback(goal.target, progress, current, now=now)
    if progress.phase is Phase.WATCH and policy.auto_revert and progress.baseline is not None:
        return _watch_setback(goal.target, progress, current)
    return None


def _stays(progress: Progress, policy: Policy) -> bool:
    """Without `auto_revert` what has begun to serve goes on serving: only a person takes it back."""
    return not policy.auto_revert and progress.phase in (Phase.WATCH, Phase.DRAIN)


def _is_stuck(goal: Goal, progress: Progress, *, now: float) -> bool:
    """Past its deadline where nobody may turn it round."""
    policy = goal.target.release.policy if goal.target else None
    return policy is not None and _stays(progress, policy) and now > _until(progress, policy)


def _until(progress: Progress, policy: Policy) -> float:
    """Monotonic time by which it has to be done. The old ones' draining has budgets of its own."""
    draining = _longest_drain(policy) if progress.phase is Phase.DRAIN else 0.0
    return progress.started_at + policy.progress_deadline + policy.bake + draining


def _destroy_until(progress: Progress) -> float:
    policy = progress.baseline.release.policy if progress.baseline else Policy()
    return progress.started_at + policy.progress_deadline + _longest_drain(policy)


def _longest_drain(policy: Policy) -> float:
    return max(policy.drain_timeout, policy.stream_drain_timeout) + policy.kill_timeout


def _release_setback(wanted: Wanted, progress: Progress, *, now: float) -> GoBack | None:
    policy, name = wanted.release.policy, _task_name(progress)
    if progress.task is TaskState.FAILED:
        return GoBack(reason=f"the {name} failed", code="release-command-failed", hint="its output is above; no traffic had moved")
    if progress.task is TaskState.LOST:
        hint = "see whether it did its work before you deploy again"
        return GoBack(reason=f"the {name} was started and left no exit code", code="release-command-failed", hint=hint)
    if progress.task is TaskState.RUNNING and now > _task_until(progress, policy):
        hint = "raise deploy.release_timeout, or make the command shorter"
        reason = f"the {name} did not end within {policy.release_timeout:g} s"
        return GoBack(reason=reason, code="release-command-failed", hint=hint)
    return None


def _new_instances(wanted: Wanted, progress: Progress) -> tuple[InstanceKey, ...]:
    """Those that this deployment brought: what ran before it is not its fault."""
    before = frozenset(progress.baseline.instances() if progress.baseline else ())
    return tuple(key for key in wanted.instances() if key not in before)


def _prepare_setback(wanted: Wanted, progress: Progress, current: Current, *, now: float) -> GoBack | None:
    deadline = wanted.release.policy.healthy_deadline
    for key in _new_instances(wanted, progress):
        view = current.view(key)
        if view is None or view.health is Health.READY:
            continue
        if view.state is ProcessState.BACKOFF or view.restarts >= CRASH_LOOP:
            return GoBack(reason=f"{key} dies again and again ({view.restarts} restarts)", code="not-healthy")
        since = current.started_since.get(key.slug)
        if since is not None and now - since > deadline:
            return GoBack(reason=f"{key} was not ready within {deadline:g} s", code="not-healthy")
    return None


def _prepare_deadline(goal: Goal, progress: Progress, current: Current) -> float | None:
    if goal.target is None:
        return None
    policy = goal.target.release.policy
    unready = [view.key.slug for view in current.instances if view.health is not Health.READY]
    waiting = [
        current.started_since[key.slug] + policy.healthy_deadline
        for key in _new_instances(goal.target, progress)
        if key.slug in current.started_since and key.slug in unready
    ]
    return min([*waiting, _until(progress, policy)])


def _watch_setback(wanted: Wanted, progress: Progress, current: Current) -> GoBack | None:
    if progress.regression:
        return GoBack(reason=progress.regression, code="regressed", hint="the old instances were still warm and serve again")
    for key in _new_instances(wanted, progress):
        view = current.view(key)
        if view is None or view.health in (Health.UNREADY, Health.SICK) or view.state in (ProcessState.BACKOFF, ProcessState.EXITED):
            return GoBack(reason=f"{key} was ready, and then was not any more", code="regressed")
        is_begun_anew = view.health is Health.STARTING or (view.ready_since is not None and view.ready_since > progress.phase_since)
        if view.restarts > 0 and is_begun_anew:
            return GoBack(reason=f"{key} was ready, died, and was started again", code="regressed")
    return None


def _revert(progress: Progress, goal: Goal, current: Current, *, now: float) -> Plan:
    policy = progress.baseline.release.policy if progress.baseline else None
    until = progress.phase_since + (policy.progress_deadline if policy else 60.0)
    is_over = now >= until
    if not current.is_known:
        return _give_up("the runtime and the edge gave no answer in time") if is_over else Plan(phase=Phase.REVERT, waiting_for=_BLIND)
    reached = reach(goal, current, now=now, wanted=progress.baseline, before=None, stance=Stance.KEEPING)
    is_running = TaskState.RUNNING in (progress.release_task, progress.seed_task) and goal.target is not None
    if not is_running and reached.is_clear and reached.is_routed and (reached.is_ready or _is_as_it_was(progress, current)):
        return Plan(
            steps=(Conclude(outcome=_end(progress), reason=_failure(goal, progress, is_ready=reached.is_ready)),), phase=Phase.REVERT
        )
    if is_over:
        return _give_up(_why_not_back(progress, current))
    if is_running and goal.target is not None:
        stop = StopRelease(
            release=goal.target.release.number, reason="its deployment turned round, and the next one's may not run beside it"
        )
        return Plan(steps=(stop, *reached.steps), phase=Phase.REVERT)
    return _as_plan(reached, phase=Phase.REVERT, deadline=until)


def _give_up(reason: str) -> Plan:
    return Plan(steps=(Conclude(outcome=Outcome.NEEDS_PERSON, reason=reason),), phase=Phase.REVERT)


def _why_not_back(progress: Progress, current: Current) -> str:
    hosts = sorted(current.away & {view.key.host for view in current.instances})
    if hosts and progress.baseline is not None:
        version = progress.baseline.release.version
        return f"{', '.join(hosts)} did not answer: what runs there is brought to {version} once it does; what is ready serves"
    return "the old release did not become ready again in time; what is ready goes on serving"


def _is_as_it_was(progress: Progress, current: Current) -> bool:
    """Nothing was switched, and those of the old release that are not ready are unwell by themselves."""
    if progress.was_switched or progress.baseline is None:
        return False
    views = [current.view(key) for key in progress.baseline.instances()]
    return all(
        view is not None
        and view.state is not ProcessState.STOPPING  # it was told to
        and (view.health in _SETTLED or view.state is ProcessState.BACKOFF or view.restarts >= CRASH_LOOP)
        for view in views
    )


def _end(progress: Progress) -> Outcome:
    if progress.is_abort_asked and not progress.regression:
        return Outcome.ABORTED
    return Outcome.REVERTED if progress.was_switched else Outcome.FAILED


def _failure(goal: Goal, progress: Progress, *, is_ready: bool) -> str:
    if progress.baseline is None:
        return "nothing served before, and nothing does now"
    version = progress.baseline.release.version
    if goal.is_asleep:
        return f"{version} sleeps again, and wakes when somebody comes"
    if not is_ready:
        return f"{version} is as it was: not healthy before this deployment either"
    return f"{version} serves again" if progress.was_switched else f"{version} still serves, as if nothing had happened"


def _as_plan(reached: Reach, *, phase: Phase | None, deadline: float | None = None) -> Plan:
    times = [time for time in (reached.wake_at, deadline) if time is not None]
    return Plan(steps=reached.steps, phase=phase, waiting_for=reached.waiting_for, wake_at=min(times, default=None))
