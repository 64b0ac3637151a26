"""A folder of an artifact that lies elsewhere, as files beside its record: laid out once, and found there until the artifact goes.

Must not: take over a link that leads out, or leave a folder that is not whole.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
from pathlib import Path

from mooring.drivers.builder.archive import ArchiveLimits, Extractor
from mooring.drivers.builder.contract import OpensFolders
from mooring.drivers.builder.tree import remove_tree, settle
from mooring.errors import InvalidInput, SourceInvalid, Unavailable
from mooring.model.release import Artifact

_SHELF = "folders"


def place_of(artifact: Artifact, path: str) -> Path:
    """Where it lies, or is to. Another image that the same source gave has another place."""
    name = hashlib.sha256(f"{artifact.image}\0{path}".encode()).hexdigest()[:32]
    return Path(artifact.directory) / _SHELF / name


def lay_out(artifact: Artifact, path: str, *, opener: OpensFolders, temporary: Path, limits: ArchiveLimits) -> None:
    """Put it in its place, by way of `temporary` on the same disk. Raises InvalidInput for what is no folder of files, Unavailable."""
    stage = temporary / f"folder-{secrets.token_hex(8)}"
    try:
        stage.mkdir(mode=0o700, parents=True)
        with opener.folder(artifact, path) as stream:
            Extractor(stage, limits, noun=f"{path} of the image").run(stream)
        _put(_folder(stage, path), place_of(artifact, path))
    except SourceInvalid as refusal:
        raise InvalidInput(refusal.message, hint="let the build leave plain files there, and no more than that", where=path) from refusal
    except OSError as failure:
        hint = "see whether the disk is full, then deploy again"
        raise Unavailable(f"{path} of the image cannot be kept: {failure.strerror}", hint=hint, where=artifact.directory) from failure
    finally:
        remove_tree(stage)


def _folder(stage: Path, path: str) -> Path:
    found = list(stage.iterdir())
    if len(found) != 1 or found[0].is_symlink() or not found[0].is_dir():
        hint = "name a folder itself, and no file or link"
        raise InvalidInput(f"{path} is no folder of the image", hint=hint, where=path)
    return found[0]


def _put(folder: Path, place: Path) -> None:
    """It is whole on the disk before it has its name. Another that was as quick has put the same there."""
    settle(folder)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        folder.rename(place)
    except OSError as failure:
        if failure.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
