"""A machine on which instances run: what it is called, where it is, what it may be given, what was found on it. Must not: reach it."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import re
from urllib.parse import urlsplit

import msgspec

from mooring.errors import InvalidInput
from mooring.model.names import HostId, RegionName

_USER = re.compile(r"\A[a-z_][a-z0-9._-]{0,31}\Z")
_ADDRESS = re.compile(r"\A[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,252}[A-Za-z0-9])?\Z")
FRESH = 15.0  # seconds: what was seen longer ago is not of now
_SOCKET = re.compile(r"\A(?:/[A-Za-z0-9._-]+)+\Z")
_LONGEST_SOCKET = 107  # bytes. Source: unix(7)
DOCKER_SOCKET = "/var/run/docker.sock"
DEFAULT_REGION = RegionName("default")


class HostRuntime(enum.Enum):
    """How instances run on a host: one way each."""

    PROCESS = "process"
    SYSTEMD = "systemd"
    DOCKER = "docker"


INSTANCE_PORTS = {HostRuntime.SYSTEMD: (20_000, 29_999), HostRuntime.DOCKER: (30_000, 32_767)}
"""First and last of those that instances on other hosts get. Above them Linux gives ports to whoever asks."""


def closed_to_all_but(edge: str, runtime: HostRuntime) -> str:
    first, last = INSTANCE_PORTS[runtime]
    return f"{first}-{last} but from {edge}"


class HostAddress(msgspec.Struct, frozen=True):
    """Where sshd is, and as whom to come."""

    user: str
    host: str
    port: int = 22

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + ("" if self.port == 22 else f":{self.port}")

    @classmethod
    def parse(cls, text: str) -> HostAddress:
        """From `[ssh://]user@host[:port]`. Raises InvalidInput."""
        try:
            parts = urlsplit(text if "://" in text else f"ssh://{text}")
            user, host, port = parts.username or "", parts.hostname or "", parts.port or 22
        except ValueError:
            user, host, port, parts = "", "", 22, urlsplit("")
        is_plain = parts.scheme == "ssh" and not parts.path.strip("/") and not parts.query and not parts.fragment and parts.password is None
        if not (is_plain and _USER.match(user) and _ADDRESS.match(host)):
            raise InvalidInput(f"{text!r} is no address of a host", hint="write it like root@203.0.113.7 or deploy@web-1.example.com:2222")
        return cls(user, host, port)


def engine_socket(text: str) -> str:
    """Where a container engine listens on a host, from `[unix://]/path`. Raises InvalidInput."""
    path = text.removeprefix("unix://")
    if not _SOCKET.match(path) or ".." in path.split("/") or len(path) > _LONGEST_SOCKET:
        raise InvalidInput(f"{text[:120]!r} is no socket of an engine", hint="write it like unix:///run/user/1000/podman/podman.sock")
    return path


class Bastion(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that is gone through on the way to a host (ssh's ProxyJump). `host_key`: as of a host, pinned."""

    address: HostAddress
    host_key: str = ""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.host_key)


class EdgePorts(msgspec.Struct, frozen=True, kw_only=True):
    """Where a host's edge listens, for everybody. `https` 0: no HTTPS."""

    http: int = 80
    https: int = 443


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """One that was added. `host_key` is the public key that it was pinned to, as `ssh-keyscan` writes it.

    `bind` is the address of its own at which instances listen and the edge reaches them. `memory`: bytes that declared memory may add up
    to. `processors`: how many it has, 0 where nobody has counted them. `uid`: of the account there. `engine_socket`: where its container
    engine listens; empty for one whose engine was not there yet, and is then Docker's. `is_draining`: nothing new is placed
    on it, and what is there moves away with the next deployment. `has_firewall`: its instances' ports are closed to everybody but the
    edge. `prepared`: the names of the steps that were done for it, so that they can be undone. `edge`: it carries one, for its region;
    None: it does not. `bastion`: on the way to it; None: it is reached at once. `loan`: the key of the loan that it is here by; empty for
    one that a person added.
    """

    name: HostId
    address: HostAddress
    runtime: HostRuntime
    host_key: str = ""
    region: RegionName = DEFAULT_REGION
    labels: dict[str, str] = {}
    bind: str = "127.0.0.1"
    memory: int = 0
    processors: int = 0
    uid: int = 0
    engine_socket: str = ""
    has_firewall: bool = False
    is_draining: bool = False
    added_at: float = 0.0
    prepared: tuple[str, ...] = ()
    edge: EdgePorts | None = None
    bastion: Bastion | None = None
    loan: str = ""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.host_key)


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """How well a host is seen. `age`: seconds since it last answered, None when it never has; `error` why it does not answer now."""

    host: HostId
    age: float | None
    error: str = ""

    @property
    def is_away(self) -> bool:
        """What is known of it is not of now."""
        return bool(self.error) or self.age is None or self.age > FRESH


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on a host. Sizes in bytes; `clock` is its wall time, `asked_at` the controller's in the middle of asking.

    `owner`: the controller that it serves already, empty for none. `engine`: the version of its container engine's API, empty without one
    that the user may speak to; `engine_socket` where it listens. `address`: its own, as the connection reached it; `edge` the controller's,
    as it came there.
    `firewall`: which ports Mooring's rules close there, as `closed_to_all_but` says it; empty without such rules.
    `haproxy`: the version that is installed, empty for none. `is_edge_up`: the unit of an edge of ours runs. `listening`: the TCP ports
    that somebody listens on.
    """

    system: str = ""
    architecture: str = ""
    processors: int = 0
    memory: int = 0
    disk_free: int = 0
    clock: float = 0.0
    asked_at: float = 0.0
    user: str = ""
    uid: int = 0
    home: str = ""
    is_root: bool = False
    systemd: int = 0
    is_lingering: bool = False
    engine: str = ""
    engine_socket: str = ""
    owner: str = ""
    address: str = ""
    edge: str = ""
    firewall: str = ""
    has_python: bool = False
    haproxy: str = ""
    is_edge_up: bool = False
    listening: tuple[int, ...] = ()


class HostStep(enum.Enum):
    """What may have to be done on a host before it is used."""

    CLAIM = "claim"
    LINGER = "linger"
    ENGINE = "engine"
    FIREWALL = "firewall"
    EDGE = "edge"


class Weight(enum.Enum):
    """How much a finding matters."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: what was found, and what to do where it is not good."""

    subject: str
    weight: Weight
    said: str
    hint: str = ""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step with what it does and why."""

    step: HostStep
    what: str
    reason: str


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found, and what is left to do. With a fault nothing is done."""

    findings: tuple[Finding, ...]
    steps: tuple[PlannedStep, ...] = ()

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.weight is Weight.FAULT)


def fingerprint(host_key: str) -> str:
    """`SHA256:…` as OpenSSH shows it. Raises InvalidInput for what is no public key."""
    words = host_key.split()
    try:
        digest = hashlib.sha256(base64.b64decode(words[1], validate=True)).digest()
    except (IndexError, binascii.Error, ValueError):
        raise InvalidInput("that is no host key", hint="a host key reads like ssh-ed25519 AAAA…") from None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
