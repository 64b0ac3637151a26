"""Which assets are to be pushed, and which may go: of the files, Mooring's own list and what is in the bucket. Must not: reach a bucket."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mooring.errors import InvalidInput, Refused
from mooring.model.assets import AssetCount, AssetFile, AssetIndex, Pushed


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """`index` is written before anything of `missing`, by key: what is in the bucket is on the list, whatever dies."""

    index: AssetIndex
    missing: dict[str, AssetFile]
    count: AssetCount


def push(index: AssetIndex, wanted: Mapping[str, AssetFile], present: Mapping[str, int], *, release: int) -> Push:
    """`wanted` by key, `present`: bytes by key. An object is whole or absent, so that one of the list with its size has its content.

    Raises InvalidInput where a name has got another content, Refused where something lies there that Mooring has not put there.
    """
    for key, file in wanted.items():
        known = index.objects.get(key)
        if known is None and key in present:
            hint = "remove it, or use another bucket: Mooring writes over nothing that it has not put there"
            raise Refused("something lies in the bucket where an asset is to go, and it is not on Mooring's list", hint=hint, where=key)
        if known is not None and known.digest != file.digest:
            hint = "let the build put a digest of the content into the name, or set assets.hashed_names = false"
            said = "an asset has another content than was pushed under its name, which pages that are open still load"
            raise InvalidInput(said, hint=hint, where=key)
    missing = {key: file for key, file in wanted.items() if present.get(key) != file.size}
    objects = {**index.objects, **{key: _wanted(index.objects.get(key), file, release) for key, file in wanted.items()}}
    skipped = [file for key, file in wanted.items() if key not in missing]
    count = AssetCount(
        pushed=len(missing),
        pushed_bytes=sum(file.size for file in missing.values()),
        skipped=len(skipped),
        skipped_bytes=sum(file.size for file in skipped),
    )
    return Push(index=msgspec.structs.replace(index, objects=objects), missing=missing, count=count)


def prune(index: AssetIndex, *, serving: int | None, keep: float, now: float) -> tuple[AssetIndex, tuple[str, ...]]:
    """The list without what goes, and what goes: all that the serving release has not wanted for `keep` seconds."""
    marked = {key: _marked(each, serving, now) for key, each in index.objects.items()}
    gone = tuple(sorted(key for key, each in marked.items() if each.unused_since and now - each.unused_since >= keep))
    stays = {key: each for key, each in marked.items() if key not in gone}
    return msgspec.structs.replace(index, objects=stays), gone


def _wanted(known: Pushed | None, file: AssetFile, release: int) -> Pushed:
    before = known.releases if known is not None else ()
    return Pushed(digest=file.digest, size=file.size, releases=tuple(sorted({*before, release})))


def _marked(each: Pushed, serving: int | None, now: float) -> Pushed:
    """Releases that do not serve are forgotten: one that is to serve again says anew what it wants."""
    if serving in each.releases:
        return msgspec.structs.replace(each, releases=(serving,) if serving is not None else (), unused_since=0.0)
    return msgspec.structs.replace(each, releases=(), unused_since=each.unused_since or now)
