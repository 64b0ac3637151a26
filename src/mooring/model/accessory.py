"""A long-lived program beside an app: a cache, a queue, a database. What is declared, and what is known. Must not: start one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from mooring.model.health import Checks
from mooring.model.names import AccessoryName, HostId, RegionName, VariableName


class Lasting(msgspec.Struct, frozen=True, kw_only=True):
    """What an accessory's instances have in common, whatever release they are of: one port, and one volume, which is a directory.

    `inside` is the port in a container (0: the one that the image names, else the number outside). `mount`: where a container finds
    the volume; empty: it has none. What runs without a container always has one: it starts there, and VOLUME names it.
    """

    inside: int = 0
    mount: str = ""


class Accessory(msgspec.Struct, frozen=True, kw_only=True):
    """As a manifest declares it: `image`, or `command`, or an image with a command of its own. Empty `host` and `region`: beside the app.

    `secrets` are made up once and handed to it and, in `url`, to the app. `url` is text in which {address}, {port} and names of
    secrets in braces are filled in; empty: the app finds address and port alone.
    """

    name: AccessoryName
    image: str = ""
    command: str = ""
    port: int = 0
    volume: str = ""
    host: HostId | None = None
    region: RegionName | None = None
    variables: dict[str, str] = {}
    secrets: tuple[VariableName, ...] = ()
    url: str = ""
    memory: int = 0
    stop_signal: str = "TERM"
    kill_timeout: float = 30.0  # seconds
    checks: Checks

    @property
    def prefix(self) -> str:
        """What the names of the variables begin with by which the app finds it: `REDIS` gives REDIS_HOST."""
        return self.name.replace("-", "_").upper()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an accessory listens: `host` is the machine, `address` how it is reached."""

    host: HostId
    address: str
    port: int


_BLANK = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def blanks(url: str) -> tuple[str, ...]:
    """The names that stand in braces."""
    return tuple(_BLANK.findall(url))


def filled_in(url: str, words: Mapping[str, str]) -> str:
    """With each blank's word, as it may stand in an address. Source: RFC 3986, 2.1."""
    return _BLANK.sub(lambda found: quote(words.get(found[1], ""), safe=":"), url)
