"""The API as it runs: uvicorn on a Unix socket and a TCP port in a thread of its own; engine and memory real, the world in memory."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mooring.client.client import Client
from mooring.drivers.runtime.contract import Variables
from mooring.engine.capacity import CapacityKeeper
from mooring.engine.certificates import CertificateKeeper
from mooring.engine.clock import SystemClock
from mooring.engine.controller import Controller
from mooring.engine.hosts import HostDesk
from mooring.engine.lookout import Lookout
from mooring.model.access import Role
from mooring.model.capacity import CapacityTerms
from mooring.model.certificate import CertificateSource
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, TaskSpec
from mooring.model.policy import Policy
from mooring.model.secret import Secret
from mooring.server.application import build
from mooring.server.asked import Services
from mooring.server.forges import forge_of, remote_of
from mooring.server.forging import ForgeDesk
from mooring.server.listening import ApiServer, tcp_socket, unix_socket
from mooring.server.metrics import Metrics
from mooring.server.redaction import Redactors
from mooring.server.sse import Streams
from mooring.store.authorized_keys import AuthorizedKeys
from mooring.store.memory import SqliteMemory
from mooring.testing.bucket import FakeBuckets
from mooring.testing.capacity import FakeCapacity
from mooring.testing.edge import FakeEdge
from mooring.testing.hosts import FakeHosts
from mooring.testing.prober import FakeProber, FakeStreamOpener
from mooring.testing.runtime import FakeRuntime
from mooring.testing.service import FakeServers
from mooring.testing.workshop import FakeWorkshop, Tree, process
from mooring.testing.world import FakeWorld
from mooring.usecases.answers import PartStatus
from mooring.usecases.platform import Platform

TREE = Tree(processes=(process("web", count=1),), policy=Policy(bake=0.0))


class AnyTree(FakeWorkshop):
    """Whatever is uploaded unpacks to `tree`."""

    tree = TREE

    def unpack(self, archive: Path) -> Path:
        self.pack(self.tree, archive)
        return super().unpack(archive)


class EchoTerminal:
    """A command that answers each input with itself, then the words it was started with; ends with its input."""

    def __init__(self, command: str, variables: Variables) -> None:
        self.command, self.variables = command, variables
        self.size = (0, 0)
        self.is_closed = False
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, chunk: bytes) -> None:
        self._chunks.put_nowait(chunk)

    async def close_input(self) -> None:
        self._chunks.put_nowait(None)

    async def resize(self, *, rows: int, columns: int) -> None:
        self.size = (rows, columns)

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        while (chunk := await self._chunks.get()) is not None:
            yield "stdout", chunk
        yield "stderr", self.command.encode()

    async def wait(self) -> int:
        return 7

    async def close(self) -> None:
        self.is_closed = True


class Attaching:
    def __init__(self) -> None:
        self.terminals: list[EchoTerminal] = []
        self.entered: list[InstanceKey] = []

    async def attach(self, spec: TaskSpec, variables: Variables, *, terminal: bool, rows: int = 24, columns: int = 80) -> EchoTerminal:
        return self._opened(EchoTerminal(spec.command, variables), (rows, columns))

    async def enter(self, key: InstanceKey, argv: Sequence[str], *, terminal: bool, rows: int = 24, columns: int = 80) -> EchoTerminal:
        self.entered.append(key)
        return self._opened(EchoTerminal("|".join(argv), {}), (rows, columns))

    def _opened(self, terminal: EchoTerminal, size: tuple[int, int]) -> EchoTerminal:
        terminal.size = size
        self.terminals.append(terminal)
        return terminal


@dataclass
class World:
    """What lies below the API, kept over restarts of the controller."""

    state: Path
    memory: SqliteMemory
    runtime: FakeRuntime
    edge: FakeEdge
    workshop: AnyTree
    attaching: Attaching = field(default_factory=Attaching)
    clock: SystemClock = field(default_factory=SystemClock)
    place: tempfile.TemporaryDirectory[str] = field(default_factory=lambda: tempfile.TemporaryDirectory(prefix="m-", dir="/tmp"))

    def __post_init__(self) -> None:
        self.hosts = FakeHosts(self.clock)
        self.servers = FakeServers()
        self.capacity = FakeCapacity()

    @property
    def socket_path(self) -> Path:
        """Short: pytest's own directories are too deep for a socket."""
        return Path(self.place.name) / "run" / "controller.sock"

    def close(self) -> None:
        self.memory.close()
        self.place.cleanup()


