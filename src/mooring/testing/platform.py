"""A whole platform in memory and in virtual time: the real controller, everything around it fake, and the laws watched at every effect.

    async def story(platform: FakePlatform) -> None:
        shop = EnvironmentId.parse("shop")
        deployment = await platform.end(platform.deploy(shop, Tree()))
        assert deployment.outcome is Outcome.SUCCEEDED

    play(story)

`crash` ends the controller as kill -9 does: from then on nothing of it has an effect, whatever its tasks still try.
Must not: know what a test wants to see, or touch anything real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mooring.drivers.edge.contract import Edge
from mooring.drivers.runtime.contract import Runtime
from mooring.engine.contract import Clock
from mooring.engine.controller import Controller
from mooring.engine.orders import DeployOrder, Order
from mooring.engine.shares import carries, share
from mooring.errors import NotFound
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.host import Host, HostAddress, HostRuntime
from mooring.model.instance import InstanceKey
from mooring.model.names import DeploymentId, HostId, RegionName, ServerName
from mooring.model.release import Source
from mooring.model.secret import Secret
from mooring.model.service import ServiceKind, ServiceServer
from mooring.planner.routes import active_keys, routed_keys
from mooring.testing.behaviour import Behaviour
from mooring.testing.bucket import FakeBuckets
from mooring.testing.clock import DAY, VirtualClock, run_virtually
from mooring.testing.edge import FakeEdge
from mooring.testing.laws import Laws, Moment, Point
from mooring.testing.life import FakeLife
from mooring.testing.memory import FakeMemory
from mooring.testing.prober import FakeProber, FakeStreamOpener
from mooring.testing.runtime import FakeRuntime
from mooring.testing.service import FakeServer, FakeServers
from mooring.testing.upstreams import Upstreams
from mooring.testing.workshop import FakeWorkshop, Tree
from mooring.testing.world import FakeWorld

Result = TypeVar("Result")
REDACTED = "(redacted)"
_LOOK_EVERY = 0.1


class Crash(BaseException):
    """The controller's process is gone. No `except Exception` of its code may see this."""


@dataclass(eq=False)
class _Life:
    """One controller's, from its start to its crash or stop."""

    is_over: bool = False
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)  # in the order they were made


_MINE: ContextVar[_Life | None] = ContextVar("controller", default=None)


