"""What an installation decides about its edge of HAProxy, and where that keeps its files. Must not: write one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.drivers.edge.layout import EdgeLayout


class HaproxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`https_port` 0: no HTTPS. `bind` is the address both ports listen on. Sizes in bytes.

    `prepared` routes (an environment's process type each) have a place before they are needed: taking one is no reload. When all are
    taken, one reload makes twice as many. `max_held` bounds the requests that wait for an instance, over all apps. The newest
    `log_bytes` of the access log are kept.
    """

    http_port: int = 8080
    https_port: int = 8443
    bind: str = "0.0.0.0"
    threads: int = 2
    prepared: int = 100
    max_held: int = 500
    max_connections: int = 20_000
    log_bytes: int = 320_000_000


class Layout(EdgeLayout, frozen=True):
    """What only HAProxy has, besides."""

    @property
    def configuration(self) -> Path:
        return self.directory / "haproxy.cfg"

    @property
    def backends(self) -> Path:
        return self.directory / "backends.cfg"

    @property
    def places(self) -> Path:
        """Which route and which instance has which of the prepared backends and servers."""
        return self.directory / "places.json"

    @property
    def rooms(self) -> Path:
        return self.directory / "rooms.lua"

    @property
    def routes(self) -> Path:
        """Map: hostname and path → backend, and how its requests are treated."""
        return self.directory / "routes.map"

    @property
    def wildcards(self) -> Path:
        """Map: the end of a hostname → its wildcard."""
        return self.directory / "wildcards.map"

    @property
    def servers(self) -> Path:
        """Map: the name of a server → the instance that it leads to now."""
        return self.directory / "servers.map"

    @property
    def challenges(self) -> Path:
        return self.directory / "challenges.map"

    @property
    def shown(self) -> Path:
        """Which certificate is shown to whom: HAProxy's crt-list."""
        return self.directory / "certificates.list"

    @property
    def command_socket(self) -> Path:
        return self.run_directory / "edge-commands.sock"

    @property
    def master_socket(self) -> Path:
        return self.run_directory / "edge-master.sock"

    @property
    def waiting_socket(self) -> Path:
        """Where HAProxy sends requests, to itself, that no instance can take yet."""
        return self.run_directory / "edge-waiting.sock"

    @property
    def counting_socket(self) -> Path:
        """Where HAProxy sends requests, to itself, whose bodies have no declared length."""
        return self.run_directory / "edge-counting.sock"

    @property
    def sockets(self) -> tuple[Path, ...]:
        return self.command_socket, self.master_socket, self.waiting_socket, self.counting_socket

    def page(self, kind: str) -> Path:
        return self.directory / "pages" / f"{kind}.map"
