"""Static files in buckets: those of a release are pushed before it starts, those of earlier ones are removed after a while.

Mooring's list in the bucket is written before what it names, so that whatever dies leaves nothing there that is not on it. Must not:
decide what is pushed or goes, or touch an object that the list does not name.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

import msgspec

from mooring.drivers.bucket.contract import Bucket, Buckets
from mooring.engine.contract import Clock, Memory, Workshop
from mooring.errors import InvalidInput, MooringError, Refused, StaleFence
from mooring.model.assets import (
    CACHED,
    KEY_ID,
    KEY_SECRET,
    AssetCount,
    AssetIndex,
    AssetSettings,
    folder_of,
    folder_of_all,
    index_key,
    read_index,
)
from mooring.model.config import Variables, revealed
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.release import Release
from mooring.model.secret import Secret
from mooring.planner import assets as planner

_AT_ONCE = 8  # files
_PLAIN = "application/octet-stream"
_TYPES = mimetypes.MimeTypes()  # its own alone: what a machine adds would make two hosts disagree
for _ending, _type in (
    (".js", "text/javascript"),
    (".mjs", "text/javascript"),
    (".woff2", "font/woff2"),
    (".webmanifest", "application/manifest+json"),
    (".map", "application/json"),
):
    _TYPES.add_type(_type, _ending)


@dataclass(frozen=True)
class _Known:
    """Mooring's list as it was read, and its version there; None: there is none yet."""

    index: AssetIndex
    version: str | None


