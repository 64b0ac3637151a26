"""All that the engine works with, handed to it as one value by the wiring. Must not: hold state of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import msgspec

from mooring.drivers.probe.contract import StreamOpener
from mooring.engine.announcer import Announcer
from mooring.engine.assets import Assets
from mooring.engine.contract import Clock, Memory, Workshop
from mooring.engine.edges import Edges
from mooring.engine.fleet import Fleet
from mooring.engine.health import HealthMonitor
from mooring.engine.observer import Observer
from mooring.engine.orders import Order
from mooring.engine.services import Services
from mooring.errors import NeedsPerson
from mooring.model.deployment import Deployment, Revision, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.names import HostId, Hostname
from mooring.model.secret import Secret
from mooring.planner.goal import Wanted, wanted_of


@dataclass(frozen=True)
class Parts:
    """`identity` names this controller in leases: the same for every controller on the same state directory.

    `secrets_changed` is told where one was made up, so that it is redacted from then on. `submit` queues an order for another
    environment, in somebody's name: for the accessories of one. `make_room` has others sleep
    for a review app, and says why it has none yet. `held_room`: hosts on which another that
    has waited for longer goes before this review app. `free_disk`: bytes by host, where that is known. `certified`: the names for which
    certificates are kept."""

    memory: Memory
    runtime: Fleet
    services: Services
    assets: Assets
    edge: Edges
    streams: StreamOpener
    workshop: Workshop
    clock: Clock
    observer: Observer
    health: HealthMonitor
    announcer: Announcer
    redact: Callable[[EnvironmentId, str], str]
    identity: str
    new_secret: Callable[[], Secret]
    secrets_changed: Callable[[EnvironmentId], None]
    submit: Callable[[EnvironmentId, Order, str], Deployment]
    make_room: Callable[[Wanted, Wanted | None], Awaitable[str]]
    held_room: Callable[[EnvironmentId], Mapping[HostId, EnvironmentId]]
    free_disk: Callable[[], Mapping[HostId, int]]
    certified: Callable[[], Collection[Hostname]]
    probe_rate: float = 10.0

    def wanted(self, environment: EnvironmentId) -> Wanted | None:
        """What the environment is recorded to run."""
        record = self.memory.environment(environment)
        return self.known(environment, record.revision) if record is not None else None

    def others(self, environment: EnvironmentId) -> list[tuple[Wanted, Wanted | None]]:
        """Of every other environment what it is to run and, while it is being deployed, what it ran before; nothing of what sleeps, nor
        of its accessories, which sleep with it until a deployment of it needs them."""
        targets = {each.environment: each.target for each in self.memory.unfinished_deployments() if each.target is not None}
        found: list[tuple[Wanted, Wanted | None]] = []
        records = self.memory.environments()
        sleeping = {record.environment for record in records if record.is_asleep}
        resting = sleeping - targets.keys()
        for record in records:
            other = record.environment
            if other == environment:
                continue
            is_down = other in sleeping or other.home in resting
            present, target = None if is_down else self.wanted(other), self.known(other, targets.get(other))
            if target is not None:
                found.append((target, present))
            elif present is not None:
                found.append((present, None))
        return found

    def unfinished(self, environment: EnvironmentId, *, trigger: Trigger | None = None) -> tuple[Deployment, ...]:
        """Its deployments that wait or are under way, oldest first."""
        every = (each for each in self.memory.unfinished_deployments() if each.environment == environment)
        return tuple(each for each in every if trigger in (None, each.trigger))

    def has_target(self, environment: EnvironmentId) -> bool:
        """Whether a deployment of it has decided on what is to run."""
        return any(each.target is not None for each in self.unfinished(environment))

    def is_asleep(self, environment: EnvironmentId) -> bool:
        """Whether nothing of what it ran last runs until somebody visits it."""
        record = self.memory.environment(environment)
        return record is not None and record.is_asleep

    def is_seed_due(self, wanted: Wanted) -> bool:
        """Whether its data are still to be laid in: a review app's, once."""
        record = self.memory.environment(wanted.release.environment)
        mark = record.review if record is not None else None
        return bool(wanted.release.seed_command) and mark is not None and not mark.is_seeded

    def mark_review(self, environment: EnvironmentId, **changes: object) -> None:
        """What is on record of a review app, changed; nothing where there is none (any more)."""
        record = self.memory.environment(environment)
        if record is not None and record.review is not None:
            mark = msgspec.structs.replace(record.review, **changes)
            self.memory.save_environment(msgspec.structs.replace(record, review=mark))

    def known(self, environment: EnvironmentId, revision: Revision | None) -> Wanted | None:
        """The revision with its release; None where there is none, or its release is lost."""
        release = self.observer.release(environment, revision.release) if revision is not None else None
        if revision is None or release is None:
            return None
        return wanted_of(revision, release)

    def recorded(self, environment: EnvironmentId, revision: Revision | None) -> Wanted | None:
        """What a deployment's record speaks of. Raises NeedsPerson when its release is lost."""
        wanted = self.known(environment, revision)
        if wanted is None and revision is not None:
            raise NeedsPerson(f"{environment} has lost release v{revision.release}", hint="restore the state from a backup")
        return wanted


def revision_of(wanted: Wanted | None) -> Revision | None:
    """As it is recorded."""
    if wanted is None:
        return None
    return Revision(release=wanted.release.number, generation=wanted.generation, counts=wanted.counts, placement=wanted.placement)
