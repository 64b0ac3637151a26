"""A machine on which instances run: what it is called, where it is, what it may be given. Must not: reach it."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.names import HostId, RegionName


class HostRuntime(enum.Enum):
    """How instances run on a host: one way each."""

    PROCESS = "process"
    SYSTEMD = "systemd"
    DOCKER = "docker"


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """One that was added. `address` as SSH takes it (`root@203.0.113.7:22`), `host_key` the public key it was pinned to.

    `bind` is the address of its own at which instances listen and the edge reaches them. `memory`: bytes that declared memory may add up
    to. `is_draining`: nothing new is placed on it, and what is there moves away with the next deployment.
    """

    name: HostId
    address: str
    runtime: HostRuntime
    host_key: str = ""
    region: RegionName = RegionName("default")
    labels: dict[str, str] = {}
    bind: str = "127.0.0.1"
    memory: int = 0
    is_draining: bool = False
    added_at: float = 0.0


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """How well a host is seen. `age`: seconds since it last answered, None when it never has; `error` why it does not answer now."""

    host: HostId
    age: float | None
    error: str = ""
