"""Keys for programs and people that speak to the API from elsewhere. Must not: show one a second time."""

from __future__ import annotations

from mooring.errors import InvalidInput
from mooring.model.access import Actor, TokenRecord, token_name
from mooring.model.quantity import format_duration
from mooring.usecases.answers import TokenCreated
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import LONGEST_TOKEN_LIFE, TokenRequest


def tokens(platform: Platform, actor: Actor) -> tuple[TokenRecord, ...]:
    """All that ever were, oldest first."""
    require(actor, Permission.ADMINISTER)
    return platform.memory.tokens()


def create_token(platform: Platform, actor: Actor, request: TokenRequest) -> TokenCreated:
    """Raises InvalidName, InvalidInput when a valid one has the name, Forbidden."""
    name = token_name(request.name)
    lasting = request.expires_in
    if lasting is not None and not 1 <= lasting <= LONGEST_TOKEN_LIFE:
        raise InvalidInput(
            "the token would end too soon or too late", hint="from one second to ten years; without it, it lasts until revoked"
        )
    until = format_duration(lasting) if lasting is not None else "revoked"
    platform.allow(actor, Permission.ADMINISTER, "token create", name=name, role=request.role.value, lasting=until)
    now = platform.clock.wall()
    expires_at = now + lasting if lasting is not None else None
    record, secret = platform.memory.create_token(name, request.role, at=now, expires_at=expires_at)
    return TokenCreated(record=record, token=secret.reveal())


def revoke_token(platform: Platform, actor: Actor, name: str) -> TokenRecord:
    """Its open streams end too. Raises NotFound, Forbidden."""
    checked = token_name(name)
    platform.allow(actor, Permission.ADMINISTER, "token revoke", name=checked)
    return platform.memory.revoke_token(checked, at=platform.clock.wall())
