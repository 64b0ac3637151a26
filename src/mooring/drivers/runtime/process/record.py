"""Small records on disk that carry every byte: NUL-separated KEY=VALUE, written beside and renamed, readable by their owner only.

Read by the launcher before each start of an instance, so nothing is imported here but os (json alone would cost 14 ms).
Must not: know what a record means.
"""

from __future__ import annotations

import _thread
import os

Pairs = list[tuple[bytes, bytes]]


def write(path: str, pairs: Pairs) -> None:
    """Whole or not at all. Raises ValueError for what cannot be carried: a NUL, or a key that is empty or holds `=`."""
    write_whole(path, encoded(pairs))


def write_whole(path: str, content: bytes, *, is_synced: bool = False) -> None:
    """Whole or not at all; synced: it survives a loss of power once this returns."""
    beside = f"{path}.{os.getpid()}.{_thread.get_native_id()}.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        if is_synced:
            os.fsync(descriptor)
    except BaseException:
        os.unlink(beside)  # noqa: PTH108 - pathlib costs 10 ms at each start
        raise
    finally:
        os.close(descriptor)
    os.rename(beside, path)  # noqa: PTH104 - likewise


def make_directory(path: str) -> None:
    """With its parents, where they are missing; for their owner only."""
    if not path or os.path.isdir(path):  # noqa: PTH112 - pathlib costs 10 ms at each start
        return
    make_directory(os.path.dirname(path))  # noqa: PTH120 - likewise
    try:
        os.mkdir(path, 0o700)  # noqa: PTH102 - likewise
    except FileExistsError:
        return


def encoded(pairs: Pairs) -> bytes:
    for key, value in pairs:
        if not key or b"=" in key or b"\0" in key or b"\0" in value:
            raise ValueError(f"{key!r} cannot be carried")
    return b"".join(key + b"=" + value + b"\0" for key, value in pairs)


def read(path: str) -> Pairs:
    """Empty when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        content = _all_of(descriptor)
    finally:
        os.close(descriptor)
    return [_pair(entry) for entry in content.split(b"\0") if entry]


def fields(path: str) -> dict[str, str]:
    """For records whose keys differ and whose values are text."""
    return {os.fsdecode(key): os.fsdecode(value) for key, value in read(path)}


def write_fields(path: str, values: dict[str, str]) -> None:
    write(path, [(os.fsencode(key), os.fsencode(value)) for key, value in values.items()])


def _pair(entry: bytes) -> tuple[bytes, bytes]:
    key, _, value = entry.partition(b"=")
    return key, value


def _all_of(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)
