"""What the manifest may say about building, and the limits a build runs under. Must not: know a builder."""

from __future__ import annotations

import msgspec


class BuildLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes. `memory` is per process of the build."""

    timeout: float = 900.0
    memory: int = 4_000_000_000
    output_bytes: int = 10_000_000


class BuildConfinement(msgspec.Struct, frozen=True, kw_only=True):
    """That the commands of a build are kept from what is not their environment's, which `slug` names.

    `hidden`: directories in which others have files, as absolute paths."""

    slug: str
    hidden: tuple[str, ...] = ()


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says about building. `builder` empty: detect. `variables` are plain build-time settings, never secrets."""

    builder: str = ""
    root: str = ""  # directory inside the source that holds the app
    command: str = ""  # replaces the builder's own build step
    static_directory: str = ""  # what the static builder serves
    python_version: str = ""
    image: str = ""  # an image that was built elsewhere, with its digest
    dockerfile: str = ""  # its path in the source
    target: str = ""  # the stage of the Dockerfile to build
    secrets: tuple[str, ...] = ()  # names of those that steps of the Dockerfile may mount
    platform: str = ""  # of the hosts that are to run it, `linux/arm64`; empty: not known
    variables: dict[str, str] = {}
    limits: BuildLimits = BuildLimits()
