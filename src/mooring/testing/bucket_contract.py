"""What every bucket does, fake or real: a subclass gives the fixture `rig`, and pytest runs all of it.

Must not: look inside a bucket but through its rig.
"""

from __future__ import annotations

import io
from typing import NamedTuple, Protocol

import pytest

from mooring.drivers.bucket.contract import Bucket
from mooring.errors import Refused, Unavailable
from mooring.model.assets import CACHED

LARGE = 12_000_000  # bytes: more than one part of an upload


class Served(NamedTuple):
    """What a browser gets."""

    content: bytes
    media_type: str
    cache: str


class BucketRig(Protocol):
    @property
    def bucket(self) -> Bucket: ...

    @property
    def locked(self) -> Bucket:
        """The same one, with a wrong key."""

    @property
    def absent(self) -> Bucket:
        """One that nobody has made."""

    async def served(self, key: str) -> Served | None: ...


class BucketContract:
    async def test_what_is_pushed_is_served_as_it_was_with_its_headers(self, rig: BucketRig) -> None:
        await _push(rig, "shop/a.css", b"body{}", media_type="text/css")
        assert await rig.served("shop/a.css") == Served(b"body{}", "text/css", CACHED)

    async def test_a_large_file_and_an_empty_one_arrive_whole(self, rig: BucketRig) -> None:
        large = bytes(range(251)) * (LARGE // 251)
        for key, content in (("shop/large", large), ("shop/empty", b"")):
            await _push(rig, key, content)
            served = await rig.served(key)
            assert served is not None and served.content == content
        assert await rig.bucket.listing("shop/") == {"shop/empty": 0, "shop/large": len(large)}

    async def test_a_file_that_is_pushed_is_closed(self, rig: BucketRig) -> None:
        file = io.BytesIO(b"x")
        await rig.bucket.push("shop/x", lambda: file, media_type="text/plain", cache=CACHED)
        assert file.closed

    async def test_keys_come_back_as_they_were_given(self, rig: BucketRig) -> None:
        keys = {"shop/a b.js", "shop/ünï/ß.css", "shop/%41~[x]+&=;,@!$'()*.js", "shop/deep/er/and/deeper/x", "shop/.hidden"}
        for key in keys:
            await _push(rig, key, key.encode())
        assert set(await rig.bucket.listing("shop/")) == keys
        for key in keys:
            found = await rig.bucket.read(key)
            assert found is not None and found.content == key.encode()

    async def test_a_listing_is_of_all_that_begin_so_and_of_nothing_else(self, rig: BucketRig) -> None:
        for number in range(30):
            await _push(rig, f"shop/{number:04}", b"x" * number)
        await _push(rig, "shop-2/x", b"")
        await _push(rig, "blog/x", b"")
        assert await rig.bucket.listing("shop/") == {f"shop/{number:04}": number for number in range(30)}
        assert await rig.bucket.listing("nobody/") == {}

    async def test_what_is_written_is_read_and_the_later_replaces_the_earlier(self, rig: BucketRig) -> None:
        assert await rig.bucket.read(".mooring/shop.json") is None
        over = None
        for content in (b"{}", b'{"a": 1}'):
            await rig.bucket.write(".mooring/shop.json", content, over=over)
            found = await rig.bucket.read(".mooring/shop.json")
            assert found is not None and found.content == content
            over = found.version
        served = await rig.served(".mooring/shop.json")
        assert served is not None and served.cache == "no-store"

    async def test_what_is_removed_is_gone_and_nothing_else(self, rig: BucketRig) -> None:
        for key in ("shop/a", "shop/b", "shop/c"):
            await _push(rig, key, b"x")
        await rig.bucket.remove(("shop/a", "shop/b", "shop/never"))
        await rig.bucket.remove(("shop/a",))
        await rig.bucket.remove(())
        assert await rig.bucket.listing("shop/") == {"shop/c": 1}

    async def test_a_wrong_key_is_refused_and_not_told(self, rig: BucketRig) -> None:
        await _push(rig, "shop/a", b"x")
        for act in (
            rig.locked.read("shop/a"),
            rig.locked.listing("shop/"),
            rig.locked.remove(("shop/a",)),
            rig.locked.write("shop/b", b"", over=None),
        ):
            with pytest.raises(Refused, match="does not let Mooring in") as refused:
                await act
            assert "wrong" not in str(refused.value)
        assert await rig.bucket.listing("shop/") == {"shop/a": 1}

    async def test_a_bucket_that_is_not_there_holds_nothing_and_takes_nothing(self, rig: BucketRig) -> None:
        assert await rig.absent.read("shop/a") is None
        for act in (rig.absent.write("shop/a", b"", over=None), rig.absent.listing("shop/")):
            with pytest.raises(Unavailable, match="there is no such bucket"):
                await act


class ComparingContract:
    """Of a server that can compare: the fixture `comparing` is a bucket there."""

    async def test_what_somebody_else_has_written_since_it_was_read_is_not_replaced(self, comparing: Bucket) -> None:
        key = ".mooring/shop.json"
        await comparing.write(key, b"1", over=None)
        read = await comparing.read(key)
        assert read is not None
        await comparing.write(key, b"2", over=read.version)
        for over in (None, read.version):
            with pytest.raises(Unavailable, match="somebody else has written it since it was read"):
                await comparing.write(key, b"3", over=over)
        found = await comparing.read(key)
        assert found is not None and found.content == b"2"
        await comparing.remove((key,))
        with pytest.raises(Unavailable, match="somebody else has written it since it was read"):
            await comparing.write(key, b"3", over=found.version)
        assert await comparing.read(key) is None


async def _push(rig: BucketRig, key: str, content: bytes, *, media_type: str = "application/octet-stream") -> None:
    await rig.bucket.push(key, lambda: io.BytesIO(content), media_type=media_type, cache=CACHED)
