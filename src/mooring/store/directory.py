"""The state directory: whose it is, who may read it, and how a file in it is replaced. Must not: know what a file means."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import IO

from mooring.errors import NeedsPerson
from mooring.store.translation import translated

DATABASE = "mooring.db"
KEY = "secrets.key"
PUSH_KEYS = "push-keys.json"  # in a backup, and for a moment in a state that was restored
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


def prepare(directory: Path) -> None:
    """Make the directory if it is missing, and keep other users out. Raises NeedsPerson when it is somebody else's."""
    with translated(str(directory)):
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        _refuse_strangers(directory)
        _tighten(directory, DIRECTORY_MODE)
        for path in directory.iterdir():
            if path.name.startswith((DATABASE, KEY)) and path.is_file() and not path.is_symlink():
                _tighten(path, FILE_MODE)


def replace(path: Path, content: bytes) -> None:
    """Write beside, sync, rename: after a crash the file is the old one or the new one, whole, and readable by its owner only."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        create(beside, content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def create(path: Path, content: bytes) -> None:
    """A new synced file of mode 0600 whatever the umask; FileExistsError when something is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, FILE_MODE)
        file.write(content)
        sync(file)


def read(path: Path, *, at_most: int) -> bytes:
    """The content of a regular file that is no link, cut to `at_most` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(at_most)


def sync(file: IO[bytes]) -> None:
    """What was written to it is on disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make renames in it last over a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_strangers(directory: Path) -> None:
    owner = directory.stat().st_uid
    if owner != os.geteuid():
        raise NeedsPerson(
            f"the state directory belongs to user {owner}, and this is user {os.geteuid()}",
            hint="run mooring as the user who owns it, or name another directory",
            where=str(directory),
        )


def _tighten(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)
