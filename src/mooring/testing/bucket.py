"""Buckets in memory: whole, stateful, and as strict as the real ones.

`passed` is called "before" and "after" each effect, with its name and key, and may raise: nothing has happened, or it has landed.
Must not: keep anything beyond the process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from mooring.drivers.bucket.contract import Bucket, Buckets, Kept
from mooring.errors import Refused, Unavailable
from mooring.model.assets import AssetSettings
from mooring.model.secret import Secret

Hook = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Stored:
    """One object as a browser gets it."""

    content: bytes
    media_type: str
    cache: str


@dataclass(eq=False)
class FakeBuckets:
    """All that there are, by the place of each: `shelves`. `is_down`: none answers. `admitted`: the only key that is let in."""

    passed: Hook = lambda moment, name, key: None
    controller: str = "c0ffee"
    shelves: dict[str, dict[str, Stored]] = field(default_factory=dict)
    admitted: tuple[Secret, Secret] = (Secret("key"), Secret("sesame"))
    is_down: bool = False

    def add(self, settings: AssetSettings) -> dict[str, Stored]:
        """What lies in it, by key."""
        return self.shelves.setdefault(settings.place, {})

    def bucket(self, settings: AssetSettings, *, key_id: Secret, key_secret: Secret) -> Bucket:
        return FakeBucket(self, settings.place, (key_id, key_secret))


class FakeBucket:
    def __init__(self, buckets: FakeBuckets, place: str, key: tuple[Secret, Secret]) -> None:
        self._buckets = buckets
        self._place = place
        self._key = key

    async def read(self, key: str) -> Kept | None:
        self._answer()
        found = self._buckets.shelves.get(self._place, {}).get(key)
        return Kept(found.content, _version(found)) if found is not None else None

    async def write(self, key: str, content: bytes, *, over: str | None) -> None:
        stored = Stored(content, "application/json", "no-store")
        self._buckets.passed("before", "write", key)
        found = self._shelf().get(key)
        if (None if found is None else _version(found)) != over:
            raise Unavailable("somebody else has written it since it was read", where=key)
        self._shelf()[key] = stored
        self._buckets.passed("after", "write", key)

    async def push(self, key: str, opened: Callable[[], BinaryIO], *, media_type: str, cache: str) -> None:
        with opened() as file:
            self._buckets.passed("before", "push", key)
            self._shelf()[key] = Stored(file.read(), media_type, cache)
            self._buckets.passed("after", "push", key)

    async def listing(self, prefix: str) -> Mapping[str, int]:
        return {key: len(each.content) for key, each in sorted(self._shelf().items()) if key.startswith(prefix)}

    async def remove(self, keys: Sequence[str]) -> None:
        self._buckets.passed("before", "remove", self._place)
        shelf = self._shelf()
        for key in keys:
            shelf.pop(key, None)
        self._buckets.passed("after", "remove", self._place)

    def _shelf(self) -> dict[str, Stored]:
        self._answer()
        if self._place not in self._buckets.shelves:
            raise Unavailable("there is no such bucket", hint="make it first, or mend [assets] bucket", where=self._place)
        return self._buckets.shelves[self._place]

    def _answer(self) -> None:
        if self._buckets.is_down:
            raise Unavailable("the bucket does not do its work", where=self._place)
        if self._key != self._buckets.admitted:
            raise Refused("the bucket does not let Mooring in", where=self._place)


def _version(stored: Stored) -> str:
    return hashlib.sha256(stored.content).hexdigest()


_: type[Bucket] = FakeBucket
_buckets: type[Buckets] = FakeBuckets
