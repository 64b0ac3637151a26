"""Files and directories as a tar stream, to an attached copy and from one, a piece at a time. Must not: write through a link.

Links are followed where they are read, on either side, so none travels. What comes is written beside its place, and renamed into it when
it is whole. Modes travel, owners do not, as with scp.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, cast

import msgspec

from mooring.drivers.builder.tar import Kind, TarEntry, TarReader
from mooring.errors import InvalidInput, MooringError, NotFound, OutcomeUnknown, SourceInvalid, Unavailable
from mooring.usecases.copy import ITEM, WHOLE

_PIECE = 65_536
_REMEMBERED = 4000  # bytes of what the other side complains
_MODES = 0o755
_DEEPEST = 100
_PARTING = 60.0  # seconds for the other side to put what came in its place


class Attachment(Protocol):
    """What of client/attached.py is used."""

    def write(self, chunk: bytes) -> None: ...
    def close_input(self) -> None: ...
    def output(self) -> Iterator[tuple[str, bytes]]: ...
    def wait(self) -> int: ...


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """`size` in bytes of content."""

    files: int
    size: int


def send(attached: Attachment, source: Path, *, place: str) -> Copied:
    """`place` names the other side, for errors. Raises NotFound, InvalidInput, Unavailable."""
    hearing = _Hearing(attached)
    hearing.start()
    writer = _Writer(attached, hearing)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], writer), mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE) as tar:
            copied = _packed(tar, source)
            tar.addfile(tarfile.TarInfo(WHOLE))
    except _Refused:
        copied = Copied(files=0, size=0)
    finally:  # also where it failed here: the other side finds that it broke off, and puts away what came
        attached.close_input()
        hearing.join(_PARTING)
    hearing.check(place)
    return copied


def receive(attached: Attachment, target: Path, *, name: str, place: str) -> Copied:
    """To `target`, or as `name` into it where it is a directory. Raises NotFound, InvalidInput, Unavailable."""
    final = target / name if target.is_dir() else target
    if not final.parent.is_dir():
        raise NotFound(f"there is no directory {final.parent}", hint="make it first")
    if final.is_dir():
        raise InvalidInput(f"{final} is a directory that is there already", hint="remove it first, or name another place")
    stream = _Stream(attached)
    try:
        beside = Path(tempfile.mkdtemp(prefix=".mooring-", dir=final.parent))
    except OSError as error:
        raise Unavailable(f"{final.parent} cannot be written to: {error.strerror}", where=str(final)) from error
    try:
        copied = _unpacked(stream, beside / ITEM, place)
        (beside / ITEM).rename(final)
    except OSError as error:
        hint = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise Unavailable(f"{final} cannot be written: {error.strerror}; it is as it was", hint=hint, where=str(final)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return copied


def _packed(tar: tarfile.TarFile, source: Path) -> Copied:
    try:
        return Copied(**_add(tar, source, ITEM, above=()))
    except FileNotFoundError as error:
        raise NotFound(f"there is no {error.filename}", hint="name a file or directory of this machine") from error
    except OSError as error:
        raise Unavailable(f"{error.filename or source} cannot be read: {error.strerror}", where=str(source)) from error


def _add(tar: tarfile.TarFile, path: Path, name: str, *, above: tuple[tuple[int, int], ...]) -> dict[str, int]:
    found = path.stat()
    identity = (found.st_dev, found.st_ino)
    header = tarfile.TarInfo(name)
    header.mode, header.mtime = stat.S_IMODE(found.st_mode) & _MODES, int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        if identity in above:
            raise InvalidInput(f"{path} is a link to a directory around it", hint="remove the link, or copy what is inside")
        header.type, header.mode = tarfile.DIRTYPE, header.mode | 0o700
        tar.addfile(header)
        parts = [_add(tar, each, f"{name}/{each.name}", above=(*above, identity)) for each in sorted(path.iterdir())]
        return {key: sum(part[key] for part in parts) for key in ("files", "size")}
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"{path} is neither a file nor a directory", hint="leave it out")
    header.size = found.st_size
    with path.open("rb") as file:
        tar.addfile(header, file)
    return {"files": 1, "size": found.st_size}


def _unpacked(stream: _Stream, item: Path, place: str) -> Copied:
    """The first part of every name stands for `item`."""
    reader = TarReader(cast(IO[bytes], stream))
    files = size = 0
    try:
        for entry in reader:
            path = item.joinpath(*_parts(entry))
            if entry.kind is Kind.DIRECTORY:
                path.mkdir(mode=0o700)
                path.chmod(entry.mode & _MODES | 0o700)
            elif entry.kind is Kind.FILE:
                _write(reader, path, entry.mode)
                files, size = files + 1, size + entry.size
            else:
                raise SourceInvalid(f"{entry.shown} is {entry.word or entry.kind.value}")
        stream.drain()
    except SourceInvalid as error:
        stream.drain()
        stream.check(place)  # a stream that ended too soon: the other side says why
        raise InvalidInput(f"{place} cannot be copied: {error.message}", hint="copy its parts") from error
    stream.check(place)
    return Copied(files=files, size=size)


def _parts(entry: TarEntry) -> list[str]:
    parts = [part for part in entry.name.split(b"/") if part not in (b"", b".")]
    if b".." in parts or entry.name.startswith(b"/") or b"\0" in entry.name or len(parts) > _DEEPEST:
        raise SourceInvalid(f"the name {entry.shown} leads elsewhere")
    return [os.fsdecode(part) for part in parts[1:]]


def _write(reader: TarReader, path: Path, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := reader.read(_PIECE):
            file.write(chunk)
        os.fchmod(descriptor, mode & _MODES)


class _Refused(Exception):
    """The other side has ended already: there is no use in sending more."""


class _Hearing(threading.Thread):
    """Reads what the other side complains of while something is sent."""

    def __init__(self, attached: Attachment) -> None:
        super().__init__(daemon=True)
        self._attached = attached
        self._said = b""
        self._code = 0
        self._error: MooringError | None = None

    def run(self) -> None:
        try:
            for _, chunk in self._attached.output():
                self._said = (self._said + chunk)[-_REMEMBERED:]
            self._code = self._attached.wait()
        except MooringError as error:
            self._error = error

    def check(self, place: str) -> None:
        if self._error is not None:
            raise self._error
        if self.is_alive():
            raise OutcomeUnknown(
                f"{place} does not say whether the copy is in its place", hint="look there with `mooring exec`", where=place
            )
        if self._code:
            raise _complaint(place, self._said)


class _Writer:
    """What tarfile writes to."""

    def __init__(self, attached: Attachment, hearing: _Hearing) -> None:
        self._attached = attached
        self._hearing = hearing

    def write(self, chunk: bytes) -> int:
        if not self._hearing.is_alive():
            raise _Refused
        self._attached.write(chunk)
        return len(chunk)


class _Stream(io.RawIOBase):
    """Standard output as a file; standard error is remembered."""

    def __init__(self, attached: Attachment) -> None:
        self._attached = attached
        self._output = attached.output()
        self._left = memoryview(b"")
        self._said = b""

    def read(self, size: int = -1) -> bytes:
        """As many bytes as asked for, but at the end."""
        found = bytearray()
        while size < 0 or len(found) < size:
            if not self._left and not self._fill():
                break
            piece = self._left if size < 0 else self._left[: size - len(found)]
            self._left = self._left[len(piece) :]
            found += piece
        return bytes(found)

    def drain(self) -> None:
        while self._fill():
            pass

    def check(self, place: str) -> None:
        if self._attached.wait():
            raise _complaint(place, self._said)

    def _fill(self) -> bool:
        for name, chunk in self._output:
            if name == "stdout":
                self._left = memoryview(chunk)
                return True
            self._said = (self._said + chunk)[-_REMEMBERED:]
        return False


def _complaint(place: str, said: bytes) -> Unavailable:
    """What a program there said, of which the last line is the reason."""
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["it ended without a word"]
    hint = "nothing was changed; `mooring exec` can look around there"
    return Unavailable(f"it cannot be copied: {lines[-1][:300]}", hint=hint, where=place)
