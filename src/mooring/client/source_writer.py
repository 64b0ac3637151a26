"""Writes the pieces of a source into a tar file, with their digest, under the same rules the server unpacks by.

So whatever the server would refuse is refused here, before it is sent, with the same words. Must not: read anything but the piece.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from typing import IO

from mooring.client.source_pieces import Piece, named, shown
from mooring.drivers.builder.archive import DEFAULT_LIMITS, check_link, path_parts
from mooring.drivers.builder.tree import TreeEntry, digest_of
from mooring.errors import SourceInvalid
from mooring.model.quantity import format_size

_LFS = b"version https://git-lfs.github.com/spec/v1\n"


class SourceWriter:
    def __init__(self, tar: tarfile.TarFile, *, at: int = 0) -> None:
        self._tar = tar
        self._at = at
        self._entries: list[TreeEntry] = []
        self._size = 0
        self._pointers: list[bytes] = []

    @property
    def count(self) -> int:
        return len(self._entries)

    @property
    def digest(self) -> str:
        return digest_of(self._entries)

    def add(self, piece: Piece) -> None:
        """Raises SourceInvalid naming the piece when it may not be in an archive, or changes while it is read."""
        target = piece.content.read(piece.size) if piece.kind == "l" else b""
        self._check(piece, target)
        header = self._header(piece)
        if piece.kind == "l":
            header.linkname = os.fsdecode(target)
            self._tar.addfile(header)
            content = hashlib.sha256(target)
        else:
            reading = _Reading(piece.content)
            self._write(header, reading, piece)
            content = reading.hash
            if reading.start.startswith(_LFS):
                self._pointers.append(piece.path)
        self._entries.append(TreeEntry(piece.path, piece.kind, content.digest()))

    def notes(self) -> Iterator[str]:
        if self._pointers:
            yield (
                f"kept by Git LFS, so only the pointer is in git and deployed, not the content: {named(self._pointers)} "
                "(`git lfs pull`, then deploy with --dirty)"
            )

    def _check(self, piece: Piece, target: bytes) -> None:
        limits = DEFAULT_LIMITS
        self._size += piece.size
        try:
            parts = path_parts(piece.path)
            if piece.kind == "l":
                check_link(parts, target)
            if piece.size > limits.file_bytes:
                raise SourceInvalid(f"it has {format_size(piece.size)}, the limit for a file is {format_size(limits.file_bytes)}")
            if self._size > limits.total_bytes or self.count >= limits.entries:
                raise SourceInvalid(f"with it the source has more than {format_size(limits.total_bytes)} or {limits.entries} files")
        except SourceInvalid as refusal:
            what = "the link " if piece.kind == "l" else ""
            raise SourceInvalid(
                f"{what}{shown(piece.path)} cannot be deployed: {refusal.message}",
                hint="change it or remove it; what is not needed to run the app is better ignored by git",
                where=shown(piece.path),
            ) from refusal

    def _header(self, piece: Piece) -> tarfile.TarInfo:
        header = tarfile.TarInfo(os.fsdecode(piece.path))
        header.mtime = self._at
        header.mode = 0o755 if piece.kind == "x" else 0o644
        header.type = tarfile.SYMTYPE if piece.kind == "l" else tarfile.REGTYPE
        header.size = 0 if piece.kind == "l" else piece.size
        return header

    def _write(self, header: tarfile.TarInfo, reading: _Reading, piece: Piece) -> None:
        try:
            self._tar.addfile(header, reading)  # type: ignore[arg-type]  # it only calls read
        except OSError as failure:
            if failure.errno is not None:
                raise
            raise SourceInvalid(
                f"{shown(piece.path)} became shorter while it was read", hint="deploy again when nothing writes to it"
            ) from None


class _Reading:
    """Passes the bytes on, and remembers their hash and how they begin."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.hash = hashlib.sha256()
        self.start = b""

    def read(self, count: int) -> bytes:
        chunk = self._content.read(count)
        self.hash.update(chunk)
        if len(self.start) < len(_LFS):
            self.start += chunk[: len(_LFS)]
        return chunk
