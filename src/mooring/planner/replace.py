"""How one process type's instances are replaced: which start, which of the old leave first. Must not: know routes or deadlines.

Two ways, chosen by data: start-first (the old stay until every new one of the release is ready; `max_surge` start at a time), and
in-place (`single`, or `max_surge = 0`: up to `max_unavailable` old ones leave before as many new ones start).
"""

from __future__ import annotations

import msgspec

from mooring.model.health import Health
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.release import ProcessType
from mooring.planner.goal import Current, Wanted
from mooring.planner.routes import active_keys, may_serve


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What may start now, and which old ones must go before more can start (`leaving`) or serve meanwhile (`staying`).

    `unready`: those of the `count` wanted ones that are not ready, or not for long enough.
    """

    process: ProcessType
    start: tuple[InstanceKey, ...]
    leaving: frozenset[InstanceKey]
    staying: frozenset[InstanceKey] = frozenset()
    count: int
    unready: frozenset[InstanceKey]
    is_in_place: bool

    @property
    def is_ready(self) -> bool:
        return not self.unready


def is_in_place(process: ProcessType, wanted: Wanted) -> bool:
    return process.is_single or wanted.release.policy.max_surge.amount == 0


def is_ready(view: InstanceView | None, *, min_healthy_time: float, now: float) -> bool:
    """Seen ready, running, and for `min_healthy_time` seconds without a break."""
    if view is None or view.health is not Health.READY or view.state is not ProcessState.RUNNING:
        return False
    return view.ready_since is not None and view.ready_since + min_healthy_time <= now


def replace_start_first(process: ProcessType, wanted: Wanted, current: Current, *, now: float) -> Replacement:
    keys = wanted.instances_of(process)
    missing = [key for key in keys if _is_missing(current.view(key))]
    unready = [key for key in keys if not _is_ready(key, wanted, current, now=now)]
    at_a_time = max(1, wanted.release.policy.max_surge.of(len(keys), rounding_up=True))
    starting = len(unready) - len(missing)
    room = max(0, at_a_time - starting)
    return Replacement(
        process=process,
        start=tuple(missing[:room]),
        leaving=frozenset(),
        count=len(keys),
        unready=frozenset(unready),
        is_in_place=False,
    )


def replace_in_place(process: ProcessType, wanted: Wanted, current: Current, *, now: float) -> Replacement:
    """Old ones that cannot serve leave first, since nobody misses them; of the others, those that do not serve now."""
    keys = wanted.instances_of(process)
    old = [view for view in current.instances if view.key.process == process.name and view.key not in keys]
    active = active_keys(current.table)
    able = sorted((view.key for view in old if may_serve(view, was_active=view.key in active)), key=lambda key: (key not in active, key))
    missing = [key for key in keys if _is_missing(current.view(key))]
    unready = frozenset(key for key in keys if not _is_ready(key, wanted, current, now=now))
    stay = max(0, len(unready) - _may_be_down(process, wanted))
    room = max(0, len(keys) - len(old) - (len(keys) - len(missing)))
    return Replacement(
        process=process,
        start=tuple(missing[:room]),
        leaving=frozenset(view.key for view in old) - frozenset(able[:stay]),
        staying=frozenset(able[:stay]),
        count=len(keys),
        unready=unready,
        is_in_place=True,
    )


def _is_missing(view: InstanceView | None) -> bool:
    """Nothing but a start brings it: it is not there, or ended while a controller that is gone was stopping it."""
    return view is None or (view.is_retired and view.state is ProcessState.EXITED)


def _may_be_down(process: ProcessType, wanted: Wanted) -> int:
    count = wanted.count(process)
    return count if process.is_single else max(1, wanted.release.policy.max_unavailable.of(count, rounding_up=False))


def _is_ready(key: InstanceKey, wanted: Wanted, current: Current, *, now: float) -> bool:
    return is_ready(current.view(key), min_healthy_time=wanted.release.policy.min_healthy_time, now=now)
