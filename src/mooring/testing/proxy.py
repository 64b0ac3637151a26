"""A real proxy as a supervisor would run it, and apps, clients and controllers around it, for tests: whichever edge it is.

Must not: outlive the test, or use a fixed port.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import httpx

from mooring.drivers.edge.certificates import Trust
from mooring.drivers.edge.contract import TendedEdge
from mooring.drivers.edge.program import Program
from mooring.testing.edge_contract import App, Reply
from mooring.testing.secure_edge_contract import Visit

PATIENCE = 15.0

Handle = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ProxiedEdge(TendedEdge, Protocol):
    """With a local authority, so that names under localhost have HTTPS."""

    def trust(self) -> Trust: ...


E = TypeVar("E", bound=ProxiedEdge)


class ProxyPlatform(Generic[E]):
    """What a supervisor would keep running, and the directories it lives in.

    `address` is where clients reach the proxy, `apps_at` where it reaches apps.
    """

    address = apps_at = "127.0.0.1"

    def __init__(self, directory: Path) -> None:
        self.http_port, self.https_port = _free_ports()
        self.directory = directory / "edge"
        self.run_directory = directory / "run"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.given: set[int] = set()  # ports that apps had: the tables of earlier tests still name them
        self.log = directory / "proxy.log"

    def new_edge(self) -> E:
        """As a controller makes it, not prepared."""
        raise NotImplementedError

    def programs(self) -> tuple[Program, ...]:
        raise NotImplementedError

    def edge(self) -> E:
        edge = self.new_edge()
        edge.prepare()
        return edge

    def start(self) -> None:
        self.edge()
        for program in self.programs():
            self.start_program(program)
        self.wait_until_listening()

    def program(self, name: str) -> Program:
        return next(each for each in self.programs() if each.name == name)

    def start_program(self, program: Program) -> None:
        with self.log.open("ab") as log:
            self.processes[program.name] = subprocess.Popen(  # noqa: S603 - the edge's own programs, as an argument list
                program.argv, cwd=program.directory, env={**os.environ, **program.environment}, stdout=log, stderr=log, umask=program.umask
            )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)

    def is_listening(self) -> bool:
        try:
            socket.create_connection((self.address, self.http_port), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_until_listening(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.is_listening():
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.02)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)


class ProxyRig(Generic[E]):
    """One test's view of the platform."""

    def __init__(self, platform: ProxyPlatform[E]) -> None:
        self.platform = platform
        self.edge = platform.edge()
        self.client = httpx.AsyncClient(base_url=f"http://{platform.address}:{platform.http_port}", timeout=60, trust_env=False)
        self._servers: dict[int, asyncio.Server] = {}
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def open_connections(self) -> int:
        """From the edge to apps."""
        return len(self._connections)

    async def listen(self, name: str, port: int = 0) -> App:
        app = App(name, self.platform.apps_at, port)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            await _serve(app, reader, writer)
            self._connections.discard(writer)

        app.port = await self._open(connected, port)
        return app

    async def listen_and_die(self) -> App:
        """An app that reads a request and closes the connection without a word."""

        async def die(_: str, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        return await self.listen_raw(die)

    async def listen_raw(self, handle: Handle) -> App:
        """An app that is given each request's head and does with the connection what it likes."""
        app = App("raw", self.platform.apps_at, 0)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    app.asked += 1
                    await handle(head, reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        app.port = await self._open(connected, 0)
        return app

    async def _open(self, connected: Connected, wanted: int) -> int:
        """The port it listens on: the wanted one, or with 0 one that no app of this platform ever had."""
        while True:
            server = await asyncio.start_server(connected, self.platform.apps_at, wanted)
            port: int = server.sockets[0].getsockname()[1]
            if wanted or port not in self.platform.given:
                self.platform.given.add(port)
                self._servers[port] = server
                return port
            server.close()

    async def silence(self, app: App) -> None:
        """As if it were killed: nobody listens, and its connections are gone."""
        self._servers.pop(app.port).close()
        for writer in self._connections:
            writer.transport.abort()
        await asyncio.sleep(0.05)

    async def ask(
        self, hostname: str, path: str = "/", *, agent: str = "test", accept: str = "*/*", sent: str = "", claimed: str = ""
    ) -> Reply:
        headers = {"host": hostname, "user-agent": agent, "accept": accept}
        if claimed:
            headers |= {"x-forwarded-for": claimed, "x-real-ip": claimed, "forwarded": f"for={claimed}"}
        if sent:
            headers["authorization"] = f"Basic {base64.b64encode(sent.encode()).decode()}"
        response = await self.client.get(path, headers=headers)
        told = response.headers
        return Reply(
            status=response.status_code, text=response.text, edge=told.get("x-mooring-edge", ""), robots=told.get("x-robots-tag", "")
        )

    async def raw(self, request: bytes) -> bytes:
        """Bytes to the edge's HTTP port, and all that comes back until it closes."""
        reader, writer = await asyncio.open_connection(self.platform.address, self.platform.http_port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        return answer

    @property
    def secure(self) -> E:
        return self.edge

    async def visit(self, hostname: str, path: str = "/", *, is_secure: bool = False, agent: str = "browser") -> Visit:
        """As the secure edge's contract asks; the certificate is looked at, not checked."""
        ports = self.platform
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        url = f"https://{ports.address}:{ports.https_port}" if is_secure else f"http://{ports.address}:{ports.http_port}"
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=PATIENCE) as client:
            headers = {"host": hostname, "user-agent": agent}
            async with client.stream("GET", url + path, headers=headers, extensions={"sni_hostname": hostname}) as response:
                text = (await response.aread()).decode()
                tls = response.extensions["network_stream"].get_extra_info("ssl_object")
        return Visit(
            status=response.status_code,
            text=text,
            location=response.headers.get("location", ""),
            strict_transport=response.headers.get("strict-transport-security", ""),
            leaf=ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)) if tls else "",
        )

    def wall(self) -> float:
        return time.time()

    async def restart_edge(self) -> None:
        self.platform.kill("edge")
        self.platform.start_program(self.platform.program("edge"))
        await asyncio.to_thread(self.platform.wait_until_listening)

    async def restart_controller(self) -> None:
        self.edge = self.platform.edge()

    async def close(self) -> None:
        await self.client.aclose()
        for server in self._servers.values():
            server.close()
        for writer in self._connections:
            writer.close()


async def _serve(app: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1 with keep-alive, as a small app server would."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lengths = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
            await reader.readexactly(int(lengths[0]) if lengths else 0)
            status, text = await app.respond(head.split(" ")[1])
            writer.write(f"HTTP/1.1 {status} Fine\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