class Assets:
    """Of one controller."""

    def __init__(self, memory: Memory, buckets: Buckets, workshop: Workshop, clock: Clock) -> None:
        self._memory = memory
        self._buckets = buckets
        self._workshop = workshop
        self._clock = clock

    def check(self, release: Release, config: Variables) -> None:
        """Raises InvalidInput where it asks for a bucket that Mooring has no key to."""
        if release.assets is not None:
            _keys(config, release.environment)

    async def push(self, mark: Mark, release: Release) -> AssetCount:
        """Those of its files that are not there. Raises InvalidInput, Refused, StaleFence, Unavailable."""
        if release.assets is None:
            return AssetCount()
        settings, artifact = release.assets, release.artifact
        bucket = await self._bucket(settings, self._memory.config(mark.environment, release.config_version), mark.environment)
        files = await asyncio.to_thread(self._workshop.assets, artifact, settings.path)
        folder = folder_of(mark.environment, settings, release.assets_digest)
        known = await self._index(bucket, mark)
        present = await bucket.listing(folder_of_all(mark.environment))
        push = planner.push(known.index, {folder + each.path: each for each in files}, present, release=release.number)
        await self._write(bucket, mark, push.index, over=known.version)

        async def send(key: str) -> None:
            opened = partial(self._workshop.opened, artifact, settings.path, push.missing[key].path)
            await bucket.push(key, opened, media_type=_media_type(key), cache=CACHED)

        await _side_by_side(send, push.missing)
        return push.count

    async def prune(self, mark: Mark) -> None:
        """What no page can need any more. Raises as `push`."""
        record = self._memory.environment(mark.environment)
        serving = record.revision.release if record is not None and record.revision is not None else None
        for settings in self.used(mark.environment):
            bucket, known = await self._known(settings, mark)
            stays, gone = planner.prune(known.index, serving=serving, keep=settings.keep, now=self._clock.wall())
            if gone:
                await bucket.remove(gone)
            if stays != known.index:
                await self._write(bucket, mark, stays, over=known.version)

    async def remove(self, mark: Mark) -> None:
        """All of them, then the list. Raises as `push`."""
        for settings in self.used(mark.environment):
            bucket, known = await self._known(settings, mark)
            if known.version is not None:
                await bucket.remove(tuple(known.index.objects))
                await bucket.remove((index_key(mark.environment),))

    async def left(self, mark: Mark) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What lies where this environment pushes to: by Mooring's list, or that list itself; and what that list does not name.

        Raises as `push`."""
        listed, others = list[str](), list[str]()
        for settings in self.used(mark.environment):
            bucket, known = await self._known(settings, mark)
            found = await bucket.listing(folder_of_all(mark.environment))
            own = (key for key in found if key in known.index.objects)
            lists = (index_key(mark.environment),) if known.version is not None else ()
            listed += [f"{key} in {settings.place}" for key in (*own, *lists)]
            others += [f"{key} in {settings.place}" for key in found if key not in known.index.objects]
        return tuple(listed), tuple(others)

    def used(self, environment: EnvironmentId) -> tuple[AssetSettings, ...]:
        """As said last of each bucket that releases of it have pushed to."""
        releases = sorted(self._memory.releases(environment), key=lambda each: each.number)
        return tuple({each.assets.place: each.assets for each in releases if each.assets is not None}.values())

    async def _bucket(self, settings: AssetSettings, config: Variables, environment: EnvironmentId) -> Bucket:
        """Made beside the loop: the library of a bucket is imported by it."""
        key_id, key_secret = _keys(config, environment)
        return await asyncio.to_thread(self._buckets.bucket, settings, key_id=key_id, key_secret=key_secret)

    async def _known(self, settings: AssetSettings, mark: Mark) -> tuple[Bucket, _Known]:
        """A bucket that was pushed to, by the newest keys that get in: a change of them may have failed, or come since nothing serves."""
        tried: list[tuple[Secret, Secret]] = []
        refused: MooringError | None = None
        for version in reversed(self._memory.config_versions(mark.environment)):
            config = self._memory.config(mark.environment, version.version)
            if not {KEY_ID, KEY_SECRET} <= config.keys() or _keys(config, mark.environment) in tried:
                continue
            tried.append(_keys(config, mark.environment))
            try:
                bucket = await self._bucket(settings, config, mark.environment)
                return bucket, await self._index(bucket, mark)
            except StaleFence:
                raise
            except Refused as error:
                refused = refused or error
        raise refused or InvalidInput(
            f"nothing opens the bucket of {mark.environment}", hint=_setting(mark.environment), where=settings.place
        )

    async def _index(self, bucket: Bucket, mark: Mark) -> _Known:
        """Raises Refused where it is another platform's, StaleFence where a newer controller has changed it."""
        key = index_key(mark.environment)
        kept = await bucket.read(key)
        mine = AssetIndex(controller=await asyncio.to_thread(lambda: self._buckets.controller), environment=str(mark.environment))
        found = mine if kept is None else read_index(kept.content, where=key)
        if (found.controller, found.environment) != (mine.controller, mine.environment):
            hint = "give one of them another bucket, or call its app something else"
            raise Refused(f"the assets of {mark.environment} in that bucket are another platform's", hint=hint, where=key)
        if found.fence > mark.fence:
            raise StaleFence(f"{key} has seen {found.fence}, and this is {mark.fence}")
        return _Known(found, kept.version if kept is not None else None)

    async def _write(self, bucket: Bucket, mark: Mark, index: AssetIndex, *, over: str | None) -> None:
        """Not over what a newer controller has written since: tried again, that is found."""
        content = msgspec.json.encode(msgspec.structs.replace(index, fence=mark.fence))
        await bucket.write(index_key(mark.environment), content, over=over)


def _keys(config: Variables, environment: EnvironmentId) -> tuple[Secret, Secret]:
    absent = [name for name in (KEY_ID, KEY_SECRET) if name not in config]
    if absent:
        raise InvalidInput(
            f"pushing assets needs {' and '.join(absent)}, and nothing sets it", hint=_setting(environment, *absent), where=str(environment)
        )
    return Secret(revealed(config[KEY_ID])), Secret(revealed(config[KEY_SECRET]))


def _setting(environment: EnvironmentId, *names: str) -> str:
    return " and ".join(f"`mooring secret set {name} -e {environment.environment}`" for name in names or (KEY_ID, KEY_SECRET))


def _media_type(key: str) -> str:
    """Of what is packed in itself, such as app.js.gz, the packing's alone: nobody is told to unpack it."""
    found, packing = _TYPES.guess_type(key, strict=False)
    return found if found and not packing else _PLAIN


async def _side_by_side(act: Callable[[str], Awaitable[None]], keys: Iterable[str]) -> None:
    """A few at once; the first that fails ends all."""
    waiting = iter(tuple(keys))

    async def work() -> None:
        for key in waiting:
            await act(key)

    workers = [asyncio.create_task(work()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
