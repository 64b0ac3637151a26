"""Drivers of the buckets that serve assets. Beside wiring.py it names a concrete driver, imported where an app asks for one.

Must not: speak to a server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from mooring.drivers.bucket.contract import Bucket, Buckets
from mooring.model.assets import AssetSettings
from mooring.model.secret import Secret


class S3Buckets:
    """`name` tells who this controller is, in the lists of what was pushed."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name

    @cached_property
    def controller(self) -> str:
        return self._name()

    def bucket(self, settings: AssetSettings, *, key_id: Secret, key_secret: Secret) -> Bucket:
        from mooring.drivers.bucket.s3 import S3Bucket

        return S3Bucket(settings, key_id=key_id, key_secret=key_secret)


_: type[Buckets] = S3Buckets
