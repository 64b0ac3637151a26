"""Static files that a bucket serves: what an app asks for, where each file lies, and Mooring's own list of what it has put there.

Nothing that was pushed is ever written over: another content has another place. Must not: hold a secret, or read a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.model.names import VariableName

KEY_ID, KEY_SECRET = VariableName("ASSETS_ACCESS_KEY_ID"), VariableName("ASSETS_SECRET_ACCESS_KEY")
"""The secrets of an environment with which its files are pushed. Its processes are not given them."""

URL = VariableName("ASSETS_URL")
"""What tells the app where its files are."""

CACHED = "public, max-age=31536000, immutable"
"""The Cache-Control of each: what lies under an address never changes."""

_DIGEST = 16  # characters of the tree's, in the folder's name


class AssetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `[assets]` says. `path`: the folder of the artifact. `url`: where browsers find the bucket. `keep` in seconds.

    `hashed_names`: the build gives a file another name with each content, so that all releases may share one folder.
    """

    path: str
    bucket: str
    endpoint: str = ""
    region: str = "us-east-1"
    url: str = ""
    keep: float = 7 * 86_400.0
    hashed_names: bool = False

    @property
    def server(self) -> str:
        """The address of the S3 endpoint."""
        return (self.endpoint or f"https://s3.{self.region}.amazonaws.com").rstrip("/")

    @property
    def place(self) -> str:
        """Which bucket it is, wherever its files are found by browsers."""
        return f"{self.server}/{self.bucket}"


class AssetFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an artifact: its path below the folder, the SHA-256 of its content in hexadecimal, its size in bytes."""

    path: str
    digest: str
    size: int


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """One object that Mooring put into a bucket, or was about to. `releases` are those that want it.

    `unused_since`: wall seconds; 0 while one of them serves, or may yet.
    """

    digest: str
    size: int
    releases: tuple[int, ...] = ()
    unused_since: float = 0.0


class AssetIndex(msgspec.Struct, frozen=True, kw_only=True):
    """All that is one environment's in a bucket, by key. It lies there too, and nothing that it does not name is ever removed.

    `controller` tells apart two platforms with one bucket; `fence` is of the last that changed it.
    """

    controller: str
    environment: str
    fence: int = 0
    objects: dict[str, Pushed] = {}


class AssetCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment pushed, and what was there already."""

    pushed: int = 0
    pushed_bytes: int = 0
    skipped: int = 0
    skipped_bytes: int = 0


def digest_of(files: Iterable[AssetFile]) -> str:
    """Of the whole tree: names and contents, in hexadecimal. `files` by path."""
    lines = "".join(f"{each.digest} {each.path}\n" for each in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def index_key(environment: EnvironmentId) -> str:
    """Where the list lies: below a name that no app can have."""
    return f".mooring/{environment.app}/{environment.environment}.json"


def folder_of(environment: EnvironmentId, settings: AssetSettings, digest: str) -> str:
    """Where the files of a tree of this digest lie in the bucket: all in one folder, or a folder for each tree."""
    base = folder_of_all(environment)
    return base if settings.hashed_names else f"{base}{digest[:_DIGEST]}/"


def folder_of_all(environment: EnvironmentId) -> str:
    """Where all that is pushed for an environment lies."""
    return f"{environment.app}/{environment.environment}/"


def url_of(environment: EnvironmentId, settings: AssetSettings, digest: str) -> str:
    """Where browsers find them, without a slash at the end."""
    base = settings.url.rstrip("/") or settings.place
    return f"{base}/{folder_of(environment, settings, digest)}".rstrip("/")


def read_index(content: bytes, *, where: str) -> AssetIndex:
    """Raises InvalidInput for what is no list of Mooring's."""
    try:
        return msgspec.json.decode(content, type=AssetIndex)
    except msgspec.DecodeError as error:
        hint = "bring back what lay there, or remove it together with the files it named"
        raise InvalidInput(f"Mooring's list of the assets it pushed cannot be read: {error}", hint=hint, where=where) from None
