"""A registry of images that wants to know who asks: its name, and as whom to come. Must not: reach it."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from mooring.errors import InvalidInput
from mooring.model.names import schema_pattern
from mooring.model.secret import Secret

HUB = "docker.io"
"""Where a reference leads that names no registry."""

_HUB_ADDRESS = "https://index.docker.io/v1/"
_HOST = re.compile(r"\A[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?\Z")
_USERNAME = re.compile(r"\A[^\s:\x00-\x1f\x7f]{1,200}\Z")
_REPOSITORY = re.compile(r"\A[a-z0-9]+(?:[._/-][a-z0-9]+)*\Z")
REGISTRY_PATTERN = schema_pattern(_HOST)


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """`host` as references of images begin with it. `images`: the repository through which images built here reach hosts; empty: not so."""

    host: str
    username: str
    images: str = ""
    added_at: float = 0.0


class RegistryLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A registry with the password for it."""

    registry: Registry
    password: Secret

    @property
    def address(self) -> str:
        """What engines and the program docker keep its password under: Docker Hub has one of old."""
        return _HUB_ADDRESS if self.registry.host == HUB else self.registry.host


Logins = Callable[[], tuple[RegistryLogin, ...]]
"""As they are now: whoever fetches or pushes asks each time."""


def nobody() -> tuple[RegistryLogin, ...]:
    """Where no registry wants to know who asks."""
    return ()


def registry_host(text: str) -> str:
    """`registry.example` or `registry.example:5000`. Raises InvalidInput."""
    if not _HOST.match(text) or not is_host(text):
        raise InvalidInput(f"{text[:100]!r} is no registry", hint="name it as images do: ghcr.io, registry.example:5000, docker.io")
    return text


def checked(registry: Registry) -> Registry:
    """Raises InvalidInput."""
    registry_host(registry.host)
    if not _USERNAME.match(registry.username):
        raise InvalidInput("that is no name of an account", hint="1 to 200 characters without spaces and colons")
    if registry.images and (len(registry.images) > 200 or not _REPOSITORY.match(registry.images)):
        raise InvalidInput(f"{registry.images[:100]!r} is no repository", hint="write it without the registry and without a tag: team/apps")
    return registry


def is_host(word: str) -> bool:
    """Whether the first part of a reference is a registry, and not somebody's name at Docker Hub. Source: distribution/reference."""
    return "." in word or ":" in word or word == "localhost"


def registry_of(reference: str) -> str:
    """The registry to which a reference leads; empty for the id of an image, which leads nowhere."""
    if reference.startswith("sha256:"):
        return ""
    first, slash, _ = reference.partition("/")
    return first if slash and is_host(first) else HUB


def login_for(reference: str, logins: tuple[RegistryLogin, ...]) -> RegistryLogin | None:
    """As whom to fetch it; None: as nobody."""
    return next((each for each in logins if each.registry.host == registry_of(reference)), None)
