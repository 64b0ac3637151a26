"""A source tree as content: its digest, its size, copying and removing it. Must not: follow a symbolic link.

The digest covers each file's path, whether it is executable, and its bytes; each link's path and target. Empty directories, owners
and times are left out, as git leaves them out: so a commit and an equal working tree have one digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

CHUNK = 1 << 20
FILES_SYNCED_ONE_BY_ONE = 5000  # above that, syncing everything at once is quicker (0.2 ms a file, measured)


class TreeEntry(msgspec.Struct, frozen=True, order=True):
    """One file or link. `kind` is `f` (file), `x` (executable file) or `l` (link); `content` the SHA-256 of its bytes or target."""

    path: bytes
    kind: str
    content: bytes


def digest_of(entries: Iterable[TreeEntry]) -> str:
    """One digest (64 hex digits) for all entries, in whatever order they come. Lengths are written first: no two trees read alike."""
    total = hashlib.sha256()
    for entry in sorted(entries):
        total.update(f"{entry.kind}{len(entry.path)}:".encode() + entry.path + entry.content)
    return total.hexdigest()


def kind_of(mode: int) -> str:
    """`f`, `x` or `l` of a file mode."""
    if stat.S_ISLNK(mode):
        return "l"
    return "x" if mode & 0o100 else "f"


def tree_digest(root: Path) -> str:
    """Read the whole tree below `root`."""
    return digest_of(_entry(root, path) for path in walk(root))


def walk(root: Path) -> Iterator[Path]:
    """Every file and link below `root`, links not followed."""
    for directory, names, files in os.walk(root):
        here = Path(directory)
        yield from (here / name for name in files)
        yield from (here / name for name in names if (here / name).is_symlink())


def size_of(root: Path) -> int:
    """Bytes of all files below `root`."""
    return sum(path.lstat().st_size for path in walk(root))


def copy_tree(source: Path, target: Path, *, leaving_out: Callable[[Path], bool] | None = None) -> None:
    """Copy to a place that does not exist yet; links stay links. `leaving_out` is asked with each path relative to `source`."""

    def ignore(directory: str, names: list[str]) -> list[str]:
        here = Path(directory).relative_to(source)
        return [name for name in names if leaving_out is not None and leaving_out(here / name)]

    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target, symlinks=True, ignore=ignore)


def remove_tree(root: Path) -> None:
    """Remove it if it is there, read-only directories included."""
    if root.is_symlink() or root.is_file():
        root.unlink(missing_ok=True)
        return
    shutil.rmtree(root, onerror=_writable_and_again)


def settle(root: Path) -> None:
    """Wait until every file and directory below `root` is on the disk, so that a mark written afterwards tells the truth.

    What is neither is left out: opening a pipe that a build made would wait for whoever writes to it, for ever."""
    paths = [path for path in (root, *root.rglob("*")) if _is_kept(path.lstat().st_mode)]
    if len(paths) > FILES_SYNCED_ONE_BY_ONE:
        os.sync()
        return
    for path in paths:
        _sync(path)


async def to_completion(function: Callable[Parameters, Returned], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
    """Run it in a thread. A cancellation is passed on only after the thread has ended, so that nothing is written behind its back."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _entry(root: Path, path: Path) -> TreeEntry:
    kind = kind_of(path.lstat().st_mode)
    content = hashlib.sha256(os.fsencode(path.readlink())) if kind == "l" else _content(path)
    return TreeEntry(os.fsencode(path.relative_to(root)), kind, content.digest())


def _content(path: Path) -> hashlib._Hash:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _is_kept(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _writable_and_again(function: Callable[[str], object], path: str, failure: object) -> None:
    """A build may have made a directory read-only: give it back to its owner, then try once more. Gone already is as good as removed."""
    parent = Path(path).parent
    try:
        parent.chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            Path(path).chmod(0o700)
            shutil.rmtree(path, ignore_errors=True)
        function(path)
    except FileNotFoundError:
        return
