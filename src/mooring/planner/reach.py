"""From what runs to what is wanted, whatever the cause: the steps that may be taken now. Must not: know deadlines or deployments.

Deploying, going back, scaling, healing after a crash and after a reboot all call this one function.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from mooring.model.health import Health
from mooring.model.instance import InstanceKey, InstanceView
from mooring.model.policy import Policy
from mooring.model.routing import RouteTable
from mooring.model.steps import RemoveRoutes, RestartInstance, SetRoutes, StartInstance, Step, StopInstance
from mooring.planner.goal import Current, Goal, Wanted
from mooring.planner.replace import Replacement, is_in_place, replace_in_place, replace_start_first
from mooring.planner.routes import active_keys, describe_change, routed_keys, table_for

SETTLE = 0.1  # seconds an endpoint must have been draining before 0 in flight is believed


class Stance(enum.Enum):
    """Who serves while not all that is wanted is ready, and when the rest may go."""

    PREPARING = "preparing"  # the old serve, untouched, until all wanted are ready; then all at once
    SWITCHED = "switched"  # the wanted serve; the old drain but stay warm
    CLEARING = "clearing"  # the wanted serve; the old drain and go, as long as all wanted are ready
    KEEPING = "keeping"  # whoever is wanted and ready serves at once; the rest goes once all are, but for those on hosts that are away


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """`is_ready`: every wanted instance is. `is_routed`: the edge has the table it should. `is_clear`: nothing else runs."""

    steps: tuple[Step, ...]
    is_ready: bool
    is_routed: bool
    is_clear: bool
    waiting_for: str
    wake_at: float | None = None


def reach(goal: Goal, current: Current, *, now: float, wanted: Wanted | None, before: Wanted | None, stance: Stance) -> Reach:
    """The steps towards `wanted`. `before` is what served until now (PREPARING); times are monotonic seconds."""
    replacements = _replacements(wanted, current, stance=stance, now=now)
    keys = frozenset(wanted.instances()) if wanted else frozenset[InstanceKey]()
    all_ready = all(replacement.is_ready for replacement in replacements)
    leaving = frozenset(key for replacement in replacements for key in replacement.leaving)
    is_preparing = stance is Stance.PREPARING and not all_ready
    source = before if is_preparing and before else wanted
    serving = _serving(current, wanted, replacements, before=before, stance=stance) - leaving
    table = table_for(goal, current, release=source.release if source else None, serving=serving)
    others = tuple(view for view in current.instances if view.key not in keys)
    is_early = stance in (Stance.PREPARING, Stance.SWITCHED) or (stance is Stance.CLEARING and not all_ready)
    may_go = leaving if is_early else frozenset(view.key for view in others)
    stops, waits = _stops(current, others, may_go=may_go, still_active=active_keys(table), policy_of=_policies(wanted, before), now=now)
    kept = (keys | frozenset(before.instances() if before and stance is Stance.PREPARING else ())) - leaving
    restarts, sick = _restarts(current, kept, policy_of=_policies(wanted, before), now=now) if stance is not Stance.SWITCHED else ((), {})
    starts = tuple(StartInstance(instance=key, reason=_why_start(key, others)) for each in replacements for key in each.start)
    routing = _routing(current, table, keys=keys, is_switch=stance is Stance.PREPARING and all_ready)
    return Reach(
        steps=(*starts, *routing, *stops, *restarts),
        is_ready=all_ready,
        is_routed=not routing,
        is_clear=not others,
        waiting_for=_waiting_for(current, keys, waits, all_ready=all_ready),
        wake_at=min((*waits.values(), *sick.values()), default=None),
    )


def _policies(wanted: Wanted | None, before: Wanted | None) -> Callable[[InstanceKey], Policy]:
    """An instance is stopped by its own release's policy where that is known."""
    known = {each.release.number: each.release.policy for each in (wanted, before) if each}
    fallback = next(iter(known.values()), Policy())
    return lambda key: known.get(key.release, fallback)


def _replacements(wanted: Wanted | None, current: Current, *, stance: Stance, now: float) -> tuple[Replacement, ...]:
    """In-place ones are last, and begin only when all start-first ones are ready: what cannot be undone quietly comes late.

    Where nothing new is to come (KEEPING) they do not wait for hosts that are away.
    """
    if wanted is None:
        return ()
    processes = wanted.release.processes
    first = tuple(replace_start_first(each, wanted, current, now=now) for each in processes if not is_in_place(each, wanted))
    last = tuple(replace_in_place(each, wanted, current, now=now) for each in processes if is_in_place(each, wanted))
    is_keeping = stance is Stance.KEEPING
    if all(each.is_ready or (is_keeping and _is_ready_elsewhere(each, current)) for each in first):
        return first + last
    return first + tuple(msgspec.structs.replace(each, start=(), leaving=frozenset()) for each in last)


def _serving(
    current: Current, wanted: Wanted | None, replacements: tuple[Replacement, ...], *, before: Wanted | None, stance: Stance
) -> frozenset[InstanceKey]:
    """Who should get requests, if ready."""
    keys = frozenset(wanted.instances()) if wanted else frozenset[InstanceKey]()
    if stance in (Stance.SWITCHED, Stance.CLEARING) or all(replacement.is_ready for replacement in replacements):
        return keys
    routed = tuple(replacement for replacement in replacements if replacement.process.is_routed)
    if stance is Stance.KEEPING and all(_is_ready_elsewhere(each, current) for each in routed):
        return keys | _substitutes(routed, current)
    active = active_keys(current.table) | frozenset(key for replacement in replacements for key in replacement.staying)
    if stance is Stance.KEEPING:
        return keys | active
    in_place = {replacement.process.name for replacement in replacements if replacement.is_in_place}
    early = frozenset(key for key in keys if key.process in in_place)
    return frozenset(before.instances() if before else ()) | active | early


