"""The engine's face: takes orders, tells what goes on, has a keeper for every environment. Must not: decide or act itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path

import msgspec

from mooring.drivers.bucket.contract import Buckets
from mooring.drivers.edge.contract import Edge
from mooring.drivers.probe.contract import Prober, StreamOpener
from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.service.contract import ServiceDrivers
from mooring.engine.announcer import Announcer
from mooring.engine.assets import Assets
from mooring.engine.contract import Clock, EnvironmentRecord, Memory, Workshop
from mooring.engine.edges import Edges
from mooring.engine.fleet import Fleet
from mooring.engine.fulfilment import release_lease, take_lease
from mooring.engine.hands import Hands
from mooring.engine.health import HealthMonitor
from mooring.engine.keeper import Keeper
from mooring.engine.kept import kept_artifacts
from mooring.engine.observer import Observer
from mooring.engine.orders import (
    AccessoryOrder,
    DeployOrder,
    Order,
    Preview,
    Snapshot,
    describe,
    encode_order,
    trigger_of,
)
from mooring.engine.parts import Parts
from mooring.engine.preview import examined, preview
from mooring.engine.provision import TRIES, done
from mooring.engine.reviews import ReviewKeeper
from mooring.engine.services import Services
from mooring.engine.unowned import find_unowned
from mooring.errors import DriverError, LeaseHeld, NotFound, Refused, Unavailable
from mooring.model.deployment import Deployment, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.health import Health, ProbeResult
from mooring.model.instance import InstanceKey
from mooring.model.names import DeploymentId, HostId, Hostname
from mooring.model.records import Answering, Unowned
from mooring.model.release import Source
from mooring.model.review import ReviewSettings
from mooring.model.secret import Secret
from mooring.model.steps import ServiceStep

_MAINTENANCE_WAIT = 10.0  # seconds for the edge to take the maintenance page


class Controller:
    """One per state directory. All methods are called from the event loop that ran `start`.

    `runtime` and `edge` are the local host's; `fleet` and `edges` take the others.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        runtime: Runtime,
        services: ServiceDrivers,
        buckets: Buckets,
        edge: Edge,
        prober: Prober,
        streams: StreamOpener,
        workshop: Workshop,
        clock: Clock,
        redact: Callable[[EnvironmentId, str], str],
        identity: str,
        probe_rate: float = 10.0,
        new_id: Callable[[], str] = lambda: secrets.token_hex(5),
        new_secret: Callable[[], Secret] = lambda: Secret(secrets.token_hex(32)),
        secrets_changed: Callable[[EnvironmentId], None] = lambda _: None,
        free_disk: Callable[[], Mapping[HostId, int]] = dict,
        certified: Callable[[], Collection[Hostname]] = lambda: (),
    ) -> None:
        announcer = Announcer(memory, clock, redact)
        self.fleet = Fleet(clock, runtime)
        health = HealthMonitor(prober, self.fleet, clock, self._health_changed)
        self.services = Services(memory, services, clock, new_secret=new_secret, changed=secrets_changed)
        self.edges = Edges(clock, edge)
        self._new_id = new_id
        self._keepers: dict[EnvironmentId, Keeper] = {}
        self._tasks: dict[EnvironmentId, asyncio.Task[None]] = {}
        self._parts = Parts(
            memory=memory,
            runtime=self.fleet,
            services=self.services,
            assets=Assets(memory, buckets, workshop, clock),
            edge=self.edges,
            streams=streams,
            workshop=workshop,
            clock=clock,
            observer=Observer(self.fleet, self.edges, memory, clock, health),
            health=health,
            announcer=announcer,
            redact=redact,
            identity=identity,
            new_secret=new_secret,
            secrets_changed=secrets_changed,
            submit=lambda environment, order, by: self.submit(environment, order, by=by),
            make_room=lambda wanted, before: self.reviews.make_room(wanted, before),
            held_room=lambda environment: self.reviews.held_room(environment),
            free_disk=free_disk,
            certified=certified,
            probe_rate=probe_rate,
        )
        self.reviews = ReviewKeeper(self._parts, self.submit, self._ring)
        self._reviewing: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up what an earlier controller left unfinished, then keep every environment as it is desired."""
        unfinished = self._parts.memory.unfinished_deployments()
        for record in self._parts.memory.environments():
            self._keep(record.environment)
        self._reviewing = [
            asyncio.create_task(self.reviews.run(), name="keep review apps"),
            asyncio.create_task(self.reviews.watch(), name="wake review apps"),
        ]
        self._parts.announcer.say(EventKind.PLATFORM, message=f"controller started; {len(unfinished)} deployments to take up")

    async def stop(self) -> None:
        """Stop deciding; instances and edge go on."""
        tasks = [*self._tasks.values(), *self._reviewing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._parts.health.close()
        self._parts.observer.close()
        await self.fleet.close()
        self._tasks.clear()
        self._keepers.clear()

    def submit(
        self, environment: EnvironmentId, order: Order, *, by: str, description: str = "", answering: Answering | None = None
    ) -> Deployment:
        """Queue it, superseding one that waits. Where the request has a key, its answer is stored with the order.

        Raises LeaseHeld when a person has locked the environment, Refused while it is being destroyed, NotFound, Unavailable.
        """
        self._check_lock(environment)
        self._check_destruction(environment)
        is_new = self._founded(environment, order)
        deployment = Deployment(
            id=DeploymentId(self._new_id()),
            environment=environment,
            number=self._next_number(environment),
            trigger=trigger_of(order),
            requested_at=self._parts.clock.wall(),
            requested_by=by,
            description=description or describe(order),
            order=encode_order(order),
        )
        try:
            answer = answering(deployment) if answering else None
            self._parts.memory.add_deployment(deployment, answer=answer)  # from here on it is taken, whatever else can be written
        except DriverError:
            if self._parts.memory.deployment(deployment.id) is None:
                if is_new:
                    self._parts.memory.forget_environment(environment)
                raise
        self._parts.announcer.say(
            EventKind.DEPLOYMENT_QUEUED,
            environment=environment,
            deployment=deployment.id,
            trigger=deployment.trigger.value,
            description=deployment.description,
        )
        if not self._is_kept(environment):
            self._keep(environment)  # finds it among the unfinished
        else:
            self._keepers[environment].submit(deployment, order)
        return deployment

    async def examine(self, environment: EnvironmentId, order: Order) -> None:
        """Raise what can be known to be wrong with an order before it is taken: better refused than failed. Touches nothing that runs.

        An archive is unpacked for it, once: `submit` its order, or `drop` it.

        Raises SourceInvalid, ManifestInvalid, InvalidInput, NotFound. What waits behind another deployment is judged in its turn.
        """
        keeper = self._keepers.get(environment)
        if isinstance(order, DeployOrder) or (keeper is not None and not keeper.is_busy):
            await examined(self._parts, environment, order, self._parts.wanted(environment))

    async def review_settings(self, environment: EnvironmentId, archive: Path, origin: Source) -> ReviewSettings:
        """How the app's review apps are to be, by the files of a tree that was examined. Raises ManifestInvalid, SourceInvalid."""
        source = await asyncio.to_thread(self._parts.workshop.unpack, archive)
        return self._parts.workshop.plan(source, environment, origin).review

    async def prune(self) -> None:
        """Remove artifacts that no environment may still want."""
        await asyncio.to_thread(self._parts.workshop.prune, kept_artifacts(self._parts))

    async def drop(self, archive: Path) -> None:
        """An archive that was examined is not deployed after all."""
        await asyncio.to_thread(self._parts.workshop.drop, archive)

    async def preview(self, environment: EnvironmentId, order: Order) -> Preview:
        """Raises ManifestInvalid, NotFound, CapacityExceeded. Touches nothing; the caller removes the archive."""
        if not isinstance(order, DeployOrder | AccessoryOrder):
            self._record(environment)
        return await preview(self._parts, environment, order, description=describe(order))

    def abort(self, deployment: DeploymentId, *, by: str) -> Deployment:
        """Ask for it to turn round; it ends by itself soon after. Raises NotFound, Refused when it has ended."""
        record = self._parts.memory.deployment(deployment)
        if record is None:
            raise NotFound(f"there is no deployment {deployment!r}", hint="`mooring events` names them")
        keeper = self._keepers.get(record.environment)
        if record.outcome is not None or keeper is None:
            raise Refused(f"deployment {deployment} has ended already", hint="`mooring rollback` goes back to the release before")
        if not keeper.abort(deployment):
            raise Refused(f"deployment {deployment} can no longer be aborted", hint="a destruction that has begun goes on to its end")
        self._parts.announcer.say(
            EventKind.ENVIRONMENT_CHANGED,
            environment=record.environment,
            deployment=deployment,
            what="abort",
            message=f"{by} asked to abort it",
        )
        return self._parts.memory.deployment(deployment) or record

    async def set_maintenance(self, environment: EnvironmentId, *, on: bool) -> None:
        """Returns once the edge shows it. Raises NotFound, Unavailable when the edge has not taken it in time."""
        record = self._record(environment)
        self._parts.memory.save_environment(msgspec.structs.replace(record, is_maintenance=on))
        word = "on" if on else "off"
        self._parts.announcer.say(EventKind.ENVIRONMENT_CHANGED, environment=environment, what="maintenance", message=f"maintenance {word}")
        until = self._parts.clock.monotonic() + _MAINTENANCE_WAIT
        while not await self._shows_maintenance(environment, on=on):
            if self._parts.clock.monotonic() > until:
                raise Unavailable(
                    f"the edge has not taken maintenance {word} yet", hint="`mooring status` shows whether it runs; it will follow"
                )
            self._ring(environment)
            await self._parts.clock.sleep(0.05)

    async def change_service(self, environment: EnvironmentId, step: ServiceStep, *, tries: int = TRIES) -> None:
        """Between deployments, whether the environment is still there or not.

        Raises NotFound, LeaseHeld while something else goes on, Refused, Unavailable."""
        self._check_lock(environment)
        if self._is_kept(environment) and self._keepers[environment].is_busy:
            raise LeaseHeld(f"a deployment of {environment} goes on", hint="ask again when it has ended, or `mooring abort` it")
        lease = take_lease(self._parts, environment)
        try:
            await done(self._parts, Hands(self._parts, lease, None), step, tries=tries)
        finally:
            release_lease(self._parts, lease)

    async def unowned(self) -> tuple[Unowned, ...]:
        """What runs or is routed and belongs to no environment that is known. Raises Unavailable, OutcomeUnknown."""
        return await find_unowned(self._parts)

    async def adopt(self, environment: EnvironmentId) -> None:
        """Take up an environment that only runtime or edge know, with nothing desired. Raises NotFound when they do not know it either."""
        if not any(each.environment == environment for each in await self.unowned()):
            raise _absent(environment)
        self._parts.memory.save_environment(EnvironmentRecord(environment=environment, created_at=self._parts.clock.wall()))

    def tell(self, message: str) -> None:
        """News of the platform itself, a sentence."""
        self._parts.announcer.say(EventKind.PLATFORM, message=message)

    async def snapshot(self, environment: EnvironmentId) -> Snapshot:
        """Raises NotFound."""
        record = self._record(environment)
        snapshot = await self._parts.observer.snapshot(environment)
        places = record.revision.placement.values() if record.revision else ()
        hosts = {view.key.host for view in snapshot.instances}.union(*places)
        away = (sight for sight in self.fleet.sights() if sight.is_away and sight.host in hosts)
        return msgspec.structs.replace(snapshot, away=tuple(away))

    def follow(
        self, *, after: int = 0, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None
    ) -> AsyncIterator[Event]:
        """Stored events after `after`, then new ones as they come; of a deployment: until it has ended."""
        return self._parts.announcer.follow(after=after, environment=environment, deployment=deployment)

    async def _shows_maintenance(self, environment: EnvironmentId, *, on: bool) -> bool:
        """An environment without routes has nothing to show it on; an edge that does not answer shows nothing one may rely on."""
        try:
            routed = await self._parts.edge.observe(environment)
        except DriverError:
            return False
        return all(route.table.is_maintenance == on for route in routed)

    def _founded(self, environment: EnvironmentId, order: Order) -> bool:
        """Whether this order is an environment's first: what brings something to run makes it, nothing else does. Raises NotFound."""
        if self._parts.memory.environment(environment) is not None:
            return False
        if not isinstance(order, DeployOrder | AccessoryOrder):
            raise _absent(environment)
        self._parts.memory.save_environment(EnvironmentRecord(environment=environment, created_at=self._parts.clock.wall()))
        return True

    def _ring(self, environment: EnvironmentId) -> None:
        if self._is_kept(environment):
            self._keepers[environment].ring()

    def _is_kept(self, environment: EnvironmentId) -> bool:
        return environment in self._keepers and not self._tasks[environment].done()

    def _keep(self, environment: EnvironmentId) -> None:
        """From what is recorded: orders that wait, and one that was under way."""
        keeper = Keeper(self._parts, environment, self._parts.unfinished(environment))
        self._keepers[environment] = keeper
        self._tasks[environment] = asyncio.create_task(keeper.run(), name=f"keep {environment}")

    def _record(self, environment: EnvironmentId) -> EnvironmentRecord:
        record = self._parts.memory.environment(environment)
        if record is None:
            raise _absent(environment)
        return record

    def _check_lock(self, environment: EnvironmentId) -> None:
        lock = self._parts.memory.lock(environment.home)
        if lock is not None:
            hint = "`mooring unlock` takes it off"
            raise LeaseHeld(f"{environment.home} was locked by {lock.by}: {lock.reason or 'no reason given'}", hint=hint)

    def _check_destruction(self, environment: EnvironmentId) -> None:
        """Nothing can wait behind a destruction: the record of what waits would go with the environment."""
        if self._parts.unfinished(environment, trigger=Trigger.DESTROY):
            raise Refused(f"{environment} is being destroyed", hint="ask again when it is gone")

    def _next_number(self, environment: EnvironmentId) -> int:
        newest = self._parts.memory.deployments(environment, limit=1)
        return newest[0].number + 1 if newest else 1

    def _health_changed(self, key: InstanceKey, health: Health, result: ProbeResult | None) -> None:
        """Tell it, and wake who keeps the environment."""
        keeper = self._keepers.get(key.environment)
        if keeper is None:
            return
        deployment = keeper.deployment
        if health is Health.READY:
            self._parts.announcer.say(
                EventKind.INSTANCE_READY,
                environment=key.environment,
                deployment=deployment,
                instance=str(key),
                path=result.path if result else "",
                seconds=self._since_start(key),
            )
        elif result is not None:
            self._parts.announcer.say(
                EventKind.PROBE_FAILED,
                environment=key.environment,
                deployment=deployment,
                instance=str(key),
                path=result.path,
                status=result.status,
                said=result.said,
                latency=result.latency,
            )
        elif health is Health.STARTING and result is None:
            self._parts.announcer.say(
                EventKind.INSTANCE_CRASHED,
                environment=key.environment,
                deployment=deployment,
                instance=str(key),
                said=self._parts.health.end_reason(key) or "it died and was started again",
            )
        keeper.ring()

    def _since_start(self, key: InstanceKey) -> float:
        first = self._parts.health.first_seen(key)
        return round(self._parts.clock.monotonic() - first, 3) if first is not None else 0.0


def _absent(environment: EnvironmentId) -> NotFound:
    return NotFound(f"there is no {environment}", hint="`mooring status` lists what there is; `mooring deploy` makes it")
