"""The means to test an edge on a host of the fleet: apps here, the proxy there, SSH between. Must not: leave anything there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleet.rig import Host

from mooring.drivers.edge.haproxy.another_host import AnotherHost
from mooring.drivers.edge.haproxy.edge import HaproxyEdge
from mooring.drivers.edge.haproxy.preparation import UNIT, install, uninstall
from mooring.drivers.edge.haproxy.settings import HaproxySettings
from mooring.drivers.edge.program import Program
from mooring.drivers.transport.ssh import SshTransport
from mooring.testing.proxy import PATIENCE, ProxyPlatform, ProxyRig

SETTINGS = HaproxySettings(http_port=8080, https_port=8443, threads=1, max_held=40, prepared=10)


class HostEdgePlatform(ProxyPlatform[HaproxyEdge]):
    """`transport` is that of the test that runs: its connection belongs to one event loop."""

    transport: SshTransport

    def __init__(self, directory: Path, host: Host, *, gateway: str) -> None:
        super().__init__(directory)
        self.host = host
        self.http_port, self.https_port = SETTINGS.http_port, SETTINGS.https_port
        self.address, self.apps_at = host.address, gateway

    def new_edge(self) -> HaproxyEdge:
        return HaproxyEdge(self.directory, AnotherHost(self.transport, self.directory), SETTINGS)

    def programs(self) -> tuple[Program, ...]:
        return ()

    def start(self) -> None:
        asyncio.run(self._prepared())
        self.wait_until_listening()

    def stop(self) -> None:
        asyncio.run(self._undone())

    def kill(self, name: str) -> None:
        """All its processes; the host's systemd starts it again."""
        before = self._main_process()
        self.host.says("systemctl", "kill", "--signal", "KILL", UNIT)
        self.host.until(lambda: self._main_process() not in (before, "0"), within=PATIENCE)

    def _main_process(self) -> str:
        return self.host.says("systemctl", "show", "--property", "MainPID", "--value", UNIT).strip()

    async def _prepared(self) -> None:
        self.transport = SshTransport(self.host.ssh())
        await install(self.transport)
        await self.edge().tend()
        await self.transport.close()

    async def _undone(self) -> None:
        transport = SshTransport(self.host.ssh())
        await uninstall(transport)
        await transport.close()


class HostEdgeRig(ProxyRig[HaproxyEdge]):
    platform: HostEdgePlatform

    async def restart_edge(self) -> None:
        await asyncio.to_thread(self.platform.kill, "edge")
        await asyncio.to_thread(self.platform.wait_until_listening)
