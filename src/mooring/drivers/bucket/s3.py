"""A bucket of any S3 endpoint, by obstore. What does not answer, or answers 5xx, is asked again by the library, ever more slowly.

Must not: decide what is pushed, or show a key.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from mooring.drivers.bucket.contract import Bucket, Kept
from mooring.errors import InvalidInput, MooringError, Refused, Unavailable
from mooring.model.assets import KEY_ID, KEY_SECRET, AssetSettings
from mooring.model.secret import Secret

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import S3Credential

_PART = 5 * 2**20  # bytes: the least that S3 takes as a part of an upload
_PARTS_AT_ONCE = 1
_LARGE_AT_ONCE = 2  # files of several parts: each holds about three of them in memory
_REMOVED_AT_ONCE = 1_000  # the most that S3 takes
_TRIES, _FOR = 4, timedelta(seconds=20)
_NOT_LET_IN = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_PANICS = ("PanicException", "RustPanic")  # what the library makes of an address that is none; it exports no class for them
_SAID = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")


class S3Bucket:
    """`key_id` and `key_secret` go into signatures, and nowhere else."""

    def __init__(self, settings: AssetSettings, *, key_id: Secret, key_secret: Secret) -> None:
        self._where = settings.place
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._store = S3Store(
            settings.bucket,
            endpoint=settings.server,
            region=settings.region,
            credential_provider=partial(_credential, key_id, key_secret),
            client_options={"allow_http": settings.server.startswith("http://"), "connect_timeout": "5s", "timeout": "60s"},
            retry_config={"max_retries": _TRIES, "retry_timeout": _FOR},
        )

    async def read(self, key: str) -> Kept | None:
        async with self._translated():
            try:
                found = await obstore.get_async(self._store, key)
                return Kept(bytes(await found.bytes_async()), found.meta["e_tag"] or "")
            except FileNotFoundError:
                return None

    async def write(self, key: str, content: bytes, *, over: str | None) -> None:
        """By If-Match and If-None-Match. A server that answers 501 to them is asked without: it cannot compare."""
        async with self._translated():
            try:
                await self._put(key, content, mode=_mode(over))
            except (AlreadyExistsError, PreconditionError):
                hint = "nothing was touched; it is tried again with what is there now"
                raise Unavailable("somebody else has written it since it was read", hint=hint, where=key) from None
            except BaseError as error:
                if _code(error) != "NotImplemented":
                    raise
                await self._put(key, content, mode="overwrite")

    async def push(self, key: str, opened: Callable[[], BinaryIO], *, media_type: str, cache: str) -> None:
        with opened() as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            async with self._large if size > _PART else nullcontext(), self._translated():
                headers = {"Content-Type": media_type, "Cache-Control": cache}
                await obstore.put_async(self._store, key, file, attributes=headers, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)

    async def listing(self, prefix: str) -> Mapping[str, int]:
        async with self._translated():
            return {each["path"]: each["size"] async for batch in obstore.list(self._store, prefix) for each in batch}

    async def remove(self, keys: Sequence[str]) -> None:
        async with self._translated():
            for first in range(0, len(keys), _REMOVED_AT_ONCE):
                await obstore.delete_async(self._store, keys[first : first + _REMOVED_AT_ONCE])

    async def _put(self, key: str, content: bytes, *, mode: PutMode) -> None:
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        await obstore.put_async(self._store, key, content, attributes=headers, mode=mode)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Raises Refused, Unavailable. Of what the library says only the server's own code is told: the rest is of use to nobody."""
        try:
            yield
        except MooringError:
            raise
        except (BaseError, OSError) as error:
            raise _translation(error, self._where) from None
        except BaseException as error:
            if type(error).__name__ not in _PANICS:
                raise
            raise InvalidInput("that is no address of an S3 endpoint", hint="mend [assets] endpoint", where=self._where) from None


def _mode(over: str | None) -> PutMode:
    if over is None:
        return "create"
    return {"e_tag": over} if over else "overwrite"


def _code(error: Exception) -> str:
    """The server's own; empty where it said none."""
    found = _SAID.search(str(error))
    return found[1] if found else ""


def _credential(key_id: Secret, key_secret: Secret) -> S3Credential:
    """By this way alone the library leaves the controller's own AWS_SESSION_TOKEN out of its signatures."""
    return {"access_key_id": key_id.reveal(), "secret_access_key": key_secret.reveal(), "token": None, "expires_at": None}


def _translation(error: Exception, where: str) -> Refused | Unavailable:
    """Which of the library's errors it is differs from request to request: the server's own code tells more."""
    code = _code(error)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or code in _NOT_LET_IN:
        hint = f"see that {KEY_ID} and {KEY_SECRET} may list, read, write and delete there"
        return Refused(f"the bucket does not let Mooring in: {code or 'no reason given'}", hint=hint, where=where)
    if isinstance(error, FileNotFoundError) or code == "NoSuchBucket":
        return Unavailable("there is no such bucket", hint="make it first, or mend [assets] bucket", where=where)
    said = code or str(error).partition("\n")[0][-200:]
    return Unavailable(f"the bucket does not do its work: {said}", hint="nothing was touched that serves", where=where)


_: type[Bucket] = S3Bucket
