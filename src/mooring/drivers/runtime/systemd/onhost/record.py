"""Small records on disk: JSON, written beside, synced and renamed, for their owner only. Must not: know what a record means."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any


class Failed(Exception):
    """What the controller is told: `kind` is one of its own errors. Certainly nothing was done."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint


def make_directory(path: str, mode: int = 0o700) -> None:
    """With its parents, which everybody may walk through."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_directory(parent, 0o755)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        os.chmod(path, mode)


def write(path: str, value: Any) -> None:
    write_whole(path, json.dumps(value).encode())


def write_whole(path: str, content: bytes, mode: int = 0o600) -> None:
    """Whole or not at all; it survives a loss of power once this returns."""
    beside = f"{path}.{os.getpid()}.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except BaseException:
        os.unlink(beside)
        raise
    finally:
        os.close(descriptor)
    os.rename(beside, path)
    sync(os.path.dirname(path))


def read(path: str) -> dict[str, Any]:
    """Empty when there is none, or it cannot be read any more."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Held by the kernel, so it ends with its holder."""
    import fcntl

    make_directory(os.path.dirname(path))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
