"""What an edge with many apps costs against an edge with one: requests, changes, memory; both in one run, so that ratios count.

Run it as `.venv/bin/python bench/edge_many_apps.py [APPS]`; it takes under two minutes and prints one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from mooring.drivers.edge.envoy.settings import Layout
from mooring.drivers.edge.ledger import Ledger
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.lease import Mark
from mooring.model.names import Hostname, ProcessName
from mooring.model.routing import Endpoint, PathRoute, RouteTable
from mooring.testing.envoy import EnvoyPlatform, EnvoyRig

WEB = ProcessName("web")
ROUND = 3_000  # requests
ROUNDS = 5
CLIENTS = 8
CHANGES = 200


def table(number: int, port: int, *, release: int = 1) -> RouteTable:
    environment = EnvironmentId.parse(f"app-{number}")
    key = InstanceKey(environment=environment, process=WEB, slot=1, release=release)
    routes = (PathRoute(path="/", process=WEB, endpoints=(Endpoint(instance=key, address="127.0.0.1", port=port),)),)
    return RouteTable(environment=environment, hostnames=(Hostname(f"app-{number}.localhost"),), routes=routes)


class Bench:
    """One edge with `apps` environments, of which number 0 answers."""

    def __init__(self, apps: int) -> None:
        self.apps = apps
        self.directory = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
        self.platform = EnvoyPlatform(self.directory)
        self.found: dict[str, object] = {"apps": apps}

    async def start(self) -> None:
        layout = Layout(self.platform.directory, self.platform.run_directory)
        ledger = Ledger(layout.tables)
        ledger.load()
        for number in range(self.apps):
            each = table(number, 20_000 + number)
            ledger.keep(Mark(each.environment, "bench", 1), each)
        began = time.monotonic()
        self.platform.start()
        self.found["seconds_from_nothing_to_listening"] = round(time.monotonic() - began, 2)
        self.rig = EnvoyRig(self.platform)
        self.app = await self.rig.listen("hello")
        await self.rig.edge.apply(Mark(table(0, 1).environment, "bench", 1), table(0, self.app.port))

    async def measure_changes(self) -> None:
        """Endpoints of one app switched to and fro; a new app added each time."""
        other = await self.rig.listen("other")
        mark = Mark(table(0, 1).environment, "bench", 1)
        switches = [await self._timed(mark, table(0, port)) for _ in range(CHANGES // 2) for port in (other.port, self.app.port)]
        added = []
        for number in range(self.apps, self.apps + 5):
            new = table(number, 40_000 + number)
            added.append(await self._timed(Mark(new.environment, "bench", 1), new))
        began = time.monotonic()
        await self.rig.edge.observe(mark.environment)
        self.found |= {
            "switch_acknowledged_ms_median": _ms(statistics.median(switches)),
            "switch_acknowledged_ms_slowest": _ms(max(switches)),
            "new_hostname_serving_ms_median": _ms(statistics.median(added)),
            "observe_one_ms": _ms(time.monotonic() - began),
        }

    async def _timed(self, mark: Mark, wanted: RouteTable) -> float:
        began = time.monotonic()
        await self.rig.edge.apply(mark, wanted)
        return time.monotonic() - began

    async def round(self) -> tuple[float, list[float]]:
        """CPU seconds of Envoy per 100,000 requests, and the latencies."""
        envoy = psutil.Process(self.platform.processes["edge"].pid)
        before = sum(envoy.cpu_times()[:2])
        latencies: list[float] = []
        await asyncio.gather(*(self._client(latencies) for _ in range(CLIENTS)))
        return (sum(envoy.cpu_times()[:2]) - before) * 100_000 / len(latencies), latencies

    async def _client(self, latencies: list[float]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.platform.settings.http_port)
        request = b"GET / HTTP/1.1\r\nhost: app-0.localhost\r\n\r\n"
        for _ in range(ROUND // CLIENTS):
            began = time.monotonic()
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(5)
            latencies.append(time.monotonic() - began)
        writer.close()

    def measure_memory(self, when: str) -> None:
        for name, process in self.platform.processes.items():
            self.found[f"{name}_resident_mb{when}"] = round(psutil.Process(process.pid).memory_info().rss / 1_000_000, 1)

    async def stop(self) -> None:
        await self.rig.close()
        self.platform.stop()
        shutil.rmtree(self.directory)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


async def main(apps: int) -> None:
    benches = [Bench(1), Bench(apps)]
    rounds: dict[int, list[tuple[float, list[float]]]] = {1: [], apps: []}
    try:
        for bench in benches:
            await bench.start()
        for bench in benches:
            await bench.round()  # to warm up
        for _ in range(ROUNDS):
            for bench in benches:
                rounds[bench.apps].append(await bench.round())
        for bench in benches:
            bench.measure_memory("")
            await bench.measure_changes()
            bench.measure_memory("_after_changes")
            latencies = sorted(each for _, found in rounds[bench.apps] for each in found)
            bench.found["cpu_seconds_per_100000_requests"] = round(statistics.median(cpu for cpu, _ in rounds[bench.apps]), 2)
            bench.found["p50_ms"] = round(latencies[len(latencies) // 2] * 1000, 3)
    finally:
        for bench in benches:
            await bench.stop()
    one, many = (bench.found for bench in benches)
    ratios = {name: round(float(str(many[name])) / float(str(one[name])), 2) for name in ("cpu_seconds_per_100000_requests", "p50_ms")}
    print(json.dumps({"one": one, "many": many, "many_to_one": ratios}, indent=2))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
