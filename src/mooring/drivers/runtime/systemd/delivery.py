"""What an artifact takes to run elsewhere: its trees, what they point to outside themselves, and a tar file of those that are to be sent.

Names in the tar file: `artifact-ID`, and `dependency-HASH` by the path of each. Must not: send anything.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from mooring.errors import Unavailable
from mooring.model.release import Artifact

_BLOCK = 4096  # bytes that a small file takes on a disk


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """`trees`: absolute paths on this machine, by name; `sizes` in bytes; `needs`: absolute paths outside that a link leads to."""

    id: str
    trees: dict[str, str]
    sizes: dict[str, int]
    needs: tuple[str, ...]

    @property
    def total(self) -> int:
        return sum(self.sizes.values())


def parcel(artifact: Artifact) -> Parcel:
    """Raises Unavailable where somebody removed it."""
    trees = {f"artifact-{artifact.id}": artifact.directory}
    trees |= {f"dependency-{hashlib.sha256(path.encode()).hexdigest()[:24]}": path for path in artifact.dependencies}
    for path in trees.values():
        if not Path(path).exists():
            raise Unavailable(f"the artifact {artifact.id} is gone", hint="deploy its source again", where=path)
    sizes = {name: sum(_size(path) for path in _paths(root)) for name, root in trees.items()}
    return Parcel(id=str(artifact.id), trees=trees, sizes=sizes, needs=tuple(sorted(set(_needs(trees.values())))))


def write_tar(parcel: Parcel, names: Iterable[str], file: BinaryIO) -> int:
    """Those trees, owned by root; its size in bytes."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            archive.add(parcel.trees[name], arcname=name, filter=_ours)
    return file.tell()


def _ours(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root, and readable by the app's user: on the host nobody else gets to where it lies."""
    member.uid = member.gid = 0
    member.mode |= (member.mode & 0o500) >> 3 | (member.mode & 0o500) >> 6
    member.uname = member.gname = ""
    return member


def _paths(root: str) -> Iterator[str]:
    yield root
    if Path(root).is_dir():
        for folder, folders, names in os.walk(root):
            yield from (f"{folder}/{name}" for name in (*folders, *names))


def _size(path: str) -> int:
    size = Path(path).lstat().st_size
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK


def _needs(trees: Iterable[str]) -> Iterator[str]:
    """Where absolute links lead that leave the trees, and where those end at last: a Python of another version is another file."""
    roots = [root.rstrip("/") + "/" for root in trees]
    for root in roots:
        for path in _paths(root.rstrip("/")):
            if not Path(path).is_symlink():
                continue
            target = os.path.normpath(Path(path).parent / Path(path).readlink())
            if not any(f"{target}/".startswith(each) for each in roots):
                yield target
                yield os.path.realpath(target)
