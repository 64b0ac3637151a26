"""Variables whose values nobody is shown again. Must not: log, answer with, or compare a value."""

from __future__ import annotations

from mooring.errors import InvalidInput, NotFound
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.names import variable_name
from mooring.model.records import Answering
from mooring.model.secret import Secret
from mooring.usecases.answers import ConfigChange
from mooring.usecases.config import apply_changes, version_in_force
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform


def set_secret(
    platform: Platform, actor: Actor, environment: EnvironmentId, name: str, value: bytes, *, answering: Answering | None = None
) -> ConfigChange:
    """The bytes reach the process as they are. Raises InvalidName, InvalidInput, LeaseHeld, Forbidden."""
    require(actor, Permission.CHANGE)
    checked = variable_name(name)
    if not value:
        raise InvalidInput(f"the value of {checked} is empty", hint=f"`mooring secret unset {checked}` removes it")
    secret = Secret(value.decode("utf-8", "surrogateescape"))
    what = f"secret set {checked}"
    return apply_changes(platform, actor, environment, changes={checked: secret}, unset=frozenset(), what=what, answering=answering)


def unset_secret(
    platform: Platform, actor: Actor, environment: EnvironmentId, name: str, *, answering: Answering | None = None
) -> ConfigChange:
    """Raises NotFound when there is no such secret; LeaseHeld, Forbidden."""
    require(actor, Permission.CHANGE)
    checked = variable_name(name)
    platform.existing(environment)
    present = platform.memory.config(environment, version_in_force(platform, environment))
    if not isinstance(present.get(checked), Secret):
        raise NotFound(f"{environment} has no secret {checked}", hint="`mooring secret ls` names them")
    what = f"secret unset {checked}"
    return apply_changes(platform, actor, environment, changes={}, unset=frozenset([checked]), what=what, answering=answering)
