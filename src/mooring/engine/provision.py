"""Steps that concern services, taken until they are done for certain: each may be repeated. Must not: touch what is there already."""

from __future__ import annotations

from mooring.engine.hands import Hands
from mooring.engine.orders import RotateOrder, decode_order
from mooring.engine.parts import Parts
from mooring.errors import Unavailable
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Lease
from mooring.model.release import Release
from mooring.model.steps import AssetStep, RemoveService, RotateService, RunMask, ServiceStep, WithdrawLogins

TRIES = 4  # with a server that does not answer, or whose answer was lost
_HINT = "nothing was touched that serves; `mooring service servers` shows whether the server answers"
_UNMASKED = "the copy is there, not masked, and nobody is given it; the next deployment removes it first, or `mooring service rm` does"
_PAUSE = 0.5  # seconds before the second try, twice as long before each one after it


async def provide(parts: Parts, release: Release, deployment: Deployment, lease: Lease) -> None:
    """What the release declares and is not there yet, but for what a command is to mask; and the login that the order asks for.

    Raises InvalidInput and as `done`."""
    hands = Hands(parts, lease, deployment.id)
    await remove_unmasked(parts, hands)
    order = decode_order(deployment.order)
    if isinstance(order, RotateOrder):
        await done(parts, hands, RotateService(service=order.service, reason="a new password was asked for"))
    for step in parts.services.missing(release):
        if not step.mask_command:
            await done(parts, hands, step)


async def remove_unmasked(parts: Parts, hands: Hands) -> None:
    """What an attempt has left that did not come to its end. Raises what `done` raises."""
    for record in parts.services.unmasked(hands.mark.environment):
        reason = "the command that masks this copy has not succeeded: nobody may see it"
        await done(parts, hands, RemoveService(service=record.piece.service, reason=reason), hint=_UNMASKED)


async def withdraw_old(parts: Parts, hands: Hands) -> None:
    """After a deployment that has started every instance anew: nothing uses an older login. Raises what `done` raises."""
    for record in parts.services.rotated(hands.mark.environment):
        step = WithdrawLogins(service=record.piece.service, reason="everything that runs uses the new one")
        await done(parts, hands, step)


async def remove_all(parts: Parts, hands: Hands) -> None:
    """Raises what `done` raises."""
    for step in removals(parts, hands.mark.environment):
        await done(parts, hands, step)


def removals(parts: Parts, environment: EnvironmentId) -> tuple[RemoveService, ...]:
    """Of all that an environment owns."""
    reason = f"{environment} is destroyed, with its services"
    return tuple(RemoveService(service=record.piece.service, reason=reason) for record in parts.memory.services(environment))


async def done(parts: Parts, hands: Hands, step: ServiceStep | RunMask | AssetStep, *, tries: int = TRIES, hint: str = _HINT) -> None:
    """Raises what the server refuses; Unavailable where it does not do it."""
    for attempt in range(tries):
        if attempt:
            await parts.clock.sleep(_PAUSE * 2 ** (attempt - 1))
        hands.trouble = ""
        await hands.apply(step)
        if not hands.trouble:
            return
    raise Unavailable(f"{step}: {hands.trouble}", hint=hint, where=str(hands.mark.environment))
