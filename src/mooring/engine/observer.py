"""Looks at the world: what runs, what is routed, how it is. One look serves all who ask at once. Must not: change anything."""

from __future__ import annotations

import asyncio

from mooring.drivers.edge.contract import Edge
from mooring.engine.contract import Clock, EnvironmentRecord, Memory
from mooring.engine.fleet import Fleet
from mooring.engine.health import Asked, HealthMonitor
from mooring.engine.orders import Snapshot
from mooring.errors import DriverError
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import HostId, ProcessName
from mooring.model.release import Release
from mooring.model.routing import EndpointState, RouteView
from mooring.planner.goal import Current, wanted_of
from mooring.planner.usage import Kind, Peak, with_seen


class Observer:
    """Keeps the last look, its age, and since when endpoints have been draining."""

    def __init__(self, runtime: Fleet, edge: Edge, memory: Memory, clock: Clock, health: HealthMonitor) -> None:
        self._runtime = runtime
        self._edge = edge
        self._memory = memory
        self._clock = clock
        self._health = health
        self._releases: dict[tuple[EnvironmentId, int], Release] = {}
        self._views: dict[EnvironmentId, list[InstanceView]] = {}
        self._routes: dict[EnvironmentId, RouteView] = {}
        self._looked_at: float | None = None  # of the last look that may still be used
        self._last_look = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._acts = 0  # how often something was done
        self._acts_before_look = 0
        self._draining: dict[str, float] = {}
        self._peaks: dict[Kind, Peak] = {}

    async def look(self, environment: EnvironmentId, *, max_age: float = 0.0) -> Current:
        """The present of one environment, at most `max_age` seconds old; `is_known` False when a driver did not answer."""
        try:
            await self._look_at_all(max_age)
        except DriverError:
            return Current(is_known=False)
        route = self._routes.get(environment)
        views = tuple(self._health.judged(view) for view in self._views.get(environment, []))
        self._note_draining(route)
        seen = ((view.key.slug, self._health.first_seen(view.key)) for view in views)
        return Current(
            instances=views,
            table=route.table if route else None,
            in_flight=route.in_flight if route else {},
            streams=route.streams if route else {},
            started_since={slug: first for slug, first in seen if first is not None},
            draining_since=dict(self._draining),
            is_known=route is None or route.is_acknowledged,
            is_agreed=route is None or route.is_agreed,
            away=self._runtime.away(),
        )

    async def snapshot(self, environment: EnvironmentId) -> Snapshot:
        """What was last seen, with its age; the routes as they are now, None where the edge does not answer."""
        try:
            routed = await self._edge.observe(environment)
        except DriverError:
            routed = ()
        views = tuple(self._health.judged(view) for view in self._views.get(environment, []))
        age = self._clock.monotonic() - self._last_look
        return Snapshot(environment=environment, age=age, instances=views, routes=routed[0] if routed else None)

    def seen(self) -> tuple[InstanceKey, ...]:
        """All instances of the last look, of whatever environment."""
        return tuple(view.key for views in self._views.values() for view in views)

    def view(self, key: InstanceKey) -> InstanceView | None:
        """As it was seen last."""
        return next((view for view in self._views.get(key.environment, ()) if view.key == key), None)

    def peaks(self) -> dict[Kind, Peak]:
        """The most memory that any instance of each process type was seen to use, since this controller started."""
        return self._peaks

    def outdate(self) -> None:
        """Something was done: whatever was seen before is too old for everybody, and so is a look that goes on now."""
        self._looked_at = None
        self._acts += 1

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    def release(self, environment: EnvironmentId, number: int) -> Release | None:
        """From memory, once: a release never changes."""
        known = self._releases.get((environment, number)) or self._memory.release(environment, number)
        if known is not None:
            self._releases[environment, number] = known
        return known

    def forget(self, environment: EnvironmentId) -> None:
        self._releases = {key: release for key, release in self._releases.items() if key[0] != environment}
        self._peaks = {kind: peak for kind, peak in self._peaks.items() if kind[0] != environment}

    async def _look_at_all(self, max_age: float) -> None:
        """One look at everything serves all who ask while it goes on, and all who are content with its age."""
        if self._looked_at is not None and self._clock.monotonic() - self._looked_at < max_age:
            return
        needed = self._acts
        if self._looking is not None and not self._looking.done() and self._acts_before_look < needed:
            await asyncio.wait({self._looking})
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._refresh(), name="observe")
            self._looking.add_done_callback(_noted)
            self._acts_before_look = self._acts
        await asyncio.shield(self._looking)

    async def _refresh(self) -> None:
        acts, began = self._acts, self._clock.monotonic()
        views, routes = await self._runtime.observe(), await self._edge.observe()
        unseen = self._runtime.unseen()
        if unseen:
            known = {view.key for view in views}
            views = (*views, *(view for view in self._believed(unseen, routes) if view.key not in known))
        grouped: dict[EnvironmentId, list[InstanceView]] = {}
        for view in sorted(views, key=lambda each: each.key):
            grouped.setdefault(view.key.environment, []).append(view)
        self._health.see(views, self._asked, self._runtime.seen_at)
        self._views = grouped
        self._peaks = with_seen(self._peaks, views, now=self._clock.wall())
        self._routes = {route.table.environment: route for route in routes}
        self._last_look = began  # what one driver said is as old as the other was slow
        self._looked_at = self._last_look if acts == self._acts else None

    def _believed(self, unseen: frozenset[HostId], routes: tuple[RouteView, ...]) -> tuple[InstanceView, ...]:
        """What is recorded to run on hosts that nobody has looked at yet: it is not taken for gone. Where it is routed it can be asked."""
        ends = {end.instance: end for route in routes for path in route.table.routes for end in path.endpoints}
        keys = {key for record in self._memory.environments() for key in self._recorded(record) if key.host in unseen}
        keys |= {key for key in ends if key.host in unseen}
        return tuple(
            InstanceView(key=key, state=ProcessState.RUNNING, address=ends[key].address, port=ends[key].port)
            if key in ends
            else InstanceView(key=key, state=ProcessState.UNKNOWN)
            for key in keys
        )

    def _recorded(self, record: EnvironmentRecord) -> tuple[InstanceKey, ...]:
        release = self.release(record.environment, record.revision.release) if record.revision else None
        return wanted_of(record.revision, release).instances() if record.revision and release else ()

    def _asked(self, key: InstanceKey) -> Asked | None:
        release = self.release(key.environment, key.release)
        process = release.process(ProcessName(key.process)) if release else None
        if release is None or process is None:
            return None
        hostname = str(release.hostnames[0]) if release.hostnames else "localhost"
        return Asked(checks=process.checks, hostname=hostname.replace("*", "www", 1))

    def _note_draining(self, route: RouteView | None) -> None:
        """From when the edge has taken the table: until then it goes on giving them requests."""
        if route is None:
            return
        ends = [end for path in route.table.routes for end in path.endpoints]
        draining = {end.instance.slug for end in ends if end.state is EndpointState.DRAINING}
        begun = draining if route.is_acknowledged else frozenset[str]()
        mine = f"{route.table.environment.slug}--"
        kept = {slug: since for slug, since in self._draining.items() if not slug.startswith(mine) or slug in draining}
        self._draining = {**dict.fromkeys(begun, self._clock.monotonic()), **kept}


def _noted(look: asyncio.Task[None]) -> None:
    """Its failure is told to those who wait for it; nobody may be left."""
    if not look.cancelled():
        look.exception()
