"""A dump of a bucket: a tar with an object in each member, its key and headers beside it, and their number at the end.

Must not: write to a path that a dump names.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
from botocore.exceptions import ClientError

from mooring.drivers.service.bucket import objects
from mooring.drivers.service.bucket.session import code_of
from mooring.errors import Refused, Unavailable

_OBJECT, _END = "MOORING.object", "MOORING.end"
_HEADERS = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")


class Described(msgspec.Struct, frozen=True):
    """`key` without the prefix; `headers` as S3's own parameters are called; `metadata` the app's own."""

    key: str
    headers: dict[str, str]
    metadata: dict[str, str]


def dump(s3: Any, bucket: str, prefix: str, into: Path) -> None:
    """Each object as it is in its moment, one after the other. Raises Refused where there is such a file."""
    try:
        descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{into} is there already", hint="a dump is a new file") from None
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            count = sum(_add(tar, s3, bucket, prefix, key) for key, _ in objects.listing(s3, bucket, prefix))
            tar.addfile(_member("end", {_END: str(count)}))
    except BaseException:
        into.unlink(missing_ok=True)
        raise


def restore(s3: Any, bucket: str, prefix: str, file: Path) -> None:
    """Raises Unavailable for what is no whole dump, before anything is changed."""
    for _ in _members(file):
        pass
    for described, content in _members(file):
        headers = {name: value for name, value in described.headers.items() if name in _HEADERS}
        s3.put_object(Bucket=bucket, Key=f"{prefix}{described.key}", Body=content, Metadata=described.metadata, **headers)


def _add(tar: tarfile.TarFile, s3: Any, bucket: str, prefix: str, key: str) -> bool:
    """Whether it was there still."""
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) == "NoSuchKey":
            return False
        raise
    headers = {name: found[name] for name in _HEADERS if name in found}
    described = Described(key.removeprefix(prefix), headers, found.get("Metadata", {}))
    member = _member(described.key, {_OBJECT: msgspec.json.encode(described).decode()}, size=found["ContentLength"])
    with found["Body"] as body:
        tar.addfile(member, io.BufferedReader(body))
    return True


def _member(name: str, headers: dict[str, str], *, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name.strip("/") or "_")
    member.pax_headers, member.size, member.mode = headers, size, 0o600
    return member


def _members(file: Path) -> Iterator[tuple[Described, IO[bytes]]]:
    """Raises Unavailable where it is cut short, or something else."""
    count, end = 0, None
    try:
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                end = member.pax_headers.get(_END)
                if end is None:
                    content = tar.extractfile(member)
                    if content is None:
                        raise Unavailable("that is no dump of a bucket", where=str(file))
                    yield msgspec.json.decode(member.pax_headers.get(_OBJECT, ""), type=Described), content
                    count += 1
    except (tarfile.TarError, msgspec.MsgspecError):
        raise Unavailable("that is no dump of a bucket", where=str(file)) from None
    if end != str(count):
        raise Unavailable(f"the dump is cut short: {count} objects, and no end", hint="take another one", where=str(file))
