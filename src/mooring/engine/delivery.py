"""Brings a release's artifact to every host that will run it, all at once, before anything is started anywhere. Must not: start anything.

All or none begins here: a host or an edge that cannot be reached, or a host that has no room, ends the deployment while nothing has
been touched.
"""

from __future__ import annotations

import asyncio

from mooring.engine.hands import Hands
from mooring.engine.parts import Parts
from mooring.errors import Unavailable
from mooring.model.deployment import Deployment
from mooring.model.lease import Lease
from mooring.model.names import LOCAL, HostId
from mooring.model.steps import Deliver
from mooring.planner.goal import Wanted

_TRIES = 5  # with a host that does not answer, or whose answer was lost: what is there already is not sent again
_PAUSE = 0.5  # seconds before the second try, twice as long before each one after it


async def deliver(parts: Parts, wanted: Wanted, deployment: Deployment, lease: Lease) -> int:
    """Bytes that were sent. Raises what the first host that could not take it said: CapacityExceeded, InvalidInput, Unavailable."""
    hosts = [host for host in wanted.hosts() if host != LOCAL]
    await _edges_answer(parts, deployment, hosts)
    hands = Hands(parts, lease, deployment.id)
    results = await asyncio.gather(*(_to(hands, parts, wanted, host) for host in hosts), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(delivery.sent for delivery in hands.deliveries.values())


async def _edges_answer(parts: Parts, deployment: Deployment, hosts: list[HostId]) -> None:
    """All that would have to switch. Raises Unavailable."""
    for attempt in range(1, _TRIES + 1):
        away = await parts.edge.away(deployment.environment, hosts)
        if not away:
            return
        if attempt < _TRIES:
            await parts.clock.sleep(_PAUSE * 2 ** (attempt - 1))
    first = away[0]
    hint = f"`mooring host check {first.host}` says more; all edges of an app switch together, and nothing was touched"
    raise Unavailable(f"the edge on {first.host} does not answer: {first.error}", hint=hint, where=first.host)


async def _to(hands: Hands, parts: Parts, wanted: Wanted, host: HostId) -> None:
    step = Deliver(host=host, release=wanted.release.number, reason=f"{wanted.release.version} is to run there")
    for attempt in range(1, _TRIES + 1):
        await hands.apply(step)
        if host in hands.deliveries:
            return
        if attempt < _TRIES:
            await parts.clock.sleep(_PAUSE * 2 ** (attempt - 1))
    hint = f"`mooring host check {host}` says more; nothing was touched, and what served still serves"
    raise Unavailable(f"{wanted.release.version} could not be brought to {host}", hint=hint, where=host)
