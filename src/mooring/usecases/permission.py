"""Who may ask for what: three rights, each reached by the roles from one upward. Must not: know a route."""

from __future__ import annotations

import enum

from mooring.errors import Forbidden
from mooring.model.access import Actor, Role


class Permission(enum.Enum):
    """What a use case asks of its caller; the value is the least role that has it."""

    SEE = Role.VIEWER  # everything but secrets and the audit log
    CHANGE = Role.DEPLOYER  # deploy, roll back, scale, restart, config, secrets, run, exec, lock
    ADMINISTER = Role.ADMIN  # destroy, tokens, keys, backups, certificates of one's own


def require(actor: Actor, permission: Permission) -> None:
    """Raises Forbidden, naming the role that is needed."""
    needed: Role = permission.value
    if not actor.role.reaches(needed):
        hint = f"a token with the role {needed.value} may; an admin makes one with `mooring token create`"
        raise Forbidden(f"{actor.name} has the role {actor.role.value}, and this takes {needed.value}", hint=hint)
