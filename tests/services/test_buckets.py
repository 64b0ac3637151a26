"""Buckets for assets: the fake and S3 as it is keep the same; memory stays bounded, and no key stands anywhere."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from services.s3 import KEY_SECRET, S3Rig, S3Server, s3_server
from services.seaweed import SeaweedRig

from mooring.drivers.bucket.contract import Bucket
from mooring.drivers.bucket.s3 import S3Bucket
from mooring.drivers.service.bucket.session import halves
from mooring.errors import InvalidInput, Unavailable
from mooring.model.assets import CACHED, AssetSettings
from mooring.model.secret import Secret
from mooring.testing.bucket import FakeBuckets
from mooring.testing.bucket_contract import BucketContract, ComparingContract, Served

SETTINGS = AssetSettings(path="public", bucket="shop-assets", endpoint="https://s3.test")
KEY = Secret("key")
ASKED = 5  # times that the library asks what answers 5xx


@dataclass
class FakeRig:
    buckets: FakeBuckets = field(default_factory=FakeBuckets)

    def __post_init__(self) -> None:
        self.shelf = self.buckets.add(SETTINGS)
        self.bucket = self.buckets.bucket(SETTINGS, key_id=KEY, key_secret=Secret("sesame"))
        self.locked = self.buckets.bucket(SETTINGS, key_id=KEY, key_secret=Secret("wrong"))
        self.absent = self.buckets.bucket(AssetSettings(path="", bucket="none"), key_id=KEY, key_secret=Secret("sesame"))

    async def served(self, key: str) -> Served | None:
        found = self.shelf.get(key)
        return Served(found.content, found.media_type, found.cache) if found else None


class TestFakeBucket(BucketContract, ComparingContract):
    @pytest.fixture
    def rig(self) -> FakeRig:
        return FakeRig()

    @pytest.fixture
    def comparing(self, rig: FakeRig) -> Bucket:
        return rig.bucket


class TestS3Bucket(BucketContract):
    @pytest.fixture
    def rig(self, s3: S3Server) -> S3Rig:
        return S3Rig(s3)


class TestComparingS3Bucket(ComparingContract):
    """SeaweedFS compares, as the clouds do; rclone does not."""

    @pytest.fixture
    def comparing(self, seaweed_rig: SeaweedRig) -> S3Bucket:
        address = seaweed_rig.address
        key_id, key_secret = halves(address.administrator)
        settings = AssetSettings(path="public", bucket=address.bucket, endpoint=address.endpoint)
        return S3Bucket(settings, key_id=Secret(key_id), key_secret=key_secret)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path) as found:
        yield found


async def test_large_files_side_by_side_take_little_memory(s3: S3Server, tmp_path: Path) -> None:
    rig, process, seen = S3Rig(s3), psutil.Process(), []
    large = tmp_path / "large"
    large.write_bytes(os.urandom(40_000_000))
    await rig.bucket.write("a", b"x", over=None)
    before = process.memory_info().rss

    async def watch() -> None:
        while True:
            seen.append(process.memory_info().rss)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    pushes = (rig.bucket.push(f"shop/{number}", lambda: large.open("rb"), media_type="a/b", cache=CACHED) for number in range(8))
    await asyncio.gather(*pushes)
    watching.cancel()
    assert await rig.bucket.listing("shop/") == {f"shop/{number}": 40_000_000 for number in range(8)}
    assert max(seen) - before < 90_000_000, "of 320 MB"


async def test_the_secret_key_stands_in_no_request(s3: S3Server) -> None:
    rig = S3Rig(s3)
    await rig.bucket.write("a", b"x", over=None)
    _, _, requests = s3.log.read_text().partition("Starting s3 server")
    assert KEY_SECRET not in requests and "shop-assets" in requests
    assert KEY_SECRET not in repr(vars(rig.bucket))


class Flaky:
    """An endpoint that answers 500 to the first `failures` requests, or as told, and takes every one after those."""

    def __init__(self, failures: int, answer: str = "500 Internal Server Error", body: str = "") -> None:
        self._answer, self._body = answer, body
        self.asked: list[str] = []
        self.said = ""  # all of the requests but their contents
        self._failures = failures
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def bucket(self) -> Bucket:
        settings = AssetSettings(path="public", bucket="shop-assets", endpoint=self.address)
        return S3Bucket(settings, key_id=KEY, key_secret=Secret("sesame"))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as said:
                self.asked.append(said.readline().decode())
                self.said += self.asked[-1]
                length = 0
                while (line := said.readline()) not in (b"\r\n", b""):
                    self.said += line.decode()
                    name, _, value = line.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                said.read(length)
                status, body = (self._answer, self._body) if len(self.asked) <= self._failures else ("200 OK", "")
                head = f'HTTP/1.1 {status}\r\nETag: "x"\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n'
                connection.sendall((head + body).encode())


async def test_what_answers_500_is_asked_again() -> None:
    endpoint = Flaky(2)
    try:
        await endpoint.bucket().write("a", b"x", over=None)
    finally:
        endpoint.close()
    assert [line.split()[0] for line in endpoint.asked] == ["PUT", "PUT", "PUT"]


@pytest.mark.parametrize(("over", "condition"), [(None, "if-none-match: *"), ('"y"', 'if-match: "y"')])
async def test_a_server_that_cannot_compare_is_asked_without(over: str | None, condition: str) -> None:
    """Once the library has given up asking again."""
    endpoint = Flaky(ASKED, "501 Not Implemented", "<Error><Code>NotImplemented</Code></Error>")
    try:
        await endpoint.bucket().write("a", b"x", over=over)
    finally:
        endpoint.close()
    assert [line.split()[0] for line in endpoint.asked] == ["PUT"] * (ASKED + 1)
    assert endpoint.said.lower().count(condition) == ASKED


async def test_what_answers_500_for_ever_is_told_once_with_where_and_what_to_do() -> None:
    endpoint = Flaky(1_000)
    try:
        with pytest.raises(Unavailable, match="the bucket does not do its work") as told:
            await endpoint.bucket().write("a", b"x", over=None)
    finally:
        endpoint.close()
    assert (told.value.where, told.value.hint) == (f"{endpoint.address}/shop-assets", "nothing was touched that serves")
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize("address", ["https://h:99999", "http://999.999.999.999", "http://no where"])
async def test_what_is_no_address_is_told_by_the_first_request(address: str) -> None:
    bucket = S3Bucket(AssetSettings(path="p", bucket="b", endpoint=address), key_id=KEY, key_secret=Secret("sesame"))
    with pytest.raises(InvalidInput, match="that is no address of an S3 endpoint"):
        await bucket.write("a", b"x", over=None)


async def test_a_session_of_the_controllers_own_is_not_put_into_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-controller")
    endpoint = Flaky(0)
    try:
        await endpoint.bucket().write("a", b"x", over=None)
    finally:
        endpoint.close()
    assert "PUT /shop-assets/a" in endpoint.said and "of-the-controller" not in endpoint.said
