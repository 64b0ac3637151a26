"""How many instances of each process type run. Must not: know which process types there are; the engine does."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.engine.orders import ScaleOrder
from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.names import process_name
from mooring.model.records import Answering
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform
from mooring.usecases.requests import MOST_INSTANCES


async def scale(
    platform: Platform, actor: Actor, environment: EnvironmentId, counts: Mapping[str, int], *, answering: Answering | None = None
) -> Deployment:
    """Raises InvalidInput, InvalidName, NotFound, LeaseHeld, Forbidden."""
    order = scale_order(counts)
    platform.allow(actor, Permission.CHANGE, "scale", environment, **{str(name): str(count) for name, count in order.counts.items()})
    platform.existing(environment)
    await platform.controller.examine(environment, order)
    return platform.controller.submit(environment, order, by=actor.name, answering=answering)


def scale_order(counts: Mapping[str, int]) -> ScaleOrder:
    """Names and counts checked; raises InvalidInput, InvalidName."""
    if not counts:
        raise InvalidInput("no process type is named", hint="write it like web=3")
    for name, count in counts.items():
        if not 0 <= count <= MOST_INSTANCES:
            raise InvalidInput(f"{name}={count}: a count is 0 to {MOST_INSTANCES}", hint=f"{name}=0 stops it")
    return ScaleOrder(counts={process_name(name): count for name, count in counts.items()})
