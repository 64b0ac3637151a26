"""Making a backup: one consistent file, while the platform runs. Must not: write the config's key beside the data in clear.

With a passphrase the key file is inside, encrypted. Without one it is left out, and the answer names what to keep apart.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mooring import __version__
from mooring.errors import InvalidInput, NotFound, StateDamaged
from mooring.model.secret import Secret
from mooring.store import directory as directories
from mooring.store.archive import (
    FILES,
    FORMAT,
    LARGEST_SEALED,
    MANIFEST,
    SEALED,
    Entry,
    Manifest,
    checked_name,
    checked_passphrase,
    seal_files,
)
from mooring.store.keys import KeyRing, joined, read_ring
from mooring.store.opening import read_version
from mooring.store.translation import translated

_CHUNK = 1 << 20
NOTHING: Mapping[str, Path] = {}


class BackupMade(msgspec.Struct, frozen=True, kw_only=True):
    """`size` in bytes. `left_out` are the files without which the backup is not whole: they must be kept apart."""

    file: Path
    size: int
    left_out: tuple[Path, ...]

    @property
    def advice(self) -> str:
        """What the user has to know, as a sentence."""
        if not self.left_out:
            return "This one file is all it takes to restore the state, with its passphrase if it was given one."
        names = ", ".join(str(path) for path in self.left_out)
        return f"Without a passphrase these are not in it: keep {names} somewhere else, or the encrypted config cannot be read again."


def backup(
    state_directory: Path,
    target_file: Path,
    *,
    at: float,
    passphrase: Secret | None = None,
    extra: Mapping[str, Path] = NOTHING,
    secret_extra: Mapping[str, Path] = NOTHING,
) -> BackupMade:
    """Write `target_file` (0600), replacing an older one only when all is done.

    `extra` says which further files or directories to take, by the name they are to have in the restored state directory
    (those that do not exist are passed over); `secret_extra` the same for what is kept like the key.
    Raises NotFound, InvalidInput, StateDamaged, Unavailable.
    """
    if passphrase is not None:
        checked_passphrase(passphrase)
    if not (state_directory / directories.DATABASE).exists():
        raise NotFound(f"there is no state in {state_directory}", hint="`mooring status` shows where the state is")
    with translated(str(target_file)), tempfile.TemporaryDirectory(prefix=".mooring-backup-", dir=target_file.parent) as scratch:
        copied = _copy(state_directory, Path(scratch) / directories.DATABASE)
        hidden = _hidden_files(copied.ring, secret_extra) if passphrase is not None else {}
        beside = Path(scratch) / "backup"
        _write(beside, copied, files=[*_walk(extra)], hidden=hidden, passphrase=passphrase, at=at)
        beside.replace(target_file)
        directories.sync_directory(target_file.parent)
    left_out = () if passphrase is not None else _kept_apart(state_directory, copied.ring, secret_extra)
    return BackupMade(file=target_file, size=target_file.stat().st_size, left_out=left_out)


@dataclass(frozen=True)
class _Copied:
    """The database as it was at one moment, and the keys that it needs."""

    path: Path
    schema: str
    used: tuple[str, ...]
    ring: KeyRing | None


def _copy(state_directory: Path, path: Path) -> _Copied:
    """The key file is read before and after: whatever a rotation does meanwhile, the keys of both moments are known."""
    source = state_directory / directories.DATABASE
    schema = read_version(source)
    before = _ring(state_directory)
    directories.create(path, b"")
    with closing(sqlite3.connect(source, timeout=30)) as live, closing(sqlite3.connect(path)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        used = tuple(row[0] for row in copy.execute("SELECT DISTINCT key FROM config_values ORDER BY key"))
        damage = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if damage != "ok":
        raise StateDamaged(
            f"the state is damaged: {damage}", hint="use an earlier backup; this one would be damaged too", where=str(source)
        )
    ring = joined(_ring(state_directory), before, where=state_directory / directories.KEY)
    for key_id in used:
        if ring is None:
            read_ring(state_directory / directories.KEY)  # says what is wrong with it
        else:
            ring.find(key_id)
    return _Copied(path=path, schema=schema, used=used, ring=ring)


def _ring(state_directory: Path) -> KeyRing | None:
    path = state_directory / directories.KEY
    return read_ring(path) if path.exists() else None


def _write(
    beside: Path, copied: _Copied, *, files: list[tuple[str, Path]], hidden: dict[str, bytes], passphrase: Secret | None, at: float
) -> None:
    directories.create(beside, b"")
    with beside.open("r+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            named = [(directories.DATABASE, copied.path), *((f"{FILES}/{name}", path) for name, path in files)]
            manifest = Manifest(
                format=FORMAT,
                made_by=__version__,
                made_at=at,
                schema=copied.schema,
                entries=tuple([_add(archive, name, path) for name, path in named]),
                keys=copied.used,
                has_sealed=bool(hidden),
            )
            encoded = msgspec.json.encode(manifest)
            archive.writestr(zipfile.ZipInfo(MANIFEST), encoded)
            if passphrase is not None and hidden:
                archive.writestr(zipfile.ZipInfo(SEALED), seal_files(hidden, passphrase=passphrase, manifest=encoded))
        directories.sync(file)


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> Entry:
    """Hashed as it is written, so that a file which changes meanwhile is still what its entry says."""
    digest = hashlib.sha256()
    size = 0
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return Entry(name=name, size=size, sha256=digest.hexdigest())


def _walk(extra: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Every regular file, by its name in the state directory. Raises InvalidInput for links, devices and odd names."""
    for name, path in sorted(extra.items()):
        found = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
        for file in found:
            if file.is_symlink() or not (file.is_file() or file.is_dir()):
                raise InvalidInput(f"{file} is neither a file nor a directory", hint="remove it, or back it up by other means")
            if file.is_file():
                yield checked_name("/".join([name, *file.relative_to(path).parts])), file


def _hidden_files(ring: KeyRing | None, secret_extra: Mapping[str, Path]) -> dict[str, bytes]:
    files = {directories.KEY: ring.to_bytes()} if ring is not None else {}
    for name, path in _walk(secret_extra):
        files[name] = directories.read(path, at_most=LARGEST_SEALED)
    if sum(len(content) for content in files.values()) > LARGEST_SEALED // 2:
        raise InvalidInput("the secret files are too large for a backup", hint=f"keep them below {LARGEST_SEALED // 2} bytes")
    return files


def _kept_apart(state_directory: Path, ring: KeyRing | None, secret_extra: Mapping[str, Path]) -> tuple[Path, ...]:
    key = [state_directory / directories.KEY] if ring is not None else []
    return (*key, *(path for name, path in secret_extra.items() if any(_walk({name: path}))))
