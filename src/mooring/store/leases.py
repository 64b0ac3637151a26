"""Leases, the fencing numbers that go with them, and people's locks. Must not: read a clock, or trust a lease without its fence."""

from __future__ import annotations

import sqlite3

import msgspec
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from mooring.errors import LeaseHeld, StaleFence
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Lease, Lock
from mooring.store import schema
from mooring.store.shelf import Shelf

_leases = schema.leases
_fences = schema.fences
_locks = schema.locks
FLOOR = ""  # the row below which no environment's number is; no environment has this name
_RESTORE_BITS = 16  # a controller that was not restored counts in seconds: it never gets there


class LeaseShelf(Shelf):
    def take_lease(self, environment: EnvironmentId, *, holder: str, now: float, dead_after: float) -> Lease:
        """Raises LeaseHeld while another's heartbeat is less than `dead_after` seconds from `now`, before or after it.

        After: the clock went back. A living owner renews by the new clock at once; a dead one must not hold for the whole jump.
        """
        with self._database.write() as connection:
            held = _lease(connection, environment)
            if held is not None and held.holder != holder and abs(now - held.heartbeat) < dead_after:
                raise LeaseHeld(f"{environment} is held by {held.holder}", hint="wait until it has ended, or abort it")
            fence = _next_fence(connection, environment, least=int(now))
            lease = Lease(environment=environment, holder=holder, fence=fence, since=now, heartbeat=now)
            values = {"holder": holder, "fence": fence, "since": now, "heartbeat": now}
            row = insert(_leases).values(environment=str(environment), **values)
            connection.execute(row.on_conflict_do_update(index_elements=["environment"], set_=values))
            return lease

    def renew_lease(self, lease: Lease, *, now: float) -> Lease:
        """Raises StaleFence when somebody else took it since, or it was released."""
        mine = (_leases.c.environment == str(lease.environment)) & (_leases.c.fence == lease.fence)
        with self._database.write() as connection:
            if connection.execute(update(_leases).where(mine).values(heartbeat=now)).rowcount == 0:
                raise StaleFence(f"the lease of {lease.environment} under fence {lease.fence} was lost")
        return msgspec.structs.replace(lease, heartbeat=now)

    def release_lease(self, lease: Lease) -> None:
        """Nothing happens when it is not this one any more."""
        mine = (_leases.c.environment == str(lease.environment)) & (_leases.c.fence == lease.fence)
        with self._database.write() as connection:
            connection.execute(delete(_leases).where(mine))

    def lease(self, environment: EnvironmentId) -> Lease | None:
        with self._database.read() as connection:
            return _lease(connection, environment)

    def lock(self, environment: EnvironmentId) -> Lock | None:
        with self._database.read() as connection:
            row = connection.execute(select(_locks).where(_locks.c.environment == str(environment))).first()
            return None if row is None else Lock(environment=environment, by=row.by, reason=row.reason, since=row.since)

    def save_lock(self, lock: Lock) -> None:
        values = {"by": lock.by, "reason": lock.reason, "since": lock.since}
        with self._database.write() as connection:
            row = insert(_locks).values(environment=str(lock.environment), **values)
            connection.execute(row.on_conflict_do_update(index_elements=["environment"], set_=values))

    def remove_lock(self, environment: EnvironmentId) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_locks).where(_locks.c.environment == str(environment)))


def _lease(connection: Connection, environment: EnvironmentId) -> Lease | None:
    row = connection.execute(select(_leases).where(_leases.c.environment == str(environment))).first()
    if row is None:
        return None
    return Lease(environment=environment, holder=row.holder, fence=row.fence, since=row.since, heartbeat=row.heartbeat)


def _next_fence(connection: Connection, environment: EnvironmentId, *, least: int) -> int:
    """More than any that was ever given for it, no less than the seconds of the clock, and no less than what a restore has set.

    So it is also more than what was given after an older backup, which this memory may have been restored from.
    """
    floor = connection.execute(select(_fences.c.last).where(_fences.c.environment == FLOOR)).scalar() or 0
    least = max(1, least, floor)
    first = insert(_fences).values(environment=str(environment), last=least)
    row = first.on_conflict_do_update(index_elements=["environment"], set_={"last": func.max(_fences.c.last + 1, least)})
    return int(connection.execute(row.returning(_fences.c.last)).scalar_one())


def take_over(plain: sqlite3.Connection, *, at: float) -> None:
    """A memory restored at this time, in wall seconds, gives higher numbers than any that was not, or was before: those are refused."""
    plain.execute("INSERT OR REPLACE INTO fences (environment, last) VALUES (?, ?)", (FLOOR, int(at) << _RESTORE_BITS))
