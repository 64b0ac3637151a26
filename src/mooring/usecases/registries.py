"""Registries of images that want to know who asks. Must not: show a password again, or reach a registry."""

from __future__ import annotations

from mooring.errors import InvalidInput, NotFound
from mooring.model.access import Actor
from mooring.model.registry import Registry, checked
from mooring.model.secret import Secret
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import LARGEST_PASSWORD, RegistryRequest


def registries(platform: Platform, actor: Actor) -> tuple[Registry, ...]:
    """By name, without their passwords."""
    require(actor, Permission.SEE)
    return platform.memory.registries()


def add_registry(platform: Platform, actor: Actor, request: RegistryRequest) -> Registry:
    """Used from the next build and the next delivery on; in the place of what was known of it. Raises InvalidInput, Forbidden."""
    require(actor, Permission.ADMINISTER)
    wished = Registry(host=request.host, username=request.username, images=request.images, added_at=platform.clock.wall())
    registry = checked(wished)
    if not 1 <= len(request.password.encode("utf-8", "surrogatepass")) <= LARGEST_PASSWORD:
        raise InvalidInput(f"a password has 1 to {LARGEST_PASSWORD:,} bytes", hint="a token of the registry's does as well")
    other = next((each for each in platform.memory.registries() if each.images and each.host != registry.host), None)
    if registry.images and other is not None:
        hint = f"`mooring registry add {other.host} --username {other.username}` without --images first"
        raise InvalidInput(f"images reach hosts through {other.host}/{other.images} already", hint=hint)
    platform.allow(actor, Permission.ADMINISTER, "registry add", host=registry.host, username=registry.username, images=registry.images)
    platform.memory.save_registry(registry, Secret(request.password))
    platform.secrets.changed(None)
    return registry


def remove_registry(platform: Platform, actor: Actor, name: str) -> Registry:
    """Raises NotFound, Forbidden."""
    require(actor, Permission.ADMINISTER)
    registry = next((each for each in platform.memory.registries() if each.host == name), None)
    if registry is None:
        raise NotFound(f"there is no registry {name[:100]}", hint="`mooring registry ls` lists them")
    platform.allow(actor, Permission.ADMINISTER, "registry remove", host=registry.host)
    platform.memory.forget_registry(registry.host)
    return registry