class FakePlatform:
    """`on_point` is called before and after every effect and every write of the living controller, and may raise or crash it.

    `respond` says how an instance answers a client's request; `secrets` are redacted; `trouble` is what died without a word.
    `runtime_line`, `edge_line` and `host_lines` are how the next controller reaches its drivers: by themselves, unless a test puts
    something between.
    """

    def __init__(self, clock: VirtualClock | None = None, *, memory_budget: int = 8_000_000_000) -> None:
        self.clock = clock or VirtualClock()
        self.memory = FakeMemory()
        self.runtime = FakeRuntime(self.clock, memory_budget=memory_budget)
        self.world = FakeWorld(self.runtime)
        self.servers = FakeServers()
        self.buckets = FakeBuckets(lambda moment, name, key: self._pass(Point(Moment(moment), f"bucket.{name}", key)))
        self.edge = FakeEdge(self.clock)
        self.edges: dict[HostId, FakeEdge] = {}  # those of hosts
        self.prober = FakeProber(self.world, self.clock)
        self.streams = FakeStreamOpener(self.clock)
        self.workshop = FakeWorkshop(self.clock)
        self.laws = Laws(self.memory, self.world, self.edge, self.clock, self.edges)
        self.runtime_line: Runtime = self.runtime
        self.edge_line: Edge = self.edge
        self.host_lines: dict[HostId, Runtime] = {}
        self.on_point: Callable[[Point], None] | None = None
        self.respond: Callable[[FakeLife, str], Behaviour] = lambda life, _: life.behaviour
        self.secrets: list[str] = []
        self.trouble: list[str] = []
        self._controller: Controller | None = None
        self._life = _Life(is_over=True)
        self._ids = 0
        self.edge.upstreams = self._upstreams()
        self._connect()

    # the controller's life

    @property
    def controller(self) -> Controller:
        assert self._controller is not None, "start the platform first"
        return self._controller

    @property
    def is_crashed(self) -> bool:
        return self._life.is_over

    @property
    def is_up(self) -> bool:
        """Whether there is a controller to be asked: not while it starts, and not once it is dead."""
        return self._controller is not None and not self._life.is_over

    async def start(self) -> None:
        """A controller on what there is: the first, or after a crash the next. A crash while it starts leaves it crashed."""
        asyncio.get_running_loop().set_task_factory(_owned_task)
        self._life, self._controller = _Life(), None
        try:
            self._controller = await self.within(self._started())
        except Crash:
            return

    def crash(self) -> None:
        """Now. Raises nothing itself: a hook that crashes the controller in the middle of an effect raises Crash afterwards."""
        self._life.is_over = True
        for task in list(self._life.tasks):
            if task is not asyncio.current_task():
                task.cancel()

    async def stop(self) -> None:
        """As an operator stops it."""
        if self.is_up:
            await self.controller.stop()
        self.crash()
        await asyncio.sleep(0)

    # its hosts

    def add_host(
        self, name: str, *, region: str = "eu", memory: int = 8_000_000_000, room: int = 10_000_000_000, clock: Clock | None = None
    ) -> FakeRuntime:
        """Another machine, known to this controller and to those after it; `clock` is its own, where it has another."""
        host = Host(
            name=HostId(name), address=HostAddress("root", name), runtime=HostRuntime.SYSTEMD, region=RegionName(region), memory=memory
        )
        port = 20_000 + 1_000 * len(self.world.hosts)
        runtime = FakeRuntime(clock or self.clock, memory_budget=memory, room=room, host=host.name, first_port=port)
        self._connect_runtime(runtime)
        self.world.hosts[host.name] = runtime
        self.memory.save_host(host)
        if self.is_up:
            self.controller.fleet.add(host.name, runtime)
            self.controller.edges.place(host.name, host.region)
        return runtime

    def add_edge(self, name: str) -> FakeEdge:
        """On a host that is there already."""
        host, edge = HostId(name), FakeEdge(self.clock)
        edge.upstreams = self._upstreams()
        self._connect_edge(edge)
        self.edges[host] = edge
        if self.is_up:
            self.controller.edges.add(host, edge)
        return edge

    async def take_host(self, name: str) -> None:
        """It is no host of this platform any more."""
        self.memory.forget_host(HostId(name))
        self.world.hosts.pop(HostId(name))
        self.edges.pop(HostId(name), None)
        if self.is_up:
            await self.controller.fleet.remove(HostId(name))
            self.controller.edges.forget(HostId(name))

    # its servers of data services

    def add_server(self, name: str = "main", *, kind: ServiceKind = ServiceKind.POSTGRES) -> FakeServer:
        """Known to this controller and to those after it."""
        address = f"postgresql://admin:sesame@{name}.test:5432/postgres"
        server = self.servers.add(address)
        server.before = lambda name, subject: self._pass(Point(Moment.BEFORE, f"service.{name}", subject))
        server.after = lambda name, subject: self._pass(Point(Moment.AFTER, f"service.{name}", subject))
        self.memory.save_service_server(ServiceServer(name=ServerName(name), kind=kind), Secret(address))
        return server

    # what is asked of it

    def deploy(self, environment: EnvironmentId, tree: Tree, *, archive: Path | None = None, commit: str = "") -> DeploymentId:
        return self.submit(environment, self.order(tree, archive=archive, commit=commit))

    def order(self, tree: Tree, *, archive: Path | None = None, commit: str = "") -> DeployOrder:
        """What deploys this tree."""
        place = self.workshop.pack(tree, archive)
        return DeployOrder(archive=str(place), origin=Source(digest=f"digest of {place.stem}", commit=commit or f"c0ffee{place.stem}"))

    def submit(self, environment: EnvironmentId, order: Order, *, by: str = "ann") -> DeploymentId:
        """Raises what the controller raises; Crash when it died meanwhile, and then nobody knows whether it was taken."""
        return copy_context().run(self._submit, environment, order, by)

    def abort(self, deployment: DeploymentId, *, by: str = "ann") -> Deployment:
        """Raises what the controller raises, and Crash when it died meanwhile."""
        return copy_context().run(self._abort, deployment, by)

    async def end(self, deployment: DeploymentId, *, within: float = 3600.0) -> Deployment:
        """Its record once it has ended; a crashed controller is started again. What a destroyed environment's was is told by its events."""
        until = self.clock.monotonic() + within
        last = self.memory.deployment(deployment)
        while last is not None and self.clock.monotonic() < until:
            if self.is_crashed:
                await self.start()
            last = self.memory.deployment(deployment) or self._destroyed(last)
            if last.outcome is not None:
                return last
            await self.clock.sleep(_LOOK_EVERY)
        raise NotFound(f"deployment {deployment} has not ended within {within:g} s")

    async def run(self, environment: EnvironmentId, order: Order) -> Deployment:
        return await self.end(self.submit(environment, order))

    async def rest(self, seconds: float = 3.0) -> None:
        """Let time pass, so that whatever is still to be kept in order is."""
        if self.is_crashed:
            await self.start()
        await self.clock.sleep(seconds)

    # what is true in the world

    def running(self, environment: EnvironmentId) -> frozenset[InstanceKey]:
        return frozenset(life.spec.key for life in self.world.lives() if life.spec.key.environment == environment)

    def routed(self, environment: EnvironmentId) -> frozenset[InstanceKey]:
        """Who gets requests."""
        return active_keys(self.edge.table(environment))

    def wanted(self, environment: EnvironmentId) -> frozenset[InstanceKey]:
        """Who should run, by the record."""
        record = self.memory.environment(environment)
        home = self.memory.environment(environment.home)
        is_asleep = home is not None and home.is_asleep  # an accessory sleeps with its app
        wanted = None if record is None or is_asleep else self.laws.wanted(environment, record.revision)
        return frozenset(wanted.instances()) if wanted else frozenset()

    def disorder(self, environment: EnvironmentId) -> list[str]:
        """What differs between the world and the record: nothing, once all is at rest."""
        wanted, running = self.wanted(environment), self.running(environment)
        with_route = {key for key in wanted if (life := self.world.life(key)) is not None and life.spec.is_routed}
        known = routed_keys(self.edge.table(environment))
        found = [f"{key} should run" for key in sorted(wanted - running)]
        found += [f"{key} runs and should not" for key in sorted(running - wanted)]
        found += [f"{key} should get requests" for key in sorted(with_route - self.routed(environment))]
        found += [f"{key} is still in the routes" for key in sorted(known - with_route)]
        found += [f"the edge on {host} has other routes" for host in sorted(self.edges) if not self._has_its_share(environment, host)]
        found += [f"the intent to {entry.step} stayed open" for entry in self.memory.open_intents() if entry.environment == environment]
        return found

    def events(self, environment: EnvironmentId | None = None, *, deployment: DeploymentId | None = None) -> tuple[Event, ...]:
        return self.memory.events(environment=environment, deployment=deployment, limit=1_000_000)

    # within

    def _has_its_share(self, environment: EnvironmentId, host: HostId) -> bool:
        regions = {each.name: each.region for each in self.memory.hosts()}
        served = frozenset(name for name, region in regions.items() if region == regions[host])
        table, known = self.edge.table(environment), self.edges[host].table(environment)
        expected = share(table, served) if table and (known or carries(table, served)) else None
        return known == expected

    def _connect(self) -> None:
        memory = self.memory.faults
        memory.before = lambda _, name: self._pass(Point(Moment.BEFORE, f"memory.{name}"))
        memory.after = lambda _, name: self._pass(Point(Moment.AFTER, f"memory.{name}"))
        self._connect_runtime(self.runtime)
        self._connect_edge(self.edge)

    def _upstreams(self) -> Upstreams:
        return Upstreams(self.world, self.clock, lambda life, path: self.respond(life, path))

    def _connect_edge(self, edge: FakeEdge) -> None:
        edge.faults.before = lambda name, subject: self._pass(Point(Moment.BEFORE, f"edge.{name}", subject))
        edge.faults.after = lambda name, subject: self._pass(Point(Moment.AFTER, f"edge.{name}", subject))

    def _connect_runtime(self, runtime: FakeRuntime) -> None:
        runtime.faults.before = lambda name, subject: self._pass(Point(Moment.BEFORE, f"runtime.{name}", subject))
        runtime.faults.after = lambda name, subject: self._pass(Point(Moment.AFTER, f"runtime.{name}", subject))

    def _pass(self, point: Point) -> None:
        """Only what the living controller does goes through; what a test does by itself is not looked at."""
        life = _MINE.get()
        if life is None:
            return
        if life.is_over:
            raise Crash
        self.laws.check(point)
        if self.on_point is not None:
            self.on_point(point)
        if life.is_over:
            raise Crash

    async def _started(self) -> Controller:
        controller = Controller(
            memory=self.memory,
            runtime=self.runtime_line,
            services=self.servers,
            buckets=self.buckets,
            edge=self.edge_line,
            prober=self.prober,
            streams=self.streams,
            workshop=self.workshop,
            clock=self.clock,
            redact=self._redact,
            identity="this controller",
            new_id=self._new_id,
            free_disk=lambda: self.world.disk,
        )
        for host in self.memory.hosts():
            controller.fleet.add(host.name, self.host_lines.get(host.name, self.world.hosts[host.name]))
            controller.edges.place(host.name, host.region)
        for name, edge in self.edges.items():
            controller.edges.add(name, edge)
        await controller.start()
        return controller

    def _submit(self, environment: EnvironmentId, order: Order, by: str) -> DeploymentId:
        _MINE.set(self._life)
        return self.controller.submit(environment, order, by=by).id

    def _abort(self, deployment: DeploymentId, by: str) -> Deployment:
        _MINE.set(self._life)
        return self.controller.abort(deployment, by=by)

    def _destroyed(self, last: Deployment) -> Deployment:
        """The record of a deployment that went with its environment."""
        ends = [event for event in self.events(deployment=last.id) if event.kind is EventKind.DEPLOYMENT_ENDED]
        return msgspec.structs.replace(last, outcome=Outcome(str(ends[-1].fields["outcome"]))) if ends else last

    async def within(self, work: Coroutine[Any, Any, Result]) -> Result:
        """As a part of the controller: whatever tasks this makes are its own, and it dies with it."""
        context = copy_context()
        context.run(_MINE.set, self._life)
        return await asyncio.get_running_loop().create_task(work, context=context)

    def _redact(self, _: EnvironmentId, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return text

    def _new_id(self) -> str:
        self._ids += 1
        return f"d{self._ids}"


def _owned_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Result] | Generator[Any, None, Result], **options: Any
) -> asyncio.Task[Result]:
    """Remembers whose it is, so that a crash ends it."""
    task: asyncio.Task[Result] = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    life = context.get(_MINE) if context is not None else _MINE.get()
    if life is not None:
        life.tasks[task] = None
        task.add_done_callback(lambda done: life.tasks.pop(done, None))
    return task


def play(story: Callable[[FakePlatform], Awaitable[Result]], *, platform: FakePlatform | None = None, within: float = DAY) -> Result:
    """Start a platform, live the story, stop. Raises AssertionError for a broken law, and for a task that died without a word."""
    stage = platform or FakePlatform()
    result = run_virtually(_played(story, stage), stage.clock, within=within)
    assert not stage.laws.broken, "\n".join(stage.laws.broken)
    assert not stage.trouble, "\n".join(stage.trouble)
    return result


async def _played(story: Callable[[FakePlatform], Awaitable[Result]], platform: FakePlatform) -> Result:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: note_trouble(platform, context))
    await platform.start()
    try:
        return await story(platform)
    finally:
        await platform.stop()


def note_trouble(platform: FakePlatform, context: dict[str, Any]) -> None:
    """A task that nobody waited for has failed."""
    if not isinstance(context.get("exception"), Crash):
        platform.trouble.append(f"{context.get('message')}: {context.get('exception')!r} {context.get('task') or context.get('future')}")
