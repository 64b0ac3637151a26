"""What an image says of itself, and of which layers it consists. Must not: connect."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mooring.drivers.runtime import shell

_ROOT = ("", "root", "0")


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """`layers` are digests of their content, lowest first; `size` in bytes; `ports` those of TCP that it says it listens on."""

    id: str
    platform: str  # linux/amd64
    argv: tuple[str, ...]
    user: str
    ports: tuple[int, ...]
    layers: tuple[str, ...]
    size: int
    tags: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Its own command as a line for a shell."""
        return shlex.join(self.argv)

    @property
    def is_root(self) -> bool:
        return self.user.partition(":")[0] in _ROOT

    def argv_of(self, command: str) -> tuple[str, ...]:
        """Its own command as it is, without a shell, which it may not have; any other line as a shell's."""
        return self.argv if command == self.command else shell.argv(command)

    def port_inside(self, published: int) -> int:
        """Where an app is to listen: on the one port that the image names, else on the same number as outside."""
        return self.ports[0] if len(self.ports) == 1 else published


def image(inspected: Mapping[str, Any]) -> Image:
    """Of the engine's answer about an image. Source: Docker Engine API 1.41, ImageInspect."""
    config = inspected.get("Config") or {}
    variant = f"/{inspected['Variant']}" if inspected.get("Variant") else ""
    return Image(
        id=str(inspected["Id"]),
        platform=f"{inspected.get('Os', 'linux')}/{inspected.get('Architecture', '')}{variant}",
        argv=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        user=str(config.get("User") or ""),
        ports=tuple(sorted(int(port.partition("/")[0]) for port in config.get("ExposedPorts") or {} if port.endswith("/tcp"))),
        layers=tuple((inspected.get("RootFS") or {}).get("Layers") or ()),
        size=int(inspected.get("Size") or 0),
        tags=tuple(familiar(tag) for tag in inspected.get("RepoTags") or ()),
    )


def familiar(tag: str) -> str:
    """As Docker says it, which leaves away where a name of one word is understood to be."""
    return tag.removeprefix("docker.io/library/")


def shared(layers: tuple[str, ...], others: Iterable[tuple[str, ...]]) -> int:
    """How many of these layers, from the lowest, another image has too: an engine keeps a layer by all those below it."""
    return max((_common(layers, other) for other in others), default=0)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def layer_sizes(history: Iterable[Mapping[str, Any]], count: int) -> tuple[int, ...]:
    """Bytes of each of `count` layers, lowest first, from the engine's history, newest first. A step that made no layer has no bytes."""
    sizes = [int(step.get("Size") or 0) for step in history]
    told = [size for size in reversed(sizes) if size]
    return tuple(told) if len(told) == count else tuple([sum(sizes) // count] * count) if count else ()
