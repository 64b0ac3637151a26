"""A real platform with an app to be hostile to: its command line, its API on both sockets, its tokens. Must not: judge an answer."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from e2e.platform import App, Platform, free_port

from mooring.client.location import controller_socket

BASE = "/v1/environments/shop/production"
QUICK = '[deploy]\nhealthy_deadline = "10s"\nbake = "0s"\ndrain_timeout = "2s"\nkill_timeout = "2s"\n'


@dataclass(frozen=True)
class Desk:
    """`port` is the API's on TCP; `viewer` a valid token, `revoked` one that has ended; `resting` bytes of the controller at rest."""

    platform: Platform
    shop: App
    port: int
    viewer: str
    revoked: str
    resting: int = 0

    @property
    def socket_path(self) -> Path:
        return controller_socket(self.platform.state)

    @property
    def http(self) -> httpx.Client:
        """Over the Unix socket."""
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket_path)), base_url="http://mooring", timeout=60)

    @property
    def places(self) -> dict[str, str]:
        return {"port": str(self.port), "viewer": self.viewer, "revoked": self.revoked}

    def wire(self, sent: bytes) -> bytes:
        """What comes back on the Unix socket for these bytes until it is closed."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket_path))
            return exchange(connection, sent)

    def tcp(self, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            return exchange(connection, sent)

    def controller(self) -> int:
        """Its pid."""
        for pid in self.platform.pids():
            if b"mooring.server\0serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise AssertionError("no controller runs")

    def logged(self) -> str:
        """What the controller wrote."""
        return (self.platform.state / "log" / "controller.log").read_text()

    def server_errors(self) -> list[str]:
        """The lines of the metrics that count answers of 500 and above, but for 501: what the protocol knows and nobody here offers."""
        with self.http as http:
            lines = http.get("/metrics").text.splitlines()
        return [line for line in lines if 'status="5' in line and 'status="501"' not in line]


def exchange(connection: socket.socket, sent: bytes) -> bytes:
    """A server that has heard enough may close before it has read all: what it said until then counts."""
    connection.settimeout(30)
    found = b""
    try:
        connection.sendall(sent)
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        while chunk := connection.recv(65_536):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def furnished(platform: Platform) -> Desk:
    """With shop/production deployed from `tests/apps/trouble`, and the API on a TCP port."""
    shop = platform.app("trouble", "shop")
    shop.write("mooring.toml", QUICK)
    shop.release(1)
    answer = shop.deploy()
    assert answer.code == 0, answer
    tokens = {name: platform.mooring("token", "create", name, "--role", "viewer", "--json").json["token"] for name in ("seer", "ended")}
    assert platform.mooring("token", "revoke", "ended").code == 0
    port = free_port()
    answer = platform.mooring("up", "--api", f"127.0.0.1:{port}")
    assert answer.code == 0, answer
    desk = Desk(platform=platform, shop=shop, port=port, viewer=tokens["seer"], revoked=tokens["ended"])
    return replace(desk, resting=memory(desk.controller(), "VmRSS"))


def memory(pid: int, what: str) -> int:
    """Bytes: VmRSS now, VmHWM at most since it was reset."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024
