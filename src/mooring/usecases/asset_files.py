"""The static files of an artifact: which there are, with the digest of each, and each to be read. Must not: follow a link."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from mooring.errors import InvalidInput, Unavailable
from mooring.model.assets import AssetFile
from mooring.model.release import Artifact

MANIFEST = "mooring.toml"
MOST = 100_000  # files
_LONGEST = 700  # bytes of a file's path: a key of S3 has at most 1,024


def asset_files(folder: Path, path: str) -> tuple[AssetFile, ...]:
    """By path below the folder, which the manifest calls `path`. Raises InvalidInput where something in it is no plain file."""
    found: list[AssetFile] = []
    for place in _plain_files(folder):
        if len(found) == MOST:
            raise InvalidInput(f"{path} holds more than {MOST:,} files", hint="name the folder of assets alone", where=MANIFEST)
        name = place.relative_to(folder).as_posix()
        _check_name(name)
        with _opened(place) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(AssetFile(path=name, digest=digest, size=file.tell()))
    return tuple(sorted(found, key=lambda each: each.path))


def opened_asset(folder: Path, name: str) -> BufferedReader:
    """Raises Unavailable where it is gone."""
    return _opened(folder / name)


def built_folder(artifact: Artifact, path: str) -> Path:
    """A folder of what a build left as files. Raises InvalidInput where there is none."""
    if path.startswith("/"):
        hint = "name it from the top of the source, without a / before it"
        raise InvalidInput(f"{path} is a place in an image, and the builder {artifact.builder} makes none", hint=hint, where=MANIFEST)
    top = Path(artifact.directory).resolve()
    folder = top / path
    if not folder.is_dir() or folder.resolve() != folder:
        hint = "name a plain folder as it is after the build, or set [assets] path"
        raise InvalidInput(f"{path} is no folder of what was built", hint=hint, where=MANIFEST)
    return folder


def _plain_files(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)
                else:
                    hint = "let the build copy what a link leads to"
                    raise InvalidInput("an asset is a plain file, and no link or device", hint=hint, where=ascii(entry.name))


def _check_name(name: str) -> None:
    is_text = not any("\ud800" <= mark <= "\udfff" or mark < " " or mark == "\x7f" for mark in name)
    if not is_text or len(name.encode()) > _LONGEST or "\\" in name:
        hint = f"give it a name of printable letters without a backslash, at most {_LONGEST} bytes with its folders"
        raise InvalidInput("an asset's name cannot be part of an address", hint=hint, where=ascii(name)[:200])


def _opened(place: Path) -> BufferedReader:
    try:
        return os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise Unavailable(f"an asset cannot be read: {error.strerror}", hint="deploy again", where=place.name) from None
