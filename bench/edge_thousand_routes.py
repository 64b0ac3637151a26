"""The edge with a thousand apps: what a change costs, under load, and what a request costs beside a configuration written by hand.

    bin/bench edge_thousand_routes [--apps 1000] [--changes 200]

Four edges in one run, rounds alternating: Mooring's with all the apps, Mooring's with one app, and two Envoys whose configurations are
written by hand for the same hostnames, a virtual host and a cluster for each app. One of them is what Envoy's own page on edges asks
for (configuration/best_practices/edge of its documentation, release 1.40), with what a user sees of Mooring's edge besides: a log in
JSON with the default fields, gzip and zstd, a limit on bodies, the request's id in the answer, and a retry of a refused connection.
The other is bare: the default log and nothing else. All are the same program with one worker. The changes are made to the first while
requests go through it (parts/load.py).

Takes about 45 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from parts.load import Load, Report, Target
from parts.own_edges import PATIENCE, Mooring
from parts.showing import Figure, show

from mooring.drivers.edge.envoy.programs import envoy_binary
from mooring.testing.edge_contract import App
from mooring.testing.envoy import EnvoyPlatform, EnvoyRig

ROUND = 4_000  # requests
ROUNDS = 7
CLIENTS = 8
ADDED = 5  # new hostnames
LOAD = 200.0  # requests a second while changes are made
FIRST = "app-0.localhost"
BUFFER = 32_768  # bytes
_CPU_CLOCK = 2  # CPUCLOCK_SCHED: what the scheduler counted, in nanoseconds

Json = dict[str, object]

EDGE = {  # the connection manager of Envoy's page on edges, and the request's id told to the client
    "use_remote_address": True,
    "normalize_path": True,
    "merge_slashes": True,
    "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
    "common_http_protocol_options": {"idle_timeout": "3600s", "headers_with_underscores_action": "REJECT_REQUEST"},
    "http2_protocol_options": {
        "max_concurrent_streams": 100,
        "initial_stream_window_size": 65_536,
        "initial_connection_window_size": 1_048_576,
    },
    "stream_idle_timeout": "300s",
    "request_timeout": "300s",
    "always_set_request_id_in_response": True,
}
OVERLOAD = {
    "refresh_interval": "0.25s",
    "resource_monitors": [
        {
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": 20_000,
            },
        }
    ],
}

LOGGED = {  # the fields of Envoy's default line, of which its documentation makes JSON
    "start_time": "START_TIME",
    "method": "REQ(:METHOD)",
    "path": "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)",
    "protocol": "PROTOCOL",
    "response_code": "RESPONSE_CODE",
    "response_flags": "RESPONSE_FLAGS",
    "response_code_details": "RESPONSE_CODE_DETAILS",
    "bytes_received": "BYTES_RECEIVED",
    "bytes_sent": "BYTES_SENT",
    "duration": "DURATION",
    "upstream_service_time": "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)",
    "x_forwarded_for": "REQ(X-FORWARDED-FOR)",
    "user_agent": "REQ(USER-AGENT)",
    "request_id": "REQ(X-REQUEST-ID)",
    "authority": "REQ(:AUTHORITY)",
    "upstream_host": "UPSTREAM_HOST",
    "upstream_cluster": "UPSTREAM_CLUSTER",
    "route_name": "ROUTE_NAME",
}


class ByHand:
    """Envoy with a configuration as its documentation shows it, for the same hostnames; `is_bare`: nothing but routing."""

    def __init__(self, directory: Path, apps: int, *, is_bare: bool) -> None:
        self._directory = directory
        self._directory.mkdir()
        self._apps = apps
        self._is_bare = is_bare
        self.port = EnvoyPlatform(directory).settings.http_port

    async def start(self, app: App) -> None:
        path = self._directory / "envoy.json"
        path.write_text(json.dumps(self._configuration(app.port)))
        self._envoy = self._started(path)
        async with asyncio.timeout(PATIENCE):
            while not await self._answers():  # noqa: ASYNC110 - it is another process that is awaited
                await asyncio.sleep(0.02)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._envoy.pid)

    async def stop(self) -> None:
        self._envoy.kill()
        self._envoy.wait()

    def _started(self, path: Path) -> subprocess.Popen[bytes]:
        argv = [str(envoy_binary()), "--config-path", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def _configuration(self, port: int) -> Json:
        ports = [port, *(20_000 + number for number in range(1, self._apps))]
        manager = {
            "@type": _type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "ingress_http",
            "access_log": [{"name": "envoy.access_loggers.file", "typed_config": self._log()}],
            "http_filters": [*([] if self._is_bare else _filters()), _filter("router", "filters.http.router.v3.Router")],
            "route_config": {"name": "local_route", "virtual_hosts": [self._host(number) for number in range(self._apps)]},
            **({} if self._is_bare else EDGE),
        }
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        small = {} if self._is_bare else {"per_connection_buffer_limit_bytes": BUFFER}
        listener = {"name": "listener_0", "address": _address(self.port), "filter_chains": [chain], **small}
        clusters = [{**_cluster(f"app-{number}", each), **small} for number, each in enumerate(ports)]
        limited = {} if self._is_bare else {"overload_manager": OVERLOAD}
        return {"static_resources": {"listeners": [listener], "clusters": clusters}, **limited}

    def _host(self, number: int) -> Json:
        route: Json = {"match": {"prefix": "/"}, "route": {"cluster": f"app-{number}"}}
        more = {} if self._is_bare else {"retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2}}
        name = f"app-{number}"
        return {"name": name, "domains": [f"{name}.localhost", f"{name}.localhost:*"], "routes": [route], **more}

    def _log(self) -> Json:
        form = {} if self._is_bare else {"log_format": {"json_format": {name: f"%{value}%" for name, value in LOGGED.items()}}}
        return {"@type": _type("access_loggers.file.v3.FileAccessLog"), "path": str(self._directory / "access.log"), **form}


def _filter(name: str, kind: str, **settings: object) -> Json:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": _type(kind), **settings}}


def _filters() -> list[Json]:
    limit = _filter("body_size_limit", "filters.http.body_size_limit.v3.BodySizeLimit", max_request_bytes=100_000_000)
    return [limit, *(_compressor(name) for name in ("gzip", "zstd"))]


def _compressor(name: str) -> Json:
    kind = _type(f"compression.{name}.compressor.v3.{name.capitalize()}")
    return _filter(
        "compressor", "filters.http.compressor.v3.Compressor", compressor_library={"name": name, "typed_config": {"@type": kind}}
    )


def _type(name: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{name}"


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> Json:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": [endpoint]}}


async def requests(edge: Mooring | ByHand) -> float:
    """CPU seconds of Envoy per 100,000 requests, over kept-alive connections."""
    return await requests_of(edge.port, [edge.process])


async def requests_of(port: int, processes: list[psutil.Process]) -> float:
    """CPU seconds of these processes per 100,000 requests to that port."""
    before = sum(map(cpu, processes))
    await asyncio.gather(*(_client(port) for _ in range(CLIENTS)))
    return (sum(map(cpu, processes)) - before) * 100_000 / ROUND


def cpu(process: psutil.Process) -> float:
    """Seconds that its threads have run, those that have ended too: its own clock (clock_getcpuclockid(3)); `stat` counts hundredths."""
    return time.clock_gettime((~process.pid << 3) | _CPU_CLOCK)


async def _client(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET / HTTP/1.1\r\nhost: {FIRST}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n".encode()
    for _ in range(ROUND // CLIENTS):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        await reader.readexactly(5)
    writer.close()


async def changed_under_load(edge: Mooring, app: App, other: App, changes: int) -> tuple[list[float], Report]:
    """Seconds of each switch to and fro, and what the visitors met meanwhile."""
    target = Target(("127.0.0.1", edge.port), FIRST, path="/")
    async with Load(target, rate=LOAD) as load:
        await asyncio.sleep(1)
        switches = [await edge.switch(each) for _ in range(changes // 2) for each in (other, app)]
        await asyncio.sleep(1)
    return switches, load.report


def resident(edge: Mooring | ByHand) -> float:
    return edge.process.memory_info().rss / 1e6


async def measure(directory: Path, *, apps: int, changes: int) -> int:
    many, one = (Mooring(directory / name, routes, kind="Envoy") for name, routes in (("many", apps), ("one", 1)))
    by_hand = [ByHand(directory / f"hand-{is_bare}", apps, is_bare=is_bare) for is_bare in (False, True)]
    edges: list[Mooring | ByHand] = [many, one, *by_hand]
    started: list[Mooring | ByHand] = []
    servers = EnvoyRig(many.platform)
    app, other = await servers.listen("hello"), await servers.listen("other")
    try:
        for edge in edges:
            await edge.start(app)
            started.append(edge)
            await requests(edge)  # to warm up
        rounds = [[await requests(edge) for edge in edges] for _ in range(ROUNDS)]
        memory = [resident(many)]
        switches, report = await changed_under_load(many, app, other, changes)
        memory.append(resident(many))
        added = [await many.add(number, await servers.listen(f"new-{number}")) for number in range(apps, apps + ADDED)]
        memory.append(resident(many))
        return tell(Found(apps, rounds, memory, switches, added, report, many.seconds_to_listening))
    finally:
        for edge in started:
            await edge.stop()
        await servers.close()


@dataclass(frozen=True)
class Found:
    """`rounds` are CPU seconds per 100,000 requests of the four edges; `memory` MB before, after the changes, after the new names."""

    apps: int
    rounds: list[list[float]]
    memory: list[float]
    switches: list[float]
    added: list[tuple[float, float]]
    report: Report
    seconds_to_listening: float


def tell(found: Found) -> int:
    many, one, alike, bare = (statistics.median(each) for each in zip(*found.rounds, strict=True))
    before, after, later = found.memory
    number = len(found.switches)
    figures = [
        Figure("an endpoint change acknowledged, median", 1000 * statistics.median(found.switches), "ms", at_most=50),
        Figure("an endpoint change acknowledged, slowest", 1000 * max(found.switches), "ms"),
        Figure("a new hostname answered by its app, median", 1000 * statistics.median(each[0] for each in found.added), "ms", at_most=250),
        Figure("its certificate in force too, median", 1000 * statistics.median(each[1] for each in found.added), "ms"),
        Figure(f"failed of {len(found.report.requests):,} requests in {number} changes", len(found.report.failures), at_most=0),
        Figure(f"connections closed in {number} changes", found.report.closed, at_most=0),
        Figure(f"memory after {number} changes / before", after / before, at_most=1.2, beside=f"{after:.0f} / {before:.0f} MB"),
        Figure(f"memory after {ADDED} new hostnames / before", later / before, beside=f"{later:.0f} MB"),
        Figure(
            f"CPU per request, {found.apps:,} apps / by hand, an edge",
            statistics.median(row[0] / row[2] for row in found.rounds),
            at_most=1.1,
            beside=f"{many:.2f} / {alike:.2f} s per 100,000",
        ),
        Figure("CPU per request / by hand, bare", statistics.median(row[0] / row[3] for row in found.rounds), beside=f"{bare:.2f} s"),
        Figure(
            f"CPU per request, {found.apps:,} apps / one", statistics.median(row[0] / row[1] for row in found.rounds), beside=f"{one:.2f} s"
        ),
        Figure(f"from nothing to listening, {found.apps:,} apps", found.seconds_to_listening, "s"),
    ]
    facts = {"rounds": found.rounds, "memory_mb": found.memory, "switches_s": found.switches, "added_s": found.added}
    return show("edge_thousand_routes", figures, {**facts, "load": found.report.summary()})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--apps", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=200)
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    try:
        return asyncio.run(measure(directory, apps=asked.apps, changes=asked.changes))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
