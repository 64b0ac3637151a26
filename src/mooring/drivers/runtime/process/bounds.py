"""What a confined program may reach of the file system, as its record on disk holds it. Must not: ask the kernel for anything.

All that others may read it may read too, and run, but for what is hidden; it may write to its own alone, and to what all programs share.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from mooring.drivers.runtime.process import landlock, record

_DEVICES = "/dev"
_HARMLESS = ("null", "zero", "full", "random", "urandom", "tty", "shm", "mqueue")
SHARED = ("/tmp", "/var/tmp")  # noqa: S108 - where programs expect to write
_KEYS = {"hidden": landlock.HIDDEN, "shared": landlock.SHARED, "own": landlock.OWN, "shown": landlock.SHOWN}  # in a record


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute paths. `shared` may be written but for what is hidden of it; `own` written, and `shown` read, though it is hidden."""

    hidden: tuple[str, ...]
    shared: tuple[str, ...] = SHARED
    own: tuple[str, ...]
    shown: tuple[str, ...] = ()


def bounds_of(*, hidden: Sequence[str], own: Sequence[str], shown: Sequence[str]) -> Bounds:
    """With what is the same for all: the devices are hidden, but for the harmless ones."""
    devices = (f"{_DEVICES}/{name}" for name in _HARMLESS)
    return Bounds(hidden=(*hidden, _DEVICES), own=(*own, *devices), shown=tuple(shown))


def pairs(bounds: Bounds) -> record.Pairs:
    return [(key, os.fsencode(path)) for name, key in _KEYS.items() for path in getattr(bounds, name)]


def read_bounds(found: record.Pairs) -> Bounds | None:
    """Of a record in which other things may stand too; None where nothing is to be hidden."""
    paths = {name: tuple(os.fsdecode(path) for each, path in found if each == key) for name, key in _KEYS.items()}
    return Bounds(**paths) if paths["hidden"] else None
