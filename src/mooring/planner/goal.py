"""What the planner is asked: what is wanted, how far the deployment is, what was seen. Must not: decide."""

from __future__ import annotations

import msgspec

from mooring.model.deployment import Phase, Revision
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceView, TaskState
from mooring.model.names import LOCAL, HostId, ProcessName
from mooring.model.placement import Placement
from mooring.model.release import ProcessType, Release
from mooring.model.routing import RouteTable
from mooring.model.steps import Step


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A release with its generation, counts and places: the instances that should run, and no others."""

    release: Release
    generation: int = 0
    counts: dict[ProcessName, int] = {}
    placement: Placement = {}

    def count(self, process: ProcessType) -> int:
        """How many: as placed, else as scaled, else as the release says; never more than one of a single process type."""
        if process.name in self.placement:
            return sum(host is not None for host in self.placement[process.name])
        count = self.counts.get(process.name, process.count)
        return min(count, 1) if process.is_single else count

    def slots_of(self, process: ProcessType) -> tuple[HostId | None, ...]:
        """The host of each slot; None where nothing runs."""
        return self.placement.get(process.name, (LOCAL,) * self.count(process))

    def hosts_of(self, process: ProcessType) -> tuple[HostId, ...]:
        """One for each instance."""
        return tuple(host for host in self.slots_of(process) if host is not None)

    def hosts(self) -> tuple[HostId, ...]:
        """All on which something of it runs, each once, in the order of process types and slots."""
        return tuple(dict.fromkeys(host for process in self.release.processes for host in self.hosts_of(process)))

    def first_host(self) -> HostId:
        """Where what runs once runs: beside the first instance, or on the local host where there is none."""
        return next(iter(self.hosts()), LOCAL)

    def instances_of(self, process: ProcessType) -> tuple[InstanceKey, ...]:
        return tuple(
            InstanceKey(
                environment=self.release.environment,
                process=process.name,
                slot=slot,
                release=self.release.number,
                generation=self.generation,
                host=host,
            )
            for slot, host in enumerate(self.slots_of(process), start=1)
            if host is not None
        )

    def instances(self) -> tuple[InstanceKey, ...]:
        return tuple(key for process in self.release.processes for key in self.instances_of(process))


def wanted_of(revision: Revision, release: Release) -> Wanted:
    """The revision with its release."""
    return Wanted(release=release, generation=revision.generation, counts=revision.counts, placement=revision.placement)


def at_rest(wanted: Wanted | None, *, is_asleep: bool) -> Wanted | None:
    """The same, and where it is asleep with nothing of it running: its routes stay."""
    if wanted is None or not is_asleep:
        return wanted
    return msgspec.structs.replace(wanted, counts={process.name: 0 for process in wanted.release.processes}, placement={})


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a deployment is. Times are monotonic seconds. `baseline` None: nothing served before.

    `phase` only ever moves on: RELEASE, PREPARE, WATCH, DRAIN; or from any of them to REVERT.
    `release_task` is of the target's release command, `seed_task` of its seed command; SUCCEEDED too when there is none to run.
    `regression` is the watch's finding, a sentence, empty while all is well.
    """

    phase: Phase = Phase.RELEASE
    baseline: Wanted | None = None
    started_at: float
    phase_since: float
    release_task: TaskState = TaskState.SUCCEEDED
    seed_task: TaskState = TaskState.SUCCEEDED
    is_abort_asked: bool = False
    was_switched: bool = False
    regression: str = ""

    @property
    def is_seeding(self) -> bool:
        """The release command has done its work, and data are to be laid in."""
        return self.release_task is TaskState.SUCCEEDED and self.seed_task is not TaskState.SUCCEEDED

    @property
    def task(self) -> TaskState:
        """Of the command whose turn it is before traffic moves; SUCCEEDED when all of them have."""
        return self.seed_task if self.is_seeding else self.release_task


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment should be. `target` None: nothing should run. `progress` None: no deployment goes on, only keeping.

    `may_sleep`: it is one that sleeps while nobody visits it. `is_asleep`: nothing runs until somebody comes, or what is deployed is
    there; `is_crowded`: and then there is no room for it yet.
    """

    environment: EnvironmentId
    target: Wanted | None
    progress: Progress | None = None
    is_maintenance: bool = False
    may_sleep: bool = False
    is_asleep: bool = False
    is_crowded: bool = False


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one environment. `since` gives monotonic times by instance slug: first seen, and draining.

    `is_known` False: a driver could not be asked; then nothing is decided (unknown is not failed). `is_agreed` False: not all edges
    have the table, so that they have to be given one. `away`: hosts that do not answer.
    """

    instances: tuple[InstanceView, ...] = ()
    table: RouteTable | None = None
    in_flight: dict[str, int] = {}
    streams: dict[str, int] = {}
    started_since: dict[str, float] = {}
    draining_since: dict[str, float] = {}
    is_known: bool = True
    is_agreed: bool = True
    away: frozenset[HostId] = frozenset()

    def view(self, key: InstanceKey) -> InstanceView | None:
        return next((view for view in self.instances if view.key == key), None)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that may be taken now, all at once, in order; `waiting_for` says what comes next when there are none.

    `phase` is where the deployment is after this look (None without one). `wake_at`: monotonic time of the nearest deadline.
    """

    steps: tuple[Step, ...] = ()
    phase: Phase | None = None
    waiting_for: str = ""
    wake_at: float | None = None
