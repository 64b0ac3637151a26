"""Keys that may `git push` to this platform. Must not: let a key do anything else."""

from __future__ import annotations

from mooring.model.access import Actor
from mooring.model.names import app_name
from mooring.model.push_key import PushKey, public_key, push_key_name
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import PushKeyRequest


def push_keys(platform: Platform, actor: Actor) -> tuple[PushKey, ...]:
    """In the order in which they were added."""
    require(actor, Permission.ADMINISTER)
    return platform.push_keys.listed()


def add_push_key(platform: Platform, actor: Actor, request: PushKeyRequest) -> PushKey:
    """Raises InvalidName, InvalidInput for what is no key or known already, Forbidden."""
    name = push_key_name(request.name)
    key = public_key(request.public_key)
    apps = tuple(app_name(app) for app in request.apps)
    said = " ".join(apps) or "all"
    platform.allow(actor, Permission.ADMINISTER, "key add", name=name, fingerprint=key.fingerprint, apps=said)
    return platform.push_keys.add(name, key, apps=apps)


def remove_push_key(platform: Platform, actor: Actor, name: str) -> PushKey:
    """A push that goes on is not ended. Raises NotFound, Forbidden."""
    checked = push_key_name(name)
    platform.allow(actor, Permission.ADMINISTER, "key rm", name=checked)
    return platform.push_keys.remove(checked)
