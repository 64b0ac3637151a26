"""An image as an archive in OCI's layout, made of what `docker save` gives, without the layers that the other side has.

For Podman, which takes no archive of Docker's that is compressed as a whole or lacks a layer. Of this one it asks only for what it
lacks: a layer that it has is named by the digest of its content. Sources: OCI Image Layout and Image Manifest Specification 1.0;
tried with Podman 4.3. Must not: connect.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from mooring.drivers.runtime.docker.archive import QUICKLY, manifest_of, of_an_image

_KIND = "application/vnd.oci.image"

Descriptor = dict[str, object]


def lay_out(whole: IO[bytes], laid_out: IO[bytes], *, present: int, spool: Path) -> None:
    """Write the archive of one image anew, without its `present` lowest layers, the others compressed. Raises Unavailable when it is none.

    `spool` is where a layer lies on the way.
    """
    with of_an_image(), tarfile.open(fileobj=whole, mode="r:") as source, tarfile.open(fileobj=laid_out, mode="w|") as target:
        manifest = manifest_of(source)
        config = _content(source, manifest["Config"]).read()
        digests = json.loads(config)["rootfs"]["diff_ids"]
        left_out = set(digests[:present]) - set(digests[present:])
        layers = []
        for name, digest in zip(manifest["Layers"], digests, strict=True):
            layer = _content(source, name)
            layers.append(_named(layer, digest) if digest in left_out else _packed(layer, target, spool))
        described = _added(target, _manifest(_added(target, config, "config.v1+json"), layers), "manifest.v1+json")
        _add(target, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(target, "index.json", _json({"schemaVersion": 2, "manifests": [described]}))


def _content(source: tarfile.TarFile, name: str) -> IO[bytes]:
    """Of a file, also where it is a link to the one that was first: two layers may be alike."""
    file = source.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file


def _named(layer: IO[bytes], digest: str) -> Descriptor:
    return {"mediaType": f"{_KIND}.layer.v1.tar", "digest": digest, "size": layer.seek(0, io.SEEK_END)}


def _packed(layer: IO[bytes], target: tarfile.TarFile, spool: Path) -> Descriptor:
    with tempfile.TemporaryFile(dir=spool) as packed:
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=QUICKLY, mtime=0) as file:
            shutil.copyfileobj(layer, cast(IO[bytes], file))
        size = packed.tell()
        packed.seek(0)
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
        packed.seek(0)
        entry = tarfile.TarInfo(f"blobs/sha256/{digest}")
        entry.size = size
        target.addfile(entry, packed)
    return {"mediaType": f"{_KIND}.layer.v1.tar+gzip", "digest": f"sha256:{digest}", "size": size}


def _manifest(config: Descriptor, layers: list[Descriptor]) -> bytes:
    return _json({"schemaVersion": 2, "mediaType": f"{_KIND}.manifest.v1+json", "config": config, "layers": layers})


def _added(target: tarfile.TarFile, content: bytes, kind: str) -> Descriptor:
    digest = hashlib.sha256(content).hexdigest()
    _add(target, f"blobs/sha256/{digest}", content)
    return {"mediaType": f"{_KIND}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}


def _add(target: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    target.addfile(entry, io.BytesIO(content))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
