"""A real HAProxy (Debian's package), for tests. Must not: outlive the test, or use a fixed port."""

from __future__ import annotations

import time
from pathlib import Path

from mooring.drivers.edge.haproxy.edge import HaproxyEdge
from mooring.drivers.edge.haproxy.programs import programs
from mooring.drivers.edge.haproxy.settings import HaproxySettings
from mooring.drivers.edge.program import Program
from mooring.testing.proxy import PATIENCE, ProxyPlatform, ProxyRig


class HaproxyPlatform(ProxyPlatform[HaproxyEdge]):
    def __init__(self, directory: Path, *, prepared: int = 100) -> None:
        super().__init__(directory)
        self.settings = HaproxySettings(
            http_port=self.http_port, https_port=self.https_port, bind="127.0.0.1", prepared=prepared, threads=1, max_held=40
        )

    def new_edge(self) -> HaproxyEdge:
        return HaproxyEdge.here(self.directory, self.run_directory, self.settings)

    def programs(self) -> tuple[Program, ...]:
        return programs(self.directory, self.run_directory, self.settings)

    def kill(self, name: str) -> None:
        """The master; its worker ends when it sees that."""
        super().kill(name)
        deadline = time.monotonic() + PATIENCE
        while self.is_listening():
            assert time.monotonic() < deadline, "the worker outlives its master"
            time.sleep(0.01)


class HaproxyRig(ProxyRig[HaproxyEdge]):
    """One test's view of the platform."""

    platform: HaproxyPlatform
