"""Extracts an uploaded source archive (tar, tar.gz) that anybody may have written. Must not: touch anything outside the new directory.

Allowed are files, directories, and relative links that stay inside. Limits are checked before the bytes are written. Links are made
last, so nothing is ever written through one. Owners, times and modes are Mooring's own, but for the executable bit.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import IO, NoReturn

import msgspec

from mooring.drivers.builder.tar import Kind, TarEntry, TarReader
from mooring.drivers.builder.tree import CHUNK, TreeEntry, digest_of, remove_tree
from mooring.errors import SourceInvalid, Unavailable
from mooring.model.quantity import format_size

_PADDING = 1_000_000
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class ArchiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a source tree may amount to. `depth` counts directories, the others bytes but for `entries`."""

    entries: int = 100_000
    total_bytes: int = 2_000_000_000
    file_bytes: int = 1_000_000_000
    path_bytes: int = 2048
    depth: int = 64


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """What came out: the tree's digest, how many files and links, how many bytes."""

    digest: str
    entries: int
    size: int


DEFAULT_LIMITS = ArchiveLimits()


def extract(archive: Path, into: Path, *, limits: ArchiveLimits = DEFAULT_LIMITS) -> Extraction:
    """Extract into a directory that does not exist yet, and is gone again if this fails.

    Raises SourceInvalid naming the entry, Unavailable when the disk is full.
    """
    into.mkdir(mode=0o700, parents=True)
    try:
        with archive.open("rb") as raw:
            stream = _plain(raw)
            extraction = Extractor(into, limits).run(stream)
            _read_to_the_end(stream)
            return extraction
    except (OSError, EOFError, zlib.error, SourceInvalid) as failure:
        remove_tree(into)
        _translate(failure)


def path_parts(name: bytes, *, limits: ArchiveLimits = DEFAULT_LIMITS) -> tuple[bytes, ...]:
    """The checked parts of a name; empty for the tree's own top. Raises SourceInvalid with the reason alone."""
    if name.startswith(b"/"):
        raise SourceInvalid("its path is absolute")
    if b"\0" in name:
        raise SourceInvalid("its path holds a NUL byte")
    if len(name) > limits.path_bytes:
        raise SourceInvalid(f"its path is longer than {limits.path_bytes} bytes")
    parts = tuple(part for part in name.split(b"/") if part not in (b"", b"."))
    if b".." in parts:
        raise SourceInvalid("its path leads out of the tree (..)")
    if any(len(part) > 255 for part in parts):
        raise SourceInvalid("a part of its path is longer than 255 bytes")
    if len(parts) > limits.depth:
        raise SourceInvalid(f"it lies deeper than {limits.depth} directories")
    if any(part.lower() == b".git" for part in parts):
        raise SourceInvalid("a source archive holds no .git")
    return parts


def check_link(parts: tuple[bytes, ...], target: bytes) -> None:
    """A link may climb with leading `..` only, and never above the tree: then no chain of such links leads out of it either.

    (`a/..` is refused, because `a` may itself be a link to elsewhere.) Raises SourceInvalid with the reason alone.
    """
    if not target or b"\0" in target or len(target) > 4095:
        raise SourceInvalid("its target is empty, too long, or holds a NUL byte")
    if target.startswith(b"/"):
        raise SourceInvalid(f"it points to the absolute path {_shown(target)}")
    steps = [step for step in target.split(b"/") if step not in (b"", b".")]
    climbs = 0
    while climbs < len(steps) and steps[climbs] == b"..":
        climbs += 1
    if climbs > len(parts) - 1:
        raise SourceInvalid(f"it points out of the tree, to {_shown(target)}")
    if b".." in steps[climbs:]:
        raise SourceInvalid(f"its target {_shown(target)} goes up again after a name")


