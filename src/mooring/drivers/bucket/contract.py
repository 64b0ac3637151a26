"""What a bucket must do: keep whole objects by key, and say truthfully which there are.

Promises, tested by `mooring.testing.bucket_contract` on every driver and on the fake:
  - An object is there as a whole or not at all: what is being written is not listed, and what was there before stays until then.
  - Writing a file may be repeated; removing what is gone is no error.
  - What `write` replaces is what its caller has read, where the server can compare: a few cannot, and there the later one wins.
  - Keys come back as they were given, whatever letters they have.
  - Content is streamed: a large file takes little memory.
Raises Unavailable (it may be tried again, nothing is lost by that), Refused or InvalidInput, never a foreign error; no secret stands
in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, NamedTuple, Protocol

from mooring.model.assets import AssetSettings
from mooring.model.secret import Secret


class Kept(NamedTuple):
    """An object as it was read. `version` is the server's own word for this content; empty where it has none."""

    content: bytes
    version: str


class Bucket(Protocol):
    async def read(self, key: str) -> Kept | None:
        """None where there is no such object, or no such bucket."""

    async def write(self, key: str, content: bytes, *, over: str | None) -> None:
        """Not to be cached by anybody. `over`: the version that it replaces, None for no object; Unavailable where there is another."""

    async def push(self, key: str, opened: Callable[[], BinaryIO], *, media_type: str, cache: str) -> None:
        """A file, with the headers under which it is to be served. `opened` is called once, and what it gives is closed."""

    async def listing(self, prefix: str) -> Mapping[str, int]:
        """Bytes by key, of all that begin so. `prefix` ends with a slash."""

    async def remove(self, keys: Sequence[str]) -> None: ...


class Buckets(Protocol):
    """Of one controller, which is named in its lists of what it pushed."""

    @property
    def controller(self) -> str: ...

    def bucket(self, settings: AssetSettings, *, key_id: Secret, key_secret: Secret) -> Bucket:
        """An address that is none is told as InvalidInput by what is asked first."""
