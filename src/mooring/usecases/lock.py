"""A person's wish that nothing be deployed for now. Must not: stop what is under way."""

from __future__ import annotations

from mooring.errors import InvalidInput, LeaseHeld
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Lock
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform

_LONGEST_REASON = 500


def lock(platform: Platform, actor: Actor, environment: EnvironmentId, *, reason: str) -> Lock:
    """Locking one's own lock changes its reason. Raises LeaseHeld when it is another's, NotFound, InvalidInput, Forbidden."""
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise InvalidInput("the reason is too long or holds control characters", hint=f"one line of at most {_LONGEST_REASON} characters")
    platform.allow(actor, Permission.CHANGE, "lock", environment, reason=reason)
    platform.existing(environment)
    held = platform.memory.lock(environment)
    if held is not None and held.by != actor.name:
        hint = "ask them, or take it off with `mooring unlock`"
        raise LeaseHeld(f"{environment} is locked by {held.by} already: {held.reason or 'no reason given'}", hint=hint)
    made = Lock(environment=environment, by=actor.name, reason=reason, since=held.since if held else platform.clock.wall())
    platform.memory.save_lock(made)
    return made


def unlock(platform: Platform, actor: Actor, environment: EnvironmentId) -> None:
    """Taking off a lock that is not there changes nothing. Raises NotFound, Forbidden."""
    platform.allow(actor, Permission.CHANGE, "unlock", environment)
    platform.existing(environment)
    platform.memory.remove_lock(environment)
