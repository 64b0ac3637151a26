"""Two proxies as Mooring configures them, each beside a configuration written by hand for the same routes, and beside their peers.

    bin/bench edge [--routes 1000] [--changes 200] [--traefik PROGRAM] [--without-peers]

All have one worker, a log of requests, and the same app behind every hostname's own upstream; the rounds of requests alternate, over plain
HTTP/1.1. Behind the other hostnames somebody listens, too. What is written by hand does what a careful person would write: a log in JSON,
compression, who asked, a request's id. nginx and Caddy (Debian's) and Traefik (given by `--traefik`, its program) are measured where they
are installed. The changes are made by Mooring's drivers while paced requests go through (parts/load.py).

Takes about 3 min.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from edge_thousand_routes import FIRST, LOAD, ByHand, requests_of
from parts.load import Load, Report, Target
from parts.own_edges import ADDED, PATIENCE, Mooring
from parts.showing import Figure, show

from mooring.drivers.edge.haproxy.programs import haproxy_binary
from mooring.testing.edge_contract import App
from mooring.testing.envoy import EnvoyPlatform, EnvoyRig

ROUNDS = 5


HTTP_LOG = (  # source: haproxy.org, configuration manual 2.6, 8.2.3
    {"client": "ci", "at": "tr", "frontend": "ft", "backend": "b", "server": "s", "status": "ST", "bytes": "B", "state": "tsc"}
    | {"request_ms": "TR", "queue_ms": "Tw", "connect_ms": "Tc", "response_ms": "Tr", "active_ms": "Ta", "retries": "rc"}
    | {"connections": "ac/%fc/%bc/%sc", "queues": "sq/%bq", "method": "HM", "path": "HP", "protocol": "HV"}
    | {"id": "ID", "agent": "[capture.req.hdr(0),json(utf8s)]"}
)


class Envoy:
    """By hand."""

    def __init__(self, directory: Path, routes: int) -> None:
        self.name = "Envoy by hand"
        self._by_hand = ByHand(directory, routes, is_bare=False)
        self.port = self._by_hand.port

    async def start(self, app: App) -> None:
        await self._by_hand.start(app)

    @property
    def processes(self) -> list[psutil.Process]:
        return [self._by_hand.process]

    async def stop(self) -> None:
        await self._by_hand.stop()


class Peer:
    """A proxy with a configuration written by hand: `configured` writes it into a directory, and gives the command that starts it."""

    def __init__(self, directory: Path, routes: int, *, name: str, configured: Configured) -> None:
        directory.mkdir()
        self.name = name
        self._directory = directory
        self._routes = routes
        self._configured = configured
        self.port = EnvoyPlatform(directory).http_port

    async def start(self, app: App) -> None:
        ports = [app.port, *(20_000 + number for number in range(1, self._routes))]
        argv = self._configured(self._directory, self.port, ports)
        self._process = self._started(argv)
        deadline = time.monotonic() + PATIENCE
        while not await _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: {(self._directory / 'trouble.log').read_text()[-2000:]}")
            await asyncio.sleep(0.02)

    def _started(self, argv: list[str]) -> subprocess.Popen[bytes]:
        environment = {"HOME": str(self._directory), "PATH": "/usr/bin:/bin", "GOMAXPROCS": "1"}
        with (self._directory / "access.log").open("ab") as log, (self._directory / "trouble.log").open("ab") as trouble:
            return subprocess.Popen(argv, cwd=self._directory, stdout=log, stderr=trouble, env=environment)

    @property
    def processes(self) -> list[psutil.Process]:
        first = psutil.Process(self._process.pid)
        return [first, *first.children()]

    async def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


Configured = Callable[[Path, int, list[int]], list[str]]
Edge = Mooring | Envoy | Peer


async def _answers(port: int) -> bool:
    """With what the app says: some listen before they know a route."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(f"GET / HTTP/1.1\r\nhost: {FIRST}\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