class Extractor:
    """Into a directory that is there and empty. `noun`: what the archive is, for errors."""

    def __init__(self, root: Path, limits: ArchiveLimits, *, noun: str = "the source archive") -> None:
        self._root = root
        self._limits = limits
        self._noun = noun
        self._seen: set[tuple[bytes, ...]] = set()
        self._links: list[tuple[tuple[bytes, ...], TarEntry]] = []
        self._entries: list[TreeEntry] = []
        self._count = 0
        self._size = 0

    def run(self, stream: IO[bytes]) -> Extraction:
        """Of a plain tar, to its last entry. Raises SourceInvalid naming the entry, OSError when the disk is full."""
        reader = TarReader(stream)
        for entry in reader:
            try:
                self._take(entry, reader)
            except SourceInvalid as refusal:
                raise self._named(entry, refusal.message) from refusal
            except OSError as failure:
                raise self._unwritable(entry, failure) from failure
        for parts, entry in self._links:
            try:
                self._make_link(parts, entry)
            except OSError as failure:
                raise self._unwritable(entry, failure) from failure
        return Extraction(digest=digest_of(self._entries), entries=len(self._entries), size=self._size)

    def _take(self, entry: TarEntry, reader: TarReader) -> None:
        parts = path_parts(entry.name, limits=self._limits)
        self._count_in(entry, parts)
        if entry.kind is Kind.FILE:
            self._write_file(parts, entry, reader)
        elif entry.kind is Kind.DIRECTORY:
            os.close(self._open_directory(parts))
        elif entry.kind is Kind.LINK:
            check_link(parts, entry.target)
            self._links.append((parts, entry))
        else:
            raise SourceInvalid(f"it is {entry.word}; only files, directories and links inside the tree are taken")

    def _count_in(self, entry: TarEntry, parts: tuple[bytes, ...]) -> None:
        limits = self._limits
        self._count += 1
        self._size += entry.size
        if self._count > limits.entries:
            raise SourceInvalid(f"the archive has more than {limits.entries} entries")
        if entry.size > limits.file_bytes:
            raise SourceInvalid(f"it has {format_size(entry.size)}, the limit for a file is {format_size(limits.file_bytes)}")
        if self._size > limits.total_bytes:
            raise SourceInvalid(f"with it the archive has more than {format_size(limits.total_bytes)}")
        if parts in self._seen:
            raise SourceInvalid("it comes twice")
        if not parts and entry.kind is not Kind.DIRECTORY:
            raise SourceInvalid("it has no name")
        self._seen.add(parts)

    def _write_file(self, parts: tuple[bytes, ...], entry: TarEntry, reader: TarReader) -> None:
        parent = self._open_directory(parts[:-1])
        try:
            descriptor = os.open(parts[-1], _NEW_FILE, 0o600, dir_fd=parent)
        finally:
            os.close(parent)
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as file:
            while chunk := reader.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            os.fchmod(descriptor, 0o755 if entry.mode & 0o100 else 0o644)
        self._entries.append(TreeEntry(b"/".join(parts), "x" if entry.mode & 0o100 else "f", digest.digest()))

    def _make_link(self, parts: tuple[bytes, ...], entry: TarEntry) -> None:
        parent = self._open_directory(parts[:-1])
        try:
            os.symlink(entry.target, parts[-1], dir_fd=parent)
        finally:
            os.close(parent)
        self._entries.append(TreeEntry(b"/".join(parts), "l", hashlib.sha256(entry.target).digest()))

    def _open_directory(self, parts: tuple[bytes, ...]) -> int:
        """A descriptor of the directory, made where it is missing, each step opened without following a link."""
        descriptor = os.open(self._root, _DIRECTORY)
        for part in parts:
            try:
                try:
                    os.mkdir(part, 0o755, dir_fd=descriptor)
                except FileExistsError:
                    pass
                inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor

    def _named(self, entry: TarEntry, why: str) -> SourceInvalid:
        return SourceInvalid(f"{self._noun} is refused at {entry.shown}: {why}", hint="deploy a tree without this entry")

    def _unwritable(self, entry: TarEntry, failure: OSError) -> Exception:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            return failure
        if failure.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
            return self._named(entry, "it is in the place of another entry")
        return self._named(entry, f"it cannot be written ({failure.strerror})")


def _plain(raw: IO[bytes]) -> IO[bytes]:
    magic = raw.read(2)
    raw.seek(0)
    if not magic:
        raise SourceInvalid("the source archive is empty", hint="deploy a commit that has files")
    return gzip.GzipFile(fileobj=raw, mode="rb") if magic == b"\x1f\x8b" else raw  # type: ignore[return-value]  # GzipFile reads like any


def _read_to_the_end(stream: IO[bytes]) -> None:
    """Past the last entry there is only padding; a gzip stream's checksum is checked at its very end."""
    if len(stream.read(_PADDING)) == _PADDING:
        raise SourceInvalid("the source archive goes on after its end", hint="send it again; Mooring reads tar and tar.gz")


def _translate(failure: Exception) -> NoReturn:
    if isinstance(failure, SourceInvalid):
        raise failure
    if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
        raise Unavailable("the source could not be unpacked: the disk is full", hint="free some space, then deploy again") from failure
    raise SourceInvalid(f"the source archive cannot be read: {failure}", hint="send it again; Mooring reads tar and tar.gz") from failure


def _shown(target: bytes) -> str:
    return repr(target.decode("utf-8", "backslashreplace"))[:200]
