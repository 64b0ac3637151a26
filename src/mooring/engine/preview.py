"""What an order would do and why, touching nothing: the same planner, run ahead. Must not: build, start or record."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mooring.engine import accessories
from mooring.engine.fit import check
from mooring.engine.orders import AccessoryOrder, DeployOrder, DestroyOrder, Order, Preview, RollbackOrder
from mooring.engine.parts import Parts
from mooring.engine.promoting import promoted_artifact
from mooring.engine.provision import removals
from mooring.engine.pushing import push_of
from mooring.engine.targets import changed, placed, previewed
from mooring.errors import NotFound
from mooring.model.deployment import Phase
from mooring.model.environment import EnvironmentId
from mooring.model.instance import TaskState
from mooring.model.names import LOCAL
from mooring.model.steps import ServiceStep
from mooring.planner.accessories import Condition
from mooring.planner.forecast import forecast, gaps
from mooring.planner.goal import Goal, Progress, Wanted, at_rest


async def preview(parts: Parts, environment: EnvironmentId, order: Order, *, description: str) -> Preview:
    """Raises what would make the order impossible: ManifestInvalid, NotFound, CapacityExceeded."""
    before = parts.wanted(environment)
    try:
        target, said = await examined(parts, environment, order, before)
    finally:
        if isinstance(order, DeployOrder):
            await asyncio.to_thread(parts.workshop.drop, Path(order.archive))
    if target is not None:
        check(parts, target, before)
    current = await parts.observer.look(environment)
    now = parts.clock.monotonic()
    record = parts.memory.environment(environment)
    is_asleep = record is not None and record.is_asleep
    goal = Goal(
        environment=environment,
        target=target,
        progress=Progress(
            phase=Phase.RELEASE,
            baseline=at_rest(before, is_asleep=is_asleep),
            started_at=now,
            phase_since=now,
            release_task=_task(order, target, before, is_wanted=target is not None and bool(target.release.release_command)),
            seed_task=_task(order, target, before, is_wanted=target is not None and parts.is_seed_due(target)),
        ),
        is_maintenance=record.is_maintenance if record else False,
        may_sleep=record is not None and record.may_sleep,
        is_asleep=is_asleep,
    )
    assets = push_of(target.release, before) if target else ()
    steps = (*_of_services(parts, order, environment, target), *assets, *forecast(goal, current, now=now))
    away = await parts.edge.away(environment, target.hosts() if target else ())
    cut_off = tuple(f"the edge on {each.host} does not answer ({each.error}): no deployment begins before it does" for each in away)
    notes = (*said, *cut_off, *_unlimited(parts, target), *_notes(parts, environment, order, goal))
    return Preview(environment=environment, description=description, steps=steps, notes=notes)


async def examined(parts: Parts, environment: EnvironmentId, order: Order, before: Wanted | None) -> tuple[Wanted | None, tuple[str, ...]]:
    """What the order asks for, and the manifest's notes. What was unpacked for it stays until whoever builds, or drops it, is done.

    Raises SourceInvalid, ManifestInvalid, InvalidInput, NotFound."""
    if isinstance(order, DestroyOrder):
        return None, ()
    if isinstance(order, DeployOrder):
        source = await asyncio.to_thread(parts.workshop.unpack, Path(order.archive))
        if order.promotion is not None:
            await promoted_artifact(parts, source, order.origin, environment, order.promotion)
        wanted, notes = previewed(parts, source, order, environment, before)
        return wanted, (*notes, *_accessory_notes(parts, wanted))
    if isinstance(order, AccessoryOrder):
        return placed(parts, Wanted(release=accessories.planned(parts, order, environment, before))), ()
    if before is None:
        raise NotFound(f"{environment} runs nothing yet", hint="`mooring deploy` it first", where=str(environment))
    return changed(parts, order, environment, before, at=parts.clock.wall()), ()


def _accessory_notes(parts: Parts, wanted: Wanted) -> tuple[str, ...]:
    """What a deploy makes, and what it leaves for a person to do. Raises InvalidInput where one that is missing could not run."""
    found = accessories.judgements(parts.memory, wanted.release.environment, wanted.release.accessories)
    accessories.check_makeable(parts, wanted, found)
    return tuple(
        f"{each.reason}, once this is deployed" if each.condition is Condition.CHANGED else each.reason
        for each in found
        if each.condition is not Condition.AS_DECLARED
    )


def _unlimited(parts: Parts, target: Wanted | None) -> tuple[str, ...]:
    """Where declared processors are no more than a sum that is checked."""
    declaring = [process for process in target.release.processes if process.cpus] if target else []
    hosts = {
        host for process in declaring for host in (target.hosts_of(process) if target else ())
    } & parts.runtime.not_limiting_processors()
    names = ", ".join(process.name for process in declaring)
    if not hosts:
        return ()
    where = ", ".join("the controller's own machine" if host == LOCAL else host for host in sorted(hosts))
    return (f"cpus of {names}: the sum is checked, but nothing on {where} keeps an instance from taking more",)


def _of_services(parts: Parts, order: Order, environment: EnvironmentId, target: Wanted | None) -> tuple[ServiceStep, ...]:
    if isinstance(order, DestroyOrder):
        return removals(parts, environment) if order.services else ()
    return parts.services.missing(target.release) if target else ()


def _task(order: Order, target: Wanted | None, before: Wanted | None, *, is_wanted: bool) -> TaskState:
    """Of a command that runs once per release, before traffic moves."""
    if isinstance(order, RollbackOrder):
        return TaskState.SUCCEEDED
    is_new = target is not None and (before is None or before.release.number != target.release.number)
    return TaskState.ABSENT if is_new and is_wanted else TaskState.SUCCEEDED


def _notes(parts: Parts, environment: EnvironmentId, order: Order, goal: Goal) -> tuple[str, ...]:
    notes = list(gaps(goal))
    if (
        goal.target is not None
        and environment.accessory is None
        and not any(process.is_routed for process in goal.target.release.processes)
    ):
        notes.append("no process type is routed: the app gets no URL")
    if goal.target is not None and environment.accessory is None and goal.progress is not None and goal.progress.baseline is None:
        notes.append("nothing serves yet: until the first instance is ready, visitors see the starting page")
    if isinstance(order, DestroyOrder) and not order.services:
        kept = [record.piece.service for record in parts.memory.services(environment)]
        notes += [f"{name} stays, with all that is in it: `mooring destroy --services` removes it too" for name in kept]
    lock = parts.memory.lock(environment)
    if lock is not None:
        notes.append(f"locked by {lock.by}: a deployment is refused until the lock is taken off")
    return tuple(notes)
