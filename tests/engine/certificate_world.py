"""A keeper of certificates with everything around it fake, in virtual time; and a fuse that kills it at any one effect. For tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from mooring.drivers.issuer.contract import Challenge
from mooring.engine.certificates import CertificateKeeper
from mooring.model.certificate import CertificateView
from mooring.model.edge import HttpsSettings
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import Hostname, ProcessName
from mooring.model.routing import PathRoute, RouteTable
from mooring.testing.authority import DAY
from mooring.testing.certificate_memory import FakeCertificateMemory
from mooring.testing.clock import VirtualClock, run_virtually
from mooring.testing.edge import FakeEdge
from mooring.testing.issuer import FakeIssuer

SHOP, WWW, BLOG = Hostname("shop.example.com"), Hostname("www.shop.example.com"), Hostname("blog.example.com")
EVERY = Hostname("*.example.com")
YEAR = 365 * DAY


class Hook:
    """A DNS that takes every record."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}

    async def present(self, challenge: Challenge) -> None:
        self.records[challenge.place] = challenge.content

    async def withdraw(self, challenge: Challenge) -> None:
        self.records.pop(challenge.place, None)


class Killed(BaseException):
    """The controller is no more; nothing in it can catch this."""


class Fuse:
    """Kills at the effect of this number, counted from 1: before it is done, or after. What is dead does nothing any more."""

    EFFECTS = ("begin_attempt", "end_attempt", "save_certificate", "remove_certificate", "show", "answer")

    def __init__(self, number: int = 0, *, is_done: bool = False) -> None:
        self.number = number
        self.is_done = is_done
        self.count = 0
        self.is_blown = False

    def around(self, thing: Any) -> Any:
        """The same with its effects counted."""
        return _Fused(self, thing)

    def before(self) -> None:
        self.count += 1
        if self.count == self.number and not self.is_done:
            self.is_blown = True
        self.check()

    def after(self) -> None:
        if self.count == self.number and self.is_done:
            self.is_blown = True
        self.check()

    def check(self) -> None:
        if self.is_blown:
            raise Killed


class _Fused:
    def __init__(self, fuse: Fuse, thing: Any) -> None:
        self._fuse = fuse
        self._thing = thing

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name not in Fuse.EFFECTS:
            return found
        return self._waiting(found) if inspect.iscoroutinefunction(found) else self._plain(found)

    def _plain(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **more: Any) -> Any:
            self._fuse.before()
            result = effect(*arguments, **more)
            self._fuse.after()
            return result

        return act

    def _waiting(self, effect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def act(*arguments: Any, **more: Any) -> Any:
            self._fuse.before()
            result = await effect(*arguments, **more)
            self._fuse.after()
            return result

        return act


class World:
    """A keeper with everything around it fake; `crash` ends it as kill -9 does, `start` begins the next on what it left."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.memory = FakeCertificateMemory()
        self.edge = FakeEdge(self.clock)
        self.hook: Hook | None = None
        self.issuer: FakeIssuer | None = FakeIssuer(self.clock, self.look)
        self.told: list[str] = []
        self.keeper: CertificateKeeper
        self.glance_every = 1.0
        self.fuse = Fuse()
        self._running: asyncio.Task[None] | None = None

    async def look(self, challenge: Challenge) -> str:
        """As an authority: over the network."""
        if self.hook is not None and challenge.place in self.hook.records:
            return self.hook.records[challenge.place]
        return (await self.edge.ask(challenge.hostname, f"/.well-known/acme-challenge/{challenge.place}")).text

    def start(self) -> None:
        self.keeper = CertificateKeeper(
            memory=self.fuse.around(self.memory),
            edge=self.fuse.around(self.edge),
            issuer=self.issuer,
            dns=self.hook,
            clock=self.clock,
            tell=self.told.append,
            glance_every=self.glance_every,
        )
        self.keeper.prepare()
        self._running = asyncio.create_task(self.keeper.run())

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def crash(self) -> None:
        """Nothing that its last breath writes is on the disk."""
        memory, self.memory = self.memory, FakeCertificateMemory()
        self.memory._attempts = dict(memory._attempts)
        self.memory._certificates = dict(memory._certificates)
        await self.stop()
        self.edge.answers = ()
        self.fuse = Fuse()

    async def route(self, *hostnames: Hostname, app: str = "shop", https: HttpsSettings | None = None) -> None:
        environment = EnvironmentId.parse(app)
        routes = (PathRoute(path="/", process=ProcessName("web")),)
        table = RouteTable(environment=environment, hostnames=hostnames, routes=routes, hold=0.0, https=https or HttpsSettings())
        await self.edge.apply(Mark(environment, "test", 1), table)

    async def until(self, condition: Callable[[], bool], *, within: float = 3600.0) -> None:
        deadline = self.clock.monotonic() + within
        while not condition():
            assert self.clock.monotonic() < deadline, (self.told[-5:], self.keeper.views())
            await self.clock.sleep(0.5)

    def view(self, hostname: Hostname) -> CertificateView:
        return next(each for each in self.keeper.views() if each.hostname == hostname)

    def is_served(self, hostname: Hostname) -> bool:
        shown = self.edge.shown.get(hostname)
        return shown is not None and shown.covers(hostname) and shown.starts_at <= self.clock.wall() < shown.expires_at


Story = Callable[[World], Awaitable[None]]


def story(test: Story) -> Callable[[], None]:
    return played(test, glance_every=5.0)


def story_of_months(test: Story) -> Callable[[], None]:
    """One in which nothing happens within minutes."""
    return played(test, glance_every=900.0)


def played(test: Story, *, glance_every: float) -> Callable[[], None]:
    """Ends with the keeper still alive: nothing but the end of the controller may end it."""

    async def play(world: World) -> None:
        world.start()
        await test(world)
        assert world._running is not None
        assert not world._running.done(), world._running
        await world.stop()
        assert world.edge.answers == (), "no challenge stays open"

    def run() -> None:
        world = World()
        world.glance_every = glance_every
        run_virtually(play(world), world.clock, within=3 * YEAR)

    run.__name__ = test.__name__  # type: ignore[attr-defined]
    run.__doc__ = test.__doc__
    return run
