"""What lies in a bucket under one prefix: counted, copied by the server itself, removed. Must not: know whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from mooring.drivers.service.bucket.session import AT_ONCE, code_of
from mooring.errors import Unavailable

Kept = Callable[[str], bool]
"""Whether an object belongs into a copy, by its key behind the prefix."""


def listing(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Keys and bytes."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", ()):
            yield each["Key"], each["Size"]


def are_there(s3: Any, bucket: str, prefix: str) -> bool:
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"))


def remove(s3: Any, bucket: str, prefix: str) -> None:
    """All of them, and uploads that were begun. What comes meanwhile goes too. Raises Unavailable where one stays."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    last: list[str] = []
    while found := [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]:
        told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in found], "Quiet": True})
        refused = [f"{each['Key']}: {each.get('Code', '')}" for each in told.get("Errors", ())]
        if refused or found == last:
            raise Unavailable(f"{len(refused) or len(found)} objects do not go: {(refused or found)[0]}", where=f"{bucket}/{prefix}")
        last = found


def copy(s3: Any, bucket: str, source: str, target: str, *, kept: Kept) -> None:
    """What is removed from the source meanwhile may be missing. Several at once, and none passes through this machine."""

    def carry(key: str) -> None:
        into = f"{target}{key.removeprefix(source)}"
        if key.endswith("/"):  # a folder, as consoles make them: not every endpoint copies one
            s3.put_object(Bucket=bucket, Key=into, Body=b"")
            return
        try:
            s3.copy_object(Bucket=bucket, Key=into, CopySource={"Bucket": bucket, "Key": key})
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise

    chosen = (key for key, _ in listing(s3, bucket, source) if kept(key.removeprefix(source)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(carry, chosen):
            pass


def mask(text: str) -> Kept:
    """Lines `- PATTERN` leave out, `+ PATTERN` take: the first that fits a key decides, and what none fits is taken. Raises Unavailable."""
    rules = [(line[:1], line[1:].strip()) for line in map(str.strip, text.splitlines()) if line]
    if any(sign not in ("+", "-") or not pattern for sign, pattern in rules):
        hint = "write lines such as `- uploads/*` (left out) and `+ uploads/demo/*` (taken); the first that fits decides"
        raise Unavailable("that is no mask for a bucket", hint=hint)
    return lambda key: next((sign == "+" for sign, pattern in rules if fnmatchcase(key, pattern)), True)
