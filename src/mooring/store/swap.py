"""Exchanging two directories in one step, as Linux can. Must not: fall back to two renames, between which there is no state."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_FROM_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE, source: renameat2(2)


def exchange(one: Path, other: Path) -> None:
    """Raises OSError, with nothing changed; both must be on one file system that can do it."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, "this system cannot exchange directories in one step")
    if call(_FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other), ctypes.c_uint(_EXCHANGE)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(other))
