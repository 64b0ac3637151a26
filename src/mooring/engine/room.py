"""Room for review apps on their hosts: others are put to sleep for one, or it waits until something has gone. Every wait has an end.

Must not: put to sleep what is no review app, is visited or is being deployed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from mooring.engine import accessories
from mooring.engine.fit import check_room, counted_in, roomiest, usage_for
from mooring.engine.parts import Parts, revision_of
from mooring.engine.targets import placed
from mooring.engine.waits import LONGEST_WAIT, note_waiting
from mooring.errors import CapacityExceeded, DriverError, LeaseHeld
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.names import HostId
from mooring.planner.disk import check_disk
from mooring.planner.goal import Wanted
from mooring.planner.review import ReviewApp, review_apps
from mooring.planner.room import LEAST_IDLE, may_give_way, need_of, sleepers

_LOOK_EVERY = 2.0  # seconds between two looks for it
_TRY_EVERY = 15.0  # seconds after an accessory that found no room after all


async def make_room(parts: Parts, wanted: Wanted, before: Wanted | None, *, sleep: Callable[[EnvironmentId, str], None]) -> str:
    """Empty where there is room now, else why there is not yet. `sleep` puts one to sleep, and is told why. Raises Unavailable."""
    await parts.observer.look(wanted.release.environment)
    try:
        check_room(parts, wanted, before)
    except CapacityExceeded as error:
        chosen = await _sleepers(parts, wanted, before)
        for environment in chosen:
            sleep(environment, f"{wanted.release.environment} needs room, and it has been idle for longest")
        return error.message
    return ""


async def await_room(parts: Parts, wanted: Wanted, before: Wanted | None, *, reclaim: Callable[[], Awaitable[object]]) -> Wanted:
    """Where it has room: as it was to be placed, or elsewhere in its regions. Of a review app, with its accessories counted in and before
    anything of it is made; others are judged when they are to start. `reclaim`: where a disk has none, what nobody may want any more goes
    first.

    Raises CapacityExceeded at the end, InvalidInput where it could not reach its accessories, and what `Services.missing` raises.
    """
    environment = wanted.release.environment
    record = parts.memory.environment(environment)
    if record is None or record.review is None:
        return wanted
    until, is_reclaimed = parts.clock.monotonic() + LONGEST_WAIT, False
    copied = await parts.services.copied_here(wanted.release)
    try:
        while True:
            held = parts.held_room(environment)
            wanted, crowded = roomiest(parts, wanted, before, held=frozenset(held))
            accessories.check_reached(parts, wanted)
            usage = usage_for(parts, environment)
            whole = counted_in(parts, wanted, usage)
            lack = _lack_of_disk(parts, whole, copied)
            if lack and not is_reclaimed:
                is_reclaimed = True
                await reclaim()
                continue
            why = lack or await parts.make_room(wanted, before)
            if not why and not crowded:
                return wanted
            why = why or f"nothing new is placed on {', '.join(sorted(crowded))}"
            regions = {host.name: host.region for host in parts.memory.hosts()}
            need = None if accessories.is_bound(parts, wanted.release) else need_of(usage.counted(whole), crowded, regions)
            note_waiting(parts, environment, why, need=need)
            if parts.clock.monotonic() >= until:
                hint = _hint(is_declared=not usage.words(whole))
                raise CapacityExceeded(f"there was no room for 30 minutes: {why}", hint=hint, where=str(environment))
            await parts.clock.sleep(_LOOK_EVERY)
    finally:
        note_waiting(parts, environment, "")


async def provide_accessories(
    parts: Parts, deployment: Deployment, *, make_room: Callable[[], Awaitable[Wanted]], reclaim: Callable[[], Awaitable[object]]
) -> Wanted:
    """As `make_room` has found room for it, with its accessories there. Where one of a review app found no room after all, room is sought
    again: others may have been quicker, or its image takes more disk than there is.

    Raises CapacityExceeded at the end, and what `accessories.provide` raises.
    """
    until = parts.clock.monotonic() + LONGEST_WAIT
    while True:
        wanted = await make_room()
        try:
            await accessories.provide(parts, wanted, deployment)
        except CapacityExceeded as error:
            record = parts.memory.environment(deployment.environment)
            if record is None or record.review is None or parts.clock.monotonic() >= until:
                raise
            await _wait_for(parts, deployment.environment, error.message, reclaim=reclaim)
        else:
            return wanted


async def _wait_for(parts: Parts, environment: EnvironmentId, why: str, *, reclaim: Callable[[], Awaitable[object]]) -> None:
    """A while, on record, once what nobody may want any more has gone."""
    note_waiting(parts, environment, why)
    try:
        await reclaim()
        await parts.clock.sleep(_TRY_EVERY)
    finally:
        note_waiting(parts, environment, "")


def held_by(held: Mapping[HostId, EnvironmentId], wanted: Wanted) -> str:
    """Why it lets another go first that has waited for longer; empty where it need not. `held`: by whom each host is."""
    other = next((held[host] for host in wanted.hosts() if host in held), None)
    return f"{other} has waited for longer and goes first" if other is not None else ""


def _lack_of_disk(parts: Parts, wanted: Wanted, copied: int) -> str:
    """Why the disks do not do; empty where they do."""
    try:
        check_disk(wanted, free=parts.free_disk(), copied=copied)
    except CapacityExceeded as error:
        return error.message
    return ""


def _hint(*, is_declared: bool) -> str:
    """What to do where there was no room. `is_declared`: all memory that it counts as."""
    hint = "`mooring review ls` shows those that could go; `mooring review down BRANCH` takes one down"
    return hint if is_declared else f"{hint}; `memory` below [review.processes.NAME] says what it needs"


async def _sleepers(parts: Parts, wanted: Wanted, before: Wanted | None) -> tuple[EnvironmentId, ...]:
    """What goes already is not counted as there, so that not more go than have to."""

    def fits(gone: frozenset[EnvironmentId]) -> bool:
        try:
            check_room(parts, wanted, before, without=gone, is_settled=True)
        except CapacityExceeded:
            return False
        return True

    records = [record for record in parts.memory.environments() if record.review is not None]
    busy = {each.environment for each in parts.memory.unfinished_deployments()}
    apps = [
        each
        for app in sorted({record.environment.app for record in records})
        for each in review_apps(records, app, busy=busy)
        if each.environment != wanted.release.environment
    ]
    now = parts.clock.wall()
    idle = [each for each in apps if may_give_way(each, now=now) and not await _is_visited(parts, each, now)]
    return sleepers(idle, fits=fits)


async def _is_visited(parts: Parts, app: ReviewApp, now: float) -> bool:
    """By the edge's own word, within the least time that one has to be idle."""
    try:
        traffic = await parts.edge.traffic(app.environment, since=now - LEAST_IDLE, until=now)
        return bool(traffic.last_at) or any(each.in_flight or each.streams for each in await parts.edge.observe(app.environment))
    except DriverError:
        return True  # what cannot be seen is not known to be idle


def move_sleepers(parts: Parts, host: HostId) -> None:
    """Those that are placed on it and sleep are placed elsewhere: there they wake. Raises InvalidInput where they have no other place,
    Refused where a stranger's code would not be kept apart there, LeaseHeld while one of them is being deployed, Unavailable.
    """
    for record in parts.memory.environments():
        wanted = parts.wanted(record.environment) if record.is_asleep else None
        if wanted is None or host not in wanted.hosts():
            continue
        if parts.unfinished(record.environment):
            raise LeaseHeld(f"{record.environment}, which slept there, is being deployed", hint="it goes on when that has ended")
        parts.memory.save_environment(msgspec.structs.replace(record, revision=revision_of(placed(parts, wanted))))
