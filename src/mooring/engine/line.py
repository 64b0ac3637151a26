"""Who waits for room, the longest first: what each asked for last, and on which hosts it goes before whoever asked later.

That it waits, and since when, is on record; so a controller that comes after this one keeps the order. Must not: make room.
"""

from __future__ import annotations

from dataclasses import dataclass

from mooring.engine.fit import check_room
from mooring.engine.parts import Parts
from mooring.errors import CapacityExceeded
from mooring.model.environment import EnvironmentId
from mooring.model.names import HostId
from mooring.planner.goal import Wanted
from mooring.planner.room import Ahead, goes_first

_FORGOTTEN = 10.0  # seconds after which one that does not ask again keeps nobody waiting


@dataclass(frozen=True)
class _Asked:
    """`at`: monotonic time of its last look."""

    wanted: Wanted
    before: Wanted | None
    at: float


class Line:
    """One per controller."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asked: dict[EnvironmentId, _Asked] = {}
        self._room_since: dict[EnvironmentId, float] = {}  # monotonic time since which one is seen to have room, and has not taken it

    def ask(self, wanted: Wanted, before: Wanted | None) -> None:
        """It looks for room now."""
        now = self._parts.clock.monotonic()
        self._asked = {environment: asked for environment, asked in self._asked.items() if now - asked.at < _FORGOTTEN}
        self._room_since = {environment: at for environment, at in self._room_since.items() if environment in self._asked}
        self._asked[wanted.release.environment] = _Asked(wanted, before, now)

    def held(self, environment: EnvironmentId) -> dict[HostId, EnvironmentId]:
        """Hosts on which it has to let others go first, with the one that has waited for longest. Raises Unavailable."""
        held: dict[HostId, EnvironmentId] = {}
        for other in self._before(environment):
            asked = self._asked[other]
            if goes_first(self._ahead(other, asked)):
                held = {**dict.fromkeys(asked.wanted.hosts(), other), **held}
        own = self._asked.get(environment)
        if own is not None and held.keys() & set(own.wanted.hosts()):
            self._room_since.pop(environment, None)  # while it lets another go first, it has no room that it could have taken
        return held

    def _before(self, environment: EnvironmentId) -> list[EnvironmentId]:
        """Those that have waited for longer, still ask and are to stay, the longest first."""
        marks = {record.environment: record.review for record in self._parts.memory.environments() if record.review is not None}
        waiting = sorted((mark.waiting_since, other) for other, mark in marks.items() if mark.waiting and not mark.leaving)
        own = next((place for place in waiting if place[1] == environment), (float("inf"), environment))
        now = self._parts.clock.monotonic()
        return [
            other for since, other in waiting if (since, other) < own and other in self._asked and now - self._asked[other].at < _FORGOTTEN
        ]

    def _ahead(self, environment: EnvironmentId, asked: _Asked) -> Ahead:
        record, now = self._parts.memory.environment(environment), self._parts.clock.monotonic()
        since = record.review.waiting_since if record is not None and record.review is not None else self._parts.clock.wall()
        has_room = self._fits(asked, without=frozenset())
        if has_room:
            self._room_since.setdefault(environment, now)
        else:
            self._room_since.pop(environment, None)
        return Ahead(
            waited=self._parts.clock.wall() - since,
            has_room=has_room,
            has_looked=asked.at > self._room_since.get(environment, now),
            could_have=has_room or self._fits(asked, without=self._others(environment), is_settled=True),
        )

    def _others(self, environment: EnvironmentId) -> frozenset[EnvironmentId]:
        """All other review apps."""
        records = self._parts.memory.environments()
        return frozenset(record.environment for record in records if record.review is not None and record.environment != environment)

    def _fits(self, asked: _Asked, *, without: frozenset[EnvironmentId], is_settled: bool = False) -> bool:
        try:
            check_room(self._parts, asked.wanted, asked.before, without=without, is_settled=is_settled)
        except CapacityExceeded:
            return False
        return True