@dataclass
class Served:
    """`call` runs something in the server's loop."""

    world: World
    socket_path: Path
    port: int
    services: Services
    loop: asyncio.AbstractEventLoop
    server: ApiServer
    thread: threading.Thread

    @property
    def client(self) -> Client:
        return Client(self.socket_path)

    @property
    def http(self) -> httpx.Client:
        """Over the Unix socket."""
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket_path)), base_url="http://mooring", timeout=30)

    def tcp(self, token: str | None = None, **headers: str) -> httpx.Client:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={**given, **headers}, timeout=30)

    def token(self, role: Role, name: str = "") -> str:
        made = self.world.memory.create_token(name or f"{role.value}-{time.monotonic_ns()}", role, at=time.time())
        return made[1].reveal()

    def deploy(self, environment: EnvironmentId, body: bytes = b"a tree") -> Deployment:
        """Deployed and ended."""
        path = f"/v1/environments/{environment.app}/{environment.environment}/deployments"
        with self.http as http:
            answer = http.post(path, content=body, headers={"Content-Type": "application/x-tar"})
        assert answer.status_code == 202, answer.text
        return self.ended(answer.json()["id"])

    def ended(self, deployment: str) -> Deployment:
        for _ in self.client.deployment_events(deployment):
            pass
        return self.client.deployment(deployment)

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the server ends when it is asked to"


@contextmanager
def serving(state: Path, *, settled: float = 0.0) -> Iterator[Served]:
    """`settled`: seconds that a stranger's commit has to be known."""
    here = started(new_world(state), settled=settled)
    try:
        yield here
    finally:
        here.stop()
        here.world.close()


def new_world(state: Path) -> World:
    clock = SystemClock()
    (state / "uploads").mkdir(mode=0o700)
    memory = SqliteMemory.open(state)
    return World(state=state, memory=memory, runtime=FakeRuntime(clock), edge=FakeEdge(clock), workshop=AnyTree(clock))


def started(world: World, *, settled: float = 0.0) -> Served:
    """A controller on this world, where an earlier one listened too."""
    path = world.socket_path
    ready = threading.Event()
    made: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: asyncio.run(_serve(world, path, ready, made, settled)), daemon=True)
    thread.start()
    assert ready.wait(30), made.get("error", "the server did not start")
    return Served(world=world, socket_path=path, thread=thread, **made)


async def _serve(world: World, path: Path, ready: threading.Event, made: dict[str, Any], settled: float) -> None:
    secrets = Redactors(world.memory)
    controller = _controller(world, secrets)
    desk = ForgeDesk(
        world.state / "forges", world.state / "uploads", forge=forge_of, remote=remote_of, patience=(0.01, 0.01), settled=settled
    )
    hosts = HostDesk(world.hosts, world.memory, controller.fleet, controller.edges, world.clock)
    platform = Platform(
        controller=controller,
        memory=world.memory,
        runtime=controller.fleet,
        edge=world.edge,
        certificates=CertificateKeeper(
            memory=world.memory, edge=world.edge, issuer=None, dns=None, clock=world.clock, tell=controller.tell, glance_every=0.05
        ),
        hosts=world.hosts,
        desk=hosts,
        capacity=CapacityKeeper(
            memory=world.memory,
            desk=hosts,
            reviews=controller.reviews,
            driver=world.capacity,
            terms=CapacityTerms(),
            clock=world.clock,
            tell=controller.tell,
            controller=lambda: world.hosts.controller,
        ),
        lookout=Lookout(world.hosts, world.memory.hosts, world.clock),
        forges=desk,
        push_keys=AuthorizedKeys(world.state / "home" / ".ssh" / "authorized_keys", state=world.state),
        clock=world.clock,
        secrets=secrets,
        parts=_parts,
        interactive=world.attaching,
        directory=world.state,
        hidden={},
        version="0.0.0",
        started_at=world.clock.wall(),
    )
    services = Services(platform=platform, streams=Streams(), metrics=Metrics(), uploads=world.state / "uploads", largest_archive=100_000)
    server = ApiServer(build(services), services.streams)
    sockets = [unix_socket(path), tcp_socket("127.0.0.1", 0)]
    await controller.start()
    platform.certificates.prepare()
    desk.start(platform)
    watching = asyncio.create_task(services.metrics.watch(platform))
    keeping = asyncio.create_task(platform.certificates.run())
    port = sockets[1].getsockname()[1]
    made.update(port=port, services=services, loop=asyncio.get_running_loop(), server=server)
    serving = asyncio.create_task(server.serve(sockets))
    while not server.started:
        await asyncio.sleep(0.01)
    ready.set()
    await serving
    watching.cancel()
    keeping.cancel()
    await desk.stop()
    await controller.stop()


def _controller(world: World, secrets: Redactors) -> Controller:
    return Controller(
        memory=world.memory,
        runtime=world.runtime,
        services=world.servers,
        buckets=FakeBuckets(),
        edge=world.edge,
        prober=FakeProber(FakeWorld(world.runtime), world.clock),
        streams=FakeStreamOpener(world.clock),
        workshop=world.workshop,
        clock=world.clock,
        redact=secrets.redact,
        secrets_changed=secrets.changed,
        certified=lambda: world.memory.certificates(CertificateSource.ACME),
        identity="test",
    )


async def _parts() -> tuple[PartStatus, ...]:
    return (PartStatus(name="edge", is_up=True),)


def raw_exchange(served: Served, sent: bytes, *, timeout: float = 20.0) -> bytes:
    """What comes back on a Unix socket for these bytes, until the server closes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(served.socket_path))
        connection.sendall(sent)
        found = b""
        while chunk := connection.recv(65_536):
            found += chunk
        return found


def secret(text: str) -> Secret:
    return Secret(text)
