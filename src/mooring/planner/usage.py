"""What memory counts as that nobody declares, while room is sought for a review app: what was seen of it, or of one like it.

It is counted and nothing more: nobody is held to it. Must not: look, or count anything for what is no review app.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.health import Checks
from mooring.model.instance import InstanceView
from mooring.model.names import AccessoryName, AppName, HostId, ProcessName
from mooring.model.quantity import format_size
from mooring.model.release import ProcessType
from mooring.planner.goal import Wanted

ASSUMED_MEMORY = 256_000_000  # bytes of an instance of a review app of which nothing was seen yet
SETTLED = 30.0  # seconds after its start from which on an instance tells what it uses

_BESIDE = "accessory "  # begins the name under which an accessory is counted in with its app: no process type has a space in its own
Kind = tuple[EnvironmentId, ProcessName]
_Sort = tuple[AppName, AccessoryName | None, ProcessName]


class Peak(msgspec.Struct, frozen=True, order=True):
    """The most bytes that an instance was seen to use, of the newest release of which any was seen."""

    release: int
    memory: int


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What an accessory takes: `memory` bytes declared (0: none), on each of its `hosts`."""

    name: AccessoryName
    memory: int
    checks: Checks
    hosts: tuple[HostId, ...]


def with_accessories(wanted: Wanted, sizes: Iterable[Size]) -> Wanted:
    """The same as if these were process types of it; to be compared with what there is, never to be run."""
    known = {ProcessName(f"{_BESIDE}{each.name}"): each for each in sizes}
    more = tuple(ProcessType(name=name, command="", memory=each.memory, checks=each.checks) for name, each in known.items())
    release = msgspec.structs.replace(wanted.release, processes=(*wanted.release.processes, *more))
    placement = {**wanted.placement, **{name: each.hosts for name, each in known.items()}}
    return msgspec.structs.replace(wanted, release=release, placement=placement)


def with_seen(peaks: Mapping[Kind, Peak], views: Iterable[InstanceView], *, now: float) -> dict[Kind, Peak]:
    """After one more look. One that has only just started tells nothing, unless it uses more than is assumed. `now`: wall seconds."""
    seen = dict(peaks)
    for view in views:
        if view.memory > ASSUMED_MEMORY or (view.memory and view.started_at and now >= view.started_at + SETTLED):
            kind = (view.key.environment, view.key.process)
            peak = Peak(release=view.key.release, memory=view.memory)
            seen[kind] = max(seen.get(kind, peak), peak)
    return seen


class Usage(msgspec.Struct, frozen=True, dict=True):
    """How much each instance counts as. As it stands here, without anything: what is declared, and nothing else.

    `reviews`: the environments of review apps. What is no review app, nor an accessory of one, is never assumed to use anything that was
    not seen.
    """

    peaks: Mapping[Kind, Peak] = {}
    reviews: frozenset[EnvironmentId] = frozenset()

    def of(self, environment: EnvironmentId, process: ProcessType) -> int:
        """Bytes of one instance."""
        kind = _kind(environment, process.name)
        own = self.peaks.get(kind)
        if process.memory or own is not None:
            return process.memory or (own.memory if own else 0)
        return self._of_siblings.get(_sort(kind), ASSUMED_MEMORY) if environment.home in self.reviews else 0

    def counted(self, wanted: Wanted) -> Wanted:
        """The same as if it declared all that it counts as; to be compared with what there is, never to be run."""
        environment, processes = wanted.release.environment, wanted.release.processes
        known = tuple(msgspec.structs.replace(process, memory=self.of(environment, process)) for process in processes)
        return msgspec.structs.replace(wanted, release=msgspec.structs.replace(wanted.release, processes=known))

    def words(self, wanted: Wanted) -> str:
        """`web declares none and counts as 256.0 MB`; empty where everything is declared, or counts as nothing."""
        counts = {process.name: self.of(wanted.release.environment, process) for process in wanted.release.processes if not process.memory}
        return ", ".join(f"{name} declares none and counts as {format_size(size)}" for name, size in counts.items() if size)

    @cached_property
    def _of_siblings(self) -> dict[_Sort, int]:
        """The most that any review app of an app was seen to use."""
        most: dict[_Sort, int] = {}
        for kind, peak in self.peaks.items():
            if kind[0].home in self.reviews:
                most[_sort(kind)] = max(peak.memory, most.get(_sort(kind), 0))
        return most


def _kind(environment: EnvironmentId, name: ProcessName) -> Kind:
    """An accessory that is counted in with its app was seen as what it is: an environment of its own."""
    if not name.startswith(_BESIDE):
        return environment, name
    accessory = AccessoryName(name.removeprefix(_BESIDE))
    return environment.with_accessory(accessory), ProcessName(accessory)


def _sort(kind: Kind) -> _Sort:
    """What all review apps of an app have in common."""
    environment, name = kind
    return environment.app, environment.accessory, name
