"""What happened and what happens. Must not: change anything, or hold more than a page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event
from mooring.model.names import DeploymentId
from mooring.usecases.deployments import find_deployment
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

MOST = 5000
_PAGE = 1000


def events(platform: Platform, actor: Actor, *, after: int, environment: EnvironmentId | None, limit: int) -> tuple[Event, ...]:
    """Stored ones, oldest first: behind the sequence `after`, or when that is negative the newest that many."""
    require(actor, Permission.SEE)
    if not 1 <= limit <= MOST or after < -MOST:
        raise InvalidInput("limit or after is out of range", hint=f"limit is 1 to {MOST}; after is a sequence, or at least -{MOST}")
    behind = after if after >= 0 else _behind_newest(platform, environment, count=-after)
    return platform.memory.events(after=behind, environment=environment, limit=limit)


def follow_events(platform: Platform, actor: Actor, *, after: int, environment: EnvironmentId | None) -> AsyncIterator[Event]:
    """Stored ones behind `after`, then new ones as they come."""
    require(actor, Permission.SEE)
    return platform.controller.follow(after=after, environment=environment)


def follow_deployment(platform: Platform, actor: Actor, deployment: str, *, after: int) -> AsyncIterator[Event]:
    """Those of one deployment, until it has ended. Raises NotFound."""
    found = find_deployment(platform, actor, deployment)
    if found.outcome is not None:
        return _stored(platform, found.id, after=after)
    return platform.controller.follow(after=after, deployment=found.id)


async def _stored(platform: Platform, deployment: DeploymentId, *, after: int) -> AsyncIterator[Event]:
    """All there are: an ended deployment gets no more, and old ones may have been forgotten."""
    while page := platform.memory.events(after=after, deployment=deployment, limit=_PAGE):
        for event in page:
            after = event.sequence
            yield event


def _behind_newest(platform: Platform, environment: EnvironmentId | None, *, count: int) -> int:
    """The sequence behind which there are `count` events: the memory reads forwards only, so it is found by halving."""

    def has(behind: int, *, at_least: int) -> bool:
        return len(platform.memory.events(after=behind, environment=environment, limit=at_least)) == at_least

    if not has(0, at_least=count):
        return 0
    low, high = 0, 1
    while has(high, at_least=1):
        low, high = high, high * 2
    low = 0 if not has(low, at_least=count) else low
    while high - low > 1:  # behind `low` there are enough, behind `high` too few
        middle = (low + high) // 2
        low, high = (middle, high) if has(middle, at_least=count) else (low, middle)
    return low
