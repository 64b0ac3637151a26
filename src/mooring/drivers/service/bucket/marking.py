"""Marks of pieces: objects below `.mooring/`, each written over the one that was read and no other. Must not: be where an app may write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mooring.drivers.service import marks
from mooring.drivers.service.bucket import objects
from mooring.drivers.service.bucket.session import code_of, status_of
from mooring.errors import Refused, Unavailable
from mooring.model.service import Piece

_PLACE = ".mooring/"
_LONGEST = 10_000  # bytes


@dataclass(frozen=True)
class Found:
    """`mark` None: there is none. `version`: of the object that holds it."""

    mark: marks.Written | None
    version: str = ""


def find(s3: Any, bucket: str, piece: Piece) -> Found:
    """Raises Refused where what lies there is another's."""
    found = _read(s3, bucket, f"{_PLACE}{piece.identity}")
    if found.version and (found.mark is None or found.mark.piece != piece):
        raise Refused(f"{_PLACE}{piece.identity} is there and is not the mark of {piece.environment}", hint="rename it", where=bucket)
    return found


def write(s3: Any, bucket: str, piece: Piece, found: Found, *, fence: int, is_ready: bool) -> Found:
    """Raises Unavailable where somebody else has written it since."""
    text = marks.written(piece, fence=fence, is_ready=is_ready)
    condition = {"IfMatch": found.version} if found.version else {"IfNoneMatch": "*"}
    try:
        told = s3.put_object(Bucket=bucket, Key=f"{_PLACE}{piece.identity}", Body=text.encode(), **condition)
    except ClientError as error:
        if status_of(error) in (404, 409, 412):
            raise Unavailable(f"another one changes {piece.identity} at the same time", hint="try again", where=bucket) from None
        raise
    return Found(marks.read(text), told["ETag"])


def erase(s3: Any, bucket: str, piece: Piece) -> None:
    s3.delete_object(Bucket=bucket, Key=f"{_PLACE}{piece.identity}")


def pieces(s3: Any, bucket: str, controller: str) -> list[Piece]:
    """Those whose mark names this controller."""
    found = [(key, _read(s3, bucket, key).mark) for key, size in objects.listing(s3, bucket, _PLACE) if size <= _LONGEST]
    named = [(key, mark.piece) for key, mark in found if mark is not None and mark.controller == controller]
    return [piece for key, piece in named if key == f"{_PLACE}{piece.identity}"]


def _read(s3: Any, bucket: str, key: str) -> Found:
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) == "NoSuchKey":
            return Found(None)
        raise
    with found["Body"] as body:
        return Found(marks.read(body.read(_LONGEST).decode("utf-8", "replace")), found["ETag"])
