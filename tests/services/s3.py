"""A real S3 server, as rclone serves it from a directory: each folder of that is a bucket."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
from obstore.store import S3Store
from services.rigs import free_port, server

from mooring.drivers.bucket.s3 import S3Bucket
from mooring.model.assets import AssetSettings
from mooring.model.secret import Secret
from mooring.testing.bucket_contract import Served

KEY_ID, KEY_SECRET = "shop-key", "sesame-of-the-bucket"
RCLONE = Path(sys.executable).with_name("rclone")


@dataclass(frozen=True)
class S3Server:
    """`address`: its endpoint; `log`: every request of it."""

    address: str
    directory: Path
    log: Path

    def make(self, bucket: str) -> Path:
        """Where its objects lie."""
        place = self.directory / bucket
        place.mkdir(exist_ok=True)
        return place


@dataclass
class S3Rig:
    server: S3Server

    def __post_init__(self) -> None:
        self.settings = AssetSettings(path="public", bucket="shop-assets", endpoint=self.server.address)
        self.server.make("shop-assets")
        self.bucket = self._bucket("shop-assets", KEY_SECRET)
        self.locked = self._bucket("shop-assets", "wrong-one")
        self.absent = self._bucket("nobody-made-it", KEY_SECRET)

    async def served(self, key: str) -> Served | None:
        request = obstore.sign(self.store, "GET", key, timedelta(minutes=1))
        async with httpx.AsyncClient() as client:
            answer = await client.get(request)
        if answer.status_code != 200:
            return None
        return Served(answer.content, answer.headers["content-type"], answer.headers["cache-control"])

    @property
    def store(self) -> S3Store:
        return S3Store(
            "shop-assets",
            endpoint=self.server.address,
            region="us-east-1",
            access_key_id=KEY_ID,
            secret_access_key=KEY_SECRET,
            client_options={"allow_http": True},
        )

    def _bucket(self, name: str, secret: str) -> S3Bucket:
        settings = AssetSettings(path="public", bucket=name, endpoint=self.server.address)
        return S3Bucket(settings, key_id=Secret(KEY_ID), key_secret=Secret(secret))


@contextmanager
def s3_server(directory: Path) -> Iterator[S3Server]:
    """Without buckets. Whoever has no key may not even read."""
    buckets = directory / "buckets"
    buckets.mkdir()
    address = f"127.0.0.1:{free_port()}"
    argv = [str(RCLONE), "serve", "s3", "--addr", address, "--auth-key", f"{KEY_ID},{KEY_SECRET}", "--config", str(directory / "none")]
    with server(pwd.getpwuid(os.getuid()).pw_name, [*argv, "-vv", str(buckets)], directory=directory, answers=lambda: _answers(address)):
        yield S3Server(f"http://{address}", buckets, directory / "log")


def _answers(address: str) -> bool:
    try:
        httpx.get(f"http://{address}/", timeout=5)
    except httpx.HTTPError:
        return False
    return True
