"""Mooring's own edges as the benches measure them, with as many routes as asked. Must not: measure requests."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import psutil

from mooring.drivers.edge.ledger import Ledger
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.lease import Mark
from mooring.model.names import Hostname, ProcessName
from mooring.model.routing import Endpoint, PathRoute, RouteTable
from mooring.testing.edge_contract import App
from mooring.testing.envoy import EnvoyPlatform, EnvoyRig
from mooring.testing.haproxy import HaproxyPlatform, HaproxyRig

WEB = ProcessName("web")
ADDED = 20  # new hostnames for which there is a place
PATIENCE = 30.0
LEAST_GAIN = 0.0005  # seconds between two looks at who answers


def table(number: int, port: int, *, release: int = 1) -> RouteTable:
    environment = EnvironmentId.parse(f"app-{number}")
    key = InstanceKey(environment=environment, process=WEB, slot=1, release=release)
    routes = (PathRoute(path="/", process=WEB, endpoints=(Endpoint(instance=key, address="127.0.0.1", port=port),)),)
    return RouteTable(environment=environment, hostnames=(Hostname(f"app-{number}.localhost"),), routes=routes)


def mark(wanted: RouteTable) -> Mark:
    return Mark(wanted.environment, "bench", 1)


class Mooring:
    """One of its edges with `routes` environments, of which number 0 answers. `domain`: of the others; only `localhost` is signed for."""

    def __init__(self, directory: Path, routes: int, *, kind: str, domain: str = "localhost") -> None:
        self.name = f"Mooring, {kind}"
        self.routes = routes
        self._domain = domain
        self.platform = EnvoyPlatform(directory) if kind == "Envoy" else HaproxyPlatform(directory, prepared=routes + ADDED)
        self.port = self.platform.http_port

    async def start(self, app: App) -> None:
        ledger = Ledger(self.platform.directory / "tables")
        ledger.load()
        for number in range(self.routes):
            each = table(number, 20_000 + number)
            named = msgspec.structs.replace(each, hostnames=(Hostname(f"app-{number}.{self._domain}"),)) if number else each
            ledger.keep(mark(named), named)
        began = time.monotonic()
        self.platform.start()
        self.seconds_to_listening = time.monotonic() - began
        self.rig = EnvoyRig(self.platform) if isinstance(self.platform, EnvoyPlatform) else HaproxyRig(self.platform)
        await self.switch(app)

    @property
    def process(self) -> psutil.Process:
        """The proxy itself."""
        return psutil.Process(self.platform.processes["edge"].pid)

    @property
    def processes(self) -> list[psutil.Process]:
        """All that the edge is made of."""
        known = [psutil.Process(each.pid) for each in self.platform.processes.values()]
        return [*known, *(child for each in known for child in each.children())]

    async def switch(self, app: App) -> float:
        """Seconds until the edge has acknowledged it."""
        wanted = table(0, app.port)
        began = time.monotonic()
        await self.rig.edge.apply(mark(wanted), wanted)
        return time.monotonic() - began

    async def add(self, number: int, app: App) -> tuple[float, float]:
        """Seconds until a hostname that was unknown is answered by its app, and until all of it, its certificate too, is acknowledged."""
        wanted = table(number, app.port)
        began = time.monotonic()
        applying = asyncio.create_task(self.rig.edge.apply(mark(wanted), wanted))
        async with asyncio.timeout(PATIENCE):
            while (await self.rig.ask(str(wanted.hostnames[0]))).text != app.name:  # noqa: ASYNC110 - another process is awaited
                await asyncio.sleep(LEAST_GAIN)
        served = time.monotonic() - began
        await applying
        return served, time.monotonic() - began

    async def stop(self) -> None:
        await self.rig.close()
        self.platform.stop()