def _is_ready_elsewhere(replacement: Replacement, current: Current) -> bool:
    """Whether only hosts that are away keep it from being whole; of what is routed, some has to serve."""
    serves = not replacement.process.is_routed or len(replacement.unready) < replacement.count
    return not replacement.unready or (serves and all(key.host in current.away for key in replacement.unready))


def _substitutes(replacements: tuple[Replacement, ...], current: Current) -> frozenset[InstanceKey]:
    """Who serves on a host that is away in place of one that cannot be brought up there: it may be heard where the host is not."""
    places = {(key.process, key.host) for replacement in replacements for key in replacement.unready}
    return frozenset(key for key in active_keys(current.table) if (key.process, key.host) in places)


def _routing(current: Current, table: RouteTable | None, *, keys: frozenset[InstanceKey], is_switch: bool) -> tuple[Step, ...]:
    if table is None:
        return (RemoveRoutes(reason="nothing of this environment is routed any more"),) if current.table is not None else ()
    if table == current.table and current.is_agreed:
        return ()
    gains = active_keys(table) - active_keys(current.table)
    reason = _why_route(current, gains=gains, keys=keys, is_switch=is_switch)
    return (SetRoutes(table=table, summary=describe_change(current.table, table), reason=reason, is_switch=is_switch),)


def _why_route(current: Current, *, gains: frozenset[InstanceKey], keys: frozenset[InstanceKey], is_switch: bool) -> str:
    if not keys:
        return "nothing of it should run any more"
    if is_switch:
        return "every wanted instance is ready"
    if not gains and not current.is_agreed:
        return "not all edges have the same routes"
    if current.table is None and not gains:
        return "visitors wait for the first ready instance instead of finding nothing"
    if gains & keys:
        return "ready instances may serve"
    return "the edge points at ready instances only"


def _why_start(key: InstanceKey, others: tuple[InstanceView, ...]) -> str:
    if any(view.key.process == key.process for view in others):
        return f"v{key.release} needs {key.process}.{key.slot} before the old one may go"
    return f"v{key.release} wants {key.process}.{key.slot} running"


def _stops(
    current: Current,
    others: tuple[InstanceView, ...],
    *,
    may_go: frozenset[InstanceKey],
    still_active: frozenset[InstanceKey],
    policy_of: Callable[[InstanceKey], Policy],
    now: float,
) -> tuple[tuple[Step, ...], dict[str, float]]:
    """Stops for those that have no traffic left, and until when each of the rest may still drain (by slug, monotonic)."""
    going = [view for view in others if view.key in may_go and view.key not in still_active]
    steps: list[Step] = []
    waits: dict[str, float] = {}
    for view in going:
        drained = _drain_state(view.key, current, policy=policy_of(view.key), now=now)
        if isinstance(drained, str):
            steps.append(StopInstance(instance=view.key, grace=policy_of(view.key).kill_timeout, reason=drained))
        else:
            waits[view.key.slug] = drained
    return tuple(steps), waits


def _restarts(
    current: Current, kept: frozenset[InstanceKey], *, policy_of: Callable[[InstanceKey], Policy], now: float
) -> tuple[tuple[Step, ...], dict[str, float]]:
    """Those that live but are sick begin anew, once they have no traffic left; and until when each of the rest may still drain."""
    steps: list[Step] = []
    waits: dict[str, float] = {}
    for view in current.instances:
        if view.health is not Health.SICK or view.key not in kept:
            continue
        drained = _drain_state(view.key, current, policy=policy_of(view.key), now=now)
        if isinstance(drained, str):
            reason = f"{view.key} runs but failed its liveness check"
            steps.append(RestartInstance(instance=view.key, grace=policy_of(view.key).kill_timeout, reason=reason))
        else:
            waits[view.key.slug] = drained
    return tuple(steps), waits


def _drain_state(key: InstanceKey, current: Current, *, policy: Policy, now: float) -> str | float:
    """Why it may stop now, or the monotonic time to look again at the latest."""
    if key not in routed_keys(current.table):
        return f"{key} gets no requests"
    since = current.draining_since.get(key.slug)
    if key in active_keys(current.table) or since is None:
        return now + SETTLE
    requests, streams = current.in_flight.get(key.slug, 0), current.streams.get(key.slug, 0)
    deadlines = [since + SETTLE]
    deadlines += [since + policy.drain_timeout] if requests else []
    deadlines += [since + policy.stream_drain_timeout] if streams else []
    if max(deadlines) > now:
        return max(deadlines)
    left = _flying(requests, streams)
    return f"{key} still has {left} in flight, but its drain budget is spent" if left else f"{key} has 0 requests in flight"


def _flying(requests: int, streams: int) -> str:
    """`2 requests and 1 stream`; empty for none."""
    counts = [(requests, "request"), (streams, "stream")]
    return " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)


def _waiting_for(current: Current, keys: frozenset[InstanceKey], waits: dict[str, float], *, all_ready: bool) -> str:
    if waits:
        slugs = {view.key.slug: str(view.key) for view in current.instances}
        flying = {
            name: _flying(current.in_flight.get(slug, 0), current.streams.get(slug, 0)) for slug, name in slugs.items() if slug in waits
        }
        return "draining " + ", ".join(f"{name} ({left or 0} in flight)" for name, left in flying.items())
    if not all_ready:
        unready = [str(key) for key in sorted(keys) if (view := current.view(key)) is None or view.health is not Health.READY]
        return "waiting for " + (", ".join(unready) or "the minimum healthy time")
    return ""