def haproxy(directory: Path, port: int, ports: list[int]) -> list[str]:
    """With a log in JSON of the fields of HAProxy's own HTTP log, besides the agent and the id, which the answer has too."""
    logged = {name: f"%{value}" for name, value in HTTP_LOG.items()}
    lines = ["global", "nbthread 1", "log stdout len 4096 format raw local0", "no strict-limits", "maxconn 20000"]
    lines += ["defaults", "mode http", "timeout connect 5s", "timeout client 300s", "timeout server 300s", "timeout http-request 15s"]
    lines += ["retries 2", "option redispatch 1", "retry-on conn-failure"]
    lines += ["frontend edge", f"bind 127.0.0.1:{port}", "log global", f"log-format '{json.dumps(logged)}'", "option forwardfor"]
    lines += ["capture request header user-agent len 120", "compression algo gzip", "compression type text/html text/css text/plain"]
    lines += ["unique-id-format %[uuid()]", "unique-id-header x-request-id", "http-response set-header x-request-id %[unique-id]"]
    lines += ["http-request deny deny_status 413 if { req.hdr_val(content-length) gt 100000000 }"]
    lines += ["http-request del-header x-forwarded- -m beg", "http-request set-header x-forwarded-proto http"]
    lines += ["http-request set-header x-forwarded-host %[req.hdr(host)]"]
    lines += [f"use_backend %[req.hdr(host),host_only,lower,map({directory}/routes.map)]"]
    for number, each in enumerate(ports):
        lines += [f"backend b{number}", f"server one 127.0.0.1:{each}"]
    (directory / "routes.map").write_text("".join(f"app-{number}.localhost b{number}\n" for number in range(len(ports))))
    (directory / "haproxy.cfg").write_text("\n".join(lines) + "\n")
    return [str(haproxy_binary()), "-W", "-db", "-f", str(directory / "haproxy.cfg")]


def nginx(directory: Path, port: int, ports: list[int]) -> list[str]:
    servers = "".join(
        f"upstream b{number} {{ server 127.0.0.1:{each}; keepalive 16; }}\n"
        f"server {{ listen 127.0.0.1:{port}; server_name app-{number}.localhost; location / {{ proxy_pass http://b{number}; }} }}\n"
        for number, each in enumerate(ports)
    )
    (directory / "nginx.conf").write_text(
        f"user root; worker_processes 1; daemon off; pid {directory}/pid; error_log stderr;\n"
        "events { worker_connections 4096; }\nhttp {\n"
        'log_format json escape=json \'{"at":"$msec","method":"$request_method","path":"$uri","status":$status,"sent":$bytes_sent}\';\n'
        f"access_log {directory}/access.log json; gzip on; server_names_hash_max_size 8192; server_names_hash_bucket_size 128;\n"
        "keepalive_requests 1000000; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host;\n"
        f"proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;\n{servers}}}\n"
    )
    return [_program("nginx"), "-c", str(directory / "nginx.conf")]


