"""What an installation decides about its edge, and where the edge keeps its files. Must not: write one."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from mooring.drivers.edge.layout import EdgeLayout
from mooring.model.environment import EnvironmentId

SHARDS = 8
STREAMS = "streams-"  # how the names of the clusters begin that take WebSockets and event streams


class EnvoySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`https_port` 0: no HTTPS. `bind` is the address both ports listen on. Sizes in bytes, times in seconds.

    `max_held` bounds the requests that wait for an instance, over all apps; `log_segments` full log files of `log_segment_bytes`
    are kept besides the current one. `drain` is how long connections of a replaced HTTP/3 chain live on; so long Envoy also keeps
    the replaced configuration in memory, 6 MB of it at 1,000 apps.
    """

    http_port: int = 8080
    https_port: int = 8443
    bind: str = "0.0.0.0"
    concurrency: int = 2
    max_held: int = 500
    max_connections: int = 20_000
    log_segment_bytes: int = 64_000_000
    log_segments: int = 4
    drain: int = 120


class Layout(EdgeLayout, frozen=True):
    """What only Envoy has, besides."""

    @property
    def bootstrap(self) -> Path:
        return self.directory / "bootstrap.json"

    @property
    def listeners(self) -> Path:
        return self.directory / "listeners" / "listeners.json"

    @property
    def routes(self) -> Path:
        return self.directory / "routes" / "routes.json"

    @property
    def token(self) -> Path:
        """The word by which Envoy knows that "send it again" comes from the attendant and not from an app."""
        return self.directory / "attendant.token"

    @property
    def admin_socket(self) -> Path:
        return self.run_directory / "edge-admin.sock"

    @property
    def waiting_socket(self) -> Path:
        """Where the attendant holds requests that no instance can take yet."""
        return self.run_directory / "edge-waiting.sock"

    @property
    def certificate_socket(self) -> Path:
        """Where the attendant answers for certificates: apart, so that no request of a client can ever ask for a key."""
        return self.run_directory / "edge-certificates.sock"

    def endpoints(self, shard: int) -> Path:
        """Each in a folder of its own: Envoy watches folders, and a change should wake one watcher only."""
        return self.directory / "endpoints" / f"{shard:02}" / "endpoints.json"

    @property
    def sockets(self) -> tuple[Path, ...]:
        return self.admin_socket, self.waiting_socket, self.certificate_socket


def shard_of(environment: EnvironmentId) -> int:
    """Which of the endpoint files holds an environment: stable over restarts."""
    return zlib.crc32(environment.slug.encode()) % SHARDS


def shard_name(shard: int) -> str:
    return f"apps-{shard:02}"


def streams_name(shard: int) -> str:
    """The cluster that takes WebSockets and event streams of the same environments."""
    return f"{STREAMS}{shard:02}"
