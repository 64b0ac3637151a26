"""For whom requests wait, told by an empty file each: the rooms make them, the edge's driver takes them. Must not: know a proxy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mooring.model.environment import EnvironmentId


def note(directory: Path, slug: str) -> None:
    """Somebody waits for it. A disk that is full costs the word alone: whoever waits goes on waiting."""
    with suppress(OSError):
        os.close(os.open(directory / slug, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def forget(directory: Path, slug: str) -> None:
    """It is routed no more: who waited for it has got an answer."""
    with suppress(OSError):
        (directory / slug).unlink(missing_ok=True)


def taken(directory: Path, known: Iterable[EnvironmentId]) -> frozenset[EnvironmentId]:
    """Those that were noted since this was asked last."""
    try:
        files = list(directory.iterdir())
    except OSError:
        return frozenset()
    for file in files:
        file.unlink(missing_ok=True)
    names = {file.name for file in files}
    return frozenset(environment for environment in known if environment.slug in names) if names else frozenset()
