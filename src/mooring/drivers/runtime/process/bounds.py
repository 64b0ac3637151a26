"""What a confined program may reach of the file system, as its record on disk holds it. Must not: ask the kernel for anything.

All that others may read it may read too, and run, but for what is hidden; it may write to its own alone, and to what all programs share.
"""

from __future__ import annotations

import os

import msgspec

from mooring.drivers.runtime.process import landlock, record

SHARED = ("/tmp", "/var/tmp")  # noqa: S108 - where programs expect to write
_KEYS = {"hidden": landlock.HIDDEN, "shared": landlock.SHARED, "own": landlock.OWN, "shown": landlock.SHOWN}  # in a record


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute paths. `shared` may be written but for what is hidden of it; `own` written, and `shown` read, though it is hidden."""

    hidden: tuple[str, ...]
    shared: tuple[str, ...] = SHARED
    own: tuple[str, ...]
    shown: tuple[str, ...] = ()


def pairs(bounds: Bounds) -> record.Pairs:
    return [(key, os.fsencode(path)) for name, key in _KEYS.items() for path in getattr(bounds, name)]


def read_bounds(found: record.Pairs) -> Bounds | None:
    """Of a record in which other things may stand too; None where nothing is to be hidden."""
    paths = {name: tuple(os.fsdecode(path) for each, path in found if each == key) for name, key in _KEYS.items()}
    return Bounds(**paths) if paths["hidden"] else None
