"""Keeps the access log bounded: the full file is renamed, the oldest removed. Must not: tell the proxy, or compress."""

from __future__ import annotations

from pathlib import Path

from mooring.errors import Unavailable


def segments(path: Path) -> list[Path]:
    """The current file and the older ones, newest first, as far as they are there."""
    found = [path, *(each for number in range(1, 100) if (each := _older(path, number)).exists())]
    return [each for each in found if each.exists()]


def rotate(path: Path, *, largest: int, kept: int) -> bool:
    """Make room when the current file has `largest` bytes, keeping `kept` older ones; whether it was full.

    The proxy writes to the renamed file until it is told to reopen. Raises Unavailable.
    """
    try:
        if not path.exists() or path.stat().st_size < largest:
            return False
        for number in range(max(kept, 1), 0, -1):
            newer = _older(path, number - 1) if number > 1 else path
            if newer.exists():
                newer.replace(_older(path, number))
    except OSError as error:
        raise Unavailable(f"the edge's access log {path} cannot be rotated: {error.strerror}") from error
    return True


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
