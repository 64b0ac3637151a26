"""Reading a backup file that may come from anywhere: only what its manifest lists, never more than it says, hashed on the way.

Must not: believe the archive's own names, sizes or modes, or let an error of the ZIP reader through.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mooring.errors import InvalidInput, StateDamaged, Unavailable
from mooring.store import directory as directories
from mooring.store.archive import FILES, FORMAT, LARGEST_MANIFEST, LARGEST_SEALED, MANIFEST, SEALED, Entry, Manifest, checked_name

_CHUNK = 1 << 20
_MOST_ENTRIES = 10_000
_OTHER = "use another backup; nothing was changed"
_SHA256 = re.compile(r"\A[0-9a-f]{64}\Z")
_FOREIGN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    msgspec.MsgspecError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)


class BackupFile:
    """An open backup whose manifest was checked; the rest is checked as it is read."""

    def __init__(self, file: Path, archive: zipfile.ZipFile) -> None:
        self.file = file
        self._archive = archive
        self._refuse_odd_archive()
        self.manifest_bytes = self._small(MANIFEST, at_most=LARGEST_MANIFEST)
        self.manifest = self._checked_manifest()

    def sealed(self) -> bytes:
        return self._small(SEALED, at_most=LARGEST_SEALED)

    def extract_all(self, stage: Path) -> None:
        """The database and the files, each at its place below `stage`, 0600. Raises StateDamaged, Unavailable when space is short."""
        needed = sum(entry.size for entry in self.manifest.entries)
        free = shutil.disk_usage(stage).free
        if needed > free:
            raise Unavailable(
                f"the backup needs {needed} bytes, and {free} are free", hint="free some space, then try again", where=str(stage)
            )
        for entry in self.manifest.entries:
            target = stage / entry.name.removeprefix(f"{FILES}/")
            target.parent.mkdir(mode=directories.DIRECTORY_MODE, parents=True, exist_ok=True)
            self._extract(entry, target)

    def _extract(self, entry: Entry, target: Path) -> None:
        directories.create(target, b"")
        digest = hashlib.sha256()
        left = entry.size
        with self._archive.open(entry.name) as source, target.open("r+b") as file:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise self._damaged(f"{entry.name} is larger than the backup says")
                digest.update(chunk)
                file.write(chunk)
            directories.sync(file)
        if left or digest.hexdigest() != entry.sha256:
            raise self._damaged(f"{entry.name} is not what it was when the backup was made")

    def _refuse_odd_archive(self) -> None:
        infos = self._archive.infolist()
        names = [info.filename for info in infos]
        if len(names) > _MOST_ENTRIES or len(set(names)) != len(names):
            raise self._damaged("it holds a name twice, or too many")
        for info in infos:
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self._damaged(f"{info.filename!r} is packed in a way that no backup is")

    def _checked_manifest(self) -> Manifest:
        version = msgspec.json.decode(self.manifest_bytes, type=_Format).format
        if version != FORMAT:
            message = f"the backup has format {version}, and this Mooring reads {FORMAT}"
            raise StateDamaged(message, hint="restore it with the Mooring that made it, or a newer one", where=str(self.file))
        manifest = msgspec.json.decode(self.manifest_bytes, type=Manifest)
        self._check_entries(manifest)
        return manifest

    def _check_entries(self, manifest: Manifest) -> None:
        names = [entry.name for entry in manifest.entries]
        expected = {*names, MANIFEST, *([SEALED] if manifest.has_sealed else [])}
        if len(set(names)) != len(names) or set(self._archive.namelist()) != expected:
            raise self._damaged("it does not hold what its manifest lists")
        if directories.DATABASE not in names:
            raise self._damaged("there is no database in it")
        for entry in manifest.entries:
            self._check_entry(entry)

    def _check_entry(self, entry: Entry) -> None:
        if entry.size < 0 or not _SHA256.match(entry.sha256):
            raise self._damaged("its manifest is garbled")
        if entry.name == directories.DATABASE:
            return
        folder, _, name = entry.name.partition("/")
        try:
            checked_name(name)
        except InvalidInput as error:
            raise self._damaged(error.message) from None
        if folder != FILES or name.startswith((directories.DATABASE, directories.KEY)):
            raise self._damaged(f"the file name {entry.name!r} has no place in a backup")

    def _small(self, name: str, *, at_most: int) -> bytes:
        with self._archive.open(name) as source:
            content = source.read(at_most + 1)
        if len(content) > at_most:
            raise self._damaged(f"its {name} is too large")
        return content

    def _damaged(self, message: str) -> StateDamaged:
        return StateDamaged(f"this is not a whole backup: {message}", hint=_OTHER, where=str(self.file))


class _Format(msgspec.Struct):
    format: int


@contextmanager
def opened(file: Path) -> Iterator[BackupFile]:
    """Raises InvalidInput when there is no such file, StateDamaged when it is no backup, cut off, garbled or hostile."""
    if not file.is_file():
        raise InvalidInput(f"there is no file {file}", hint="`mooring state backup FILE` writes one")
    try:
        with zipfile.ZipFile(file) as archive:
            yield BackupFile(file, archive)
    except _FOREIGN as error:
        raise StateDamaged(f"this is not a whole backup ({type(error).__name__})", hint=_OTHER, where=str(file)) from error
