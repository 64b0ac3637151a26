"""Files that are whole or absent: written beside, synced, renamed; for the owner only. Must not: know what is in them."""

from __future__ import annotations

import os
from pathlib import Path

from mooring.errors import Unavailable

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def make_directory(directory: Path) -> None:
    """The directory and its parents, 0700 where they are new. Raises Unavailable."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    except OSError as error:
        raise Unavailable(f"the directory {directory} cannot be made: {error.strerror}", where=str(directory)) from error


def write_whole(path: Path, content: bytes, *, is_synced: bool = True) -> None:
    """Replace the file in one step, on disk when this returns. Raises Unavailable; the old file is then as it was.

    Without `is_synced` it may be lost, or left empty, when the machine crashes soon after: for what is made anew then.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        _write(beside, content, is_synced=is_synced)
        beside.replace(path)
        if is_synced:
            _sync_directory(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Unavailable(
            f"the edge's file {path} cannot be written: {error.strerror}", hint="look for a full disk or lost permissions"
        ) from error


def read_whole(path: Path) -> bytes | None:
    """None when there is no such file. Raises Unavailable when it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"the edge's file {path} cannot be read: {error.strerror}") from error


def remove(path: Path) -> None:
    """Gone afterwards, whether it was there or not. Raises Unavailable."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"the edge's file {path} cannot be removed: {error.strerror}") from error


def _write(path: Path, content: bytes, *, is_synced: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, FILE_MODE)
        file.write(content)
        if is_synced:
            file.flush()
            os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