def caddy(directory: Path, port: int, ports: list[int]) -> list[str]:
    sites = "".join(
        f"http://app-{number}.localhost:{port} {{\n bind 127.0.0.1\n log {{\n output file {directory}/access.log\n }}\n encode gzip\n"
        f" reverse_proxy 127.0.0.1:{each}\n}}\n"
        for number, each in enumerate(ports)
    )
    (directory / "Caddyfile").write_text("{\n admin off\n auto_https off\n}\n" + sites)
    return [_program("caddy"), "run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]


def traefik(program: Path) -> Configured:
    def configured(directory: Path, port: int, ports: list[int]) -> list[str]:
        routers = {f"r{number}": {"rule": f"Host(`app-{number}.localhost`)", "service": f"s{number}"} for number in range(len(ports))}
        services = {f"s{number}": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{each}"}]}} for number, each in enumerate(ports)}
        (directory / "routes.yaml").write_text(json.dumps({"http": {"routers": routers, "services": services}}))
        entry = f"--entrypoints.web.address=127.0.0.1:{port}"
        log = ("--accesslog=true", "--accesslog.format=json", f"--accesslog.filepath={directory}/access.log")
        return [str(program), entry, f"--providers.file.filename={directory}/routes.yaml", *log]

    return configured


def _program(name: str) -> str:
    return shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin") or ""


def edges(directory: Path, routes: int, asked: argparse.Namespace) -> list[Edge]:
    place = directory / str(routes)
    place.mkdir()
    peers: list[Edge] = [Peer(place / "nginx", routes, name="nginx", configured=nginx)] if _program("nginx") else []
    peers += [Peer(place / "caddy", routes, name="Caddy", configured=caddy)] if _program("caddy") else []
    peers += [Peer(place / "traefik", routes, name="Traefik", configured=traefik(asked.traefik))] if asked.traefik else []
    return [
        Mooring(place / "m-haproxy", routes, kind="HAProxy"),
        Peer(place / "haproxy", routes, name="HAProxy by hand", configured=haproxy),
        Mooring(place / "m-envoy", routes, kind="Envoy"),
        Envoy(place / "envoy", routes),
        *([] if asked.without_peers else peers),
    ]


async def measured(directory: Path, routes: int, asked: argparse.Namespace) -> tuple[list[Figure], dict[str, object]]:
    """All edges with this many routes: a request's cost, memory; and of Mooring's own, with more than one route, what changes cost."""
    known, started = edges(directory, routes, asked), []
    servers = EnvoyRig(EnvoyPlatform(directory / f"apps-{routes}"))
    app, other = await servers.listen("hello"), await servers.listen("other")
    silent = [socket.create_server(("127.0.0.1", 20_000 + number)) for number in range(1, routes)]
    try:
        for edge in known:
            await edge.start(app)
            started.append(edge)
            await requests_of(edge.port, edge.processes)  # to warm up
        rounds = [[await requests_of(edge.port, edge.processes) for edge in known] for _ in range(ROUNDS)]
        figures = _requests(known, rounds, routes)
        if routes > 1:
            for edge in known:
                if isinstance(edge, Mooring):
                    figures += await _changes(edge, servers, (app, other), asked.changes)
            figures.append(await _without_certificates(directory / "plain", routes, app))
        return figures, {f"rounds_{routes}": {edge.name: [row[place] for row in rounds] for place, edge in enumerate(known)}}
    finally:
        for edge in started:
            await edge.stop()
        await servers.close()
        for each in silent:
            each.close()


def _requests(known: list[Edge], rounds: list[list[float]], routes: int) -> list[Figure]:
    seconds = {edge.name: statistics.median(row[place] for row in rounds) for place, edge in enumerate(known)}
    memory = {edge.name: _memory(edge) for edge in known}
    places = {edge.name: place for place, edge in enumerate(known)}
    figures = [
        Figure(f"{name}: CPU per 100,000 requests, {routes:,} routes", seconds[name], "s", beside=f"{memory[name]:.0f} MB")
        for name in seconds
    ]
    for kind in ("HAProxy", "Envoy"):
        ours, hand = places[f"Mooring, {kind}"], places[f"{kind} by hand"]
        ratio = statistics.median(row[ours] / row[hand] for row in rounds)
        figures.append(Figure(f"{kind}: Mooring's / by hand, {routes:,} routes", ratio, at_most=1.1))
    if routes > 1:
        figures.append(Figure(f"Mooring, HAProxy: memory at {routes:,} routes, each with a certificate", memory["Mooring, HAProxy"], "MB"))
    return figures


def _memory(edge: Edge) -> float:
    """Resident MB of all its processes."""
    return sum(each.memory_info().rss for each in edge.processes) / 1e6


async def _without_certificates(directory: Path, routes: int, app: App) -> Figure:
    edge = Mooring(directory, routes, kind="HAProxy", domain="example.com")
    await edge.start(app)
    try:
        await requests_of(edge.port, edge.processes)
        return Figure(f"Mooring, HAProxy: memory at {routes:,} routes, as by hand: without certificates", _memory(edge), "MB", at_most=64)
    finally:
        await edge.stop()


async def _changes(edge: Mooring, servers: EnvoyRig, apps: tuple[App, App], changes: int) -> list[Figure]:
    switches, report = await _changed_under_load(edge, apps, changes)
    numbers = range(edge.routes, edge.routes + ADDED)
    added = [await edge.add(number, await servers.listen(f"new-{number}")) for number in numbers]
    most, most_new = (20, 20) if "HAProxy" in edge.name else (50, 250)
    answered = 1000 * statistics.median(each[0] for each in added)
    return [
        Figure(f"{edge.name}: a server change acknowledged, median", 1000 * statistics.median(switches), "ms", at_most=most),
        Figure(f"{edge.name}: a server change acknowledged, slowest", 1000 * max(switches), "ms"),
        Figure(f"{edge.name}: a new hostname answered, median", answered, "ms", at_most=most_new),
        Figure(f"{edge.name}: its certificate in force too, median", 1000 * statistics.median(each[1] for each in added), "ms"),
        Figure(f"{edge.name}: failed of {len(report.requests):,} requests in {changes} changes", len(report.failures), at_most=0),
        Figure(f"{edge.name}: connections closed in {changes} changes", report.closed, at_most=0),
    ]


async def _changed_under_load(edge: Mooring, apps: tuple[App, App], changes: int) -> tuple[list[float], Report]:
    async with Load(Target(("127.0.0.1", edge.port), FIRST, path="/"), rate=LOAD) as load:
        await asyncio.sleep(1)
        switches = [await edge.switch(each) for _ in range(changes // 2) for each in reversed(apps)]
        await asyncio.sleep(1)
    return switches, load.report


async def measure(directory: Path, asked: argparse.Namespace) -> int:
    figures, facts = [], {}
    for routes in (1, asked.routes):
        more, behind = await measured(directory, routes, asked)
        figures += more
        facts |= behind
    return show("edge", figures, facts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--traefik", type=Path)
    parser.add_argument("--without-peers", action="store_true")
    directory = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    try:
        return asyncio.run(measure(directory, parser.parse_args()))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
