"""An image as an archive, as `docker save` gives it: without the layers that the other side has, and under the name it is to have there.

The engine looks for a layer's content only where it lacks that layer, so an archive need not hold it (tried with 20.10 and 26.1, whose
layers lie in the engine's own store). Sources: Docker Image Specification v1.2; moby, image/tarexport. Must not: connect.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from mooring.errors import Unavailable

_MANIFEST = "manifest.json"
_OTHER_NAMES = ("repositories", "index.json")
_MOST_MANIFEST = 10_000_000  # bytes
QUICKLY = 1  # of gzip's levels


def shorten(whole: IO[bytes], shortened: IO[bytes], *, tag: str, present: int) -> None:
    """Copy the archive of one image, compressed, without its `present` lowest layers. Raises Unavailable when it is none."""
    with of_an_image(), tarfile.open(fileobj=whole, mode="r:") as source:
        manifest = manifest_of(source)
        left_out = set(manifest["Layers"][:present]) - set(manifest["Layers"][present:])
        with gzip.GzipFile(fileobj=shortened, mode="wb", compresslevel=QUICKLY) as packed:
            _copy(source, cast(IO[bytes], packed), left_out=left_out, manifest={**manifest, "RepoTags": [tag]}, is_whole=not present)


@contextmanager
def of_an_image() -> Iterator[None]:
    """Raises Unavailable for what turns out to be no archive of one."""
    try:
        yield
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise Unavailable(f"the engine's archive of an image cannot be read: {error}") from error


def manifest_of(source: tarfile.TarFile) -> dict[str, Any]:
    file = source.extractfile(_MANIFEST)
    manifests = json.loads(file.read(_MOST_MANIFEST)) if file else []
    if len(manifests) != 1:
        raise ValueError(f"it holds {len(manifests)} images")
    manifest: dict[str, Any] = manifests[0]
    return manifest


def _copy(source: tarfile.TarFile, packed: IO[bytes], *, left_out: set[str], manifest: dict[str, Any], is_whole: bool) -> None:
    """The index of the newer layout names every layer: where some are missing it goes, and the engine reads the manifest instead."""
    names = _OTHER_NAMES[:1] if is_whole else _OTHER_NAMES
    with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as target:
        for member in source:
            if member.name in left_out or member.name in names:
                continue
            if member.name == _MANIFEST:
                content = json.dumps([manifest]).encode()
                member.size = len(content)
                target.addfile(member, io.BytesIO(content))
            else:
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
