"""A real Envoy with its attendant, for tests. Must not: outlive the test, or use a fixed port."""

from __future__ import annotations

import socket
from pathlib import Path

from mooring.drivers.edge.envoy.edge import EnvoyEdge
from mooring.drivers.edge.envoy.programs import programs
from mooring.drivers.edge.envoy.settings import EnvoySettings, Layout
from mooring.drivers.edge.program import Program
from mooring.testing.proxy import ProxyPlatform, ProxyRig


class EnvoyPlatform(ProxyPlatform[EnvoyEdge]):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.settings = EnvoySettings(http_port=self.http_port, https_port=self.https_port, bind="127.0.0.1", concurrency=1, max_held=40)

    def new_edge(self) -> EnvoyEdge:
        return EnvoyEdge(self.directory, self.run_directory, self.settings)

    def programs(self) -> tuple[Program, ...]:
        return programs(self.directory, self.run_directory, self.settings)

    def is_listening(self) -> bool:
        """Envoy, and the attendant: a handshake for which nobody has a certificate is asked about once in ten seconds only."""
        layout = Layout(self.directory, self.run_directory)
        return super().is_listening() and all(_is_open(path) for path in (layout.waiting_socket, layout.certificate_socket))


class EnvoyRig(ProxyRig[EnvoyEdge]):
    """One test's view of the platform."""

    platform: EnvoyPlatform


def _is_open(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as attendant:
        return attendant.connect_ex(str(path)) == 0
