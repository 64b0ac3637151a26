"""Waits of review apps, each on record with its reason and with an end: for room, and for disk. Must not: make room by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from mooring.engine.parts import Parts
from mooring.errors import CapacityExceeded
from mooring.model.capacity import Need
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind

Result = TypeVar("Result")
LONGEST_WAIT = 1800.0  # seconds in which a deployment waits for room
_TRY_EVERY = 15.0  # seconds between two tries of what the disk did not take


def note_waiting(parts: Parts, environment: EnvironmentId, why: str, *, need: Need | None = None) -> None:
    """On record, for whoever looks at it; told once, not with each look, though the numbers in it change. `need`: of one more host."""
    record = parts.memory.environment(environment)
    if record is None or record.review is None or (record.review.waiting, record.review.need) == (why, need):
        return
    is_news = bool(why) != bool(record.review.waiting)
    since = parts.clock.wall() if is_news else record.review.waiting_since
    parts.mark_review(environment, waiting=why, waiting_since=since if why else 0.0, need=need)
    if is_news:
        message = f"it waits for room: {why}" if why else "it waits for room no more"
        parts.announcer.say(EventKind.ENVIRONMENT_CHANGED, environment=environment, what="review", message=message)


async def with_disk(
    parts: Parts, environment: EnvironmentId, effect: Callable[[], Awaitable[Result]], *, reclaim: Callable[[], Awaitable[object]]
) -> Result:
    """What `effect` gives, when the disk takes it. For a review app what nobody may want any more goes first (`reclaim`), then it waits.

    Raises CapacityExceeded at the end; at once for what is no review app.
    """
    record = parts.memory.environment(environment)
    if record is None or record.review is None:
        return await effect()
    began, tries = parts.clock.monotonic(), 0
    try:
        while True:
            try:
                return await effect()
            except CapacityExceeded as error:
                lack = error
            if parts.clock.monotonic() - began >= LONGEST_WAIT:
                raise CapacityExceeded(f"there was no disk for 30 minutes: {lack.message}", hint=lack.hint, where=lack.where) from lack
            await reclaim()
            tries += 1
            if tries > 1:
                note_waiting(parts, environment, lack.message)
                await parts.clock.sleep(_TRY_EVERY)
    finally:
        note_waiting(parts, environment, "")
