"""Forgetting old detail: events and journal of deployments that ended long ago. Must not: touch what is unfinished or open.

The deployments themselves stay, with their receipts; so do the releases and the audit log.
"""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.sql import ColumnElement

from mooring.store import schema
from mooring.store.shelf import Shelf

_deployments = schema.deployments
_events = schema.events
_journal = schema.journal


class RetentionShelf(Shelf):
    def prune_history(self, *, keep: int, before: float) -> int:
        """Remove events and journal of deployments that are not among their environment's newest `keep` and ended before `before`.

        Of what belongs to no deployment that is remembered: all that is older than `before`. Returns the number of rows.
        """
        with self._database.write() as connection:
            events = connection.execute(delete(_events).where(_of_old(_events.c.deployment, keep=keep, before=before) | _loose(before)))
            entries = connection.execute(delete(_journal).where(_of_old(_journal.c.deployment, keep=keep, before=before)))
            closed = (_journal.c.deployment.is_(None)) & (_journal.c.outcome != "") & (_journal.c.ended_at < before)
            return events.rowcount + entries.rowcount + connection.execute(delete(_journal).where(closed)).rowcount


def _of_old(deployment: ColumnElement[str | None], *, keep: int, before: float) -> ColumnElement[bool]:
    age = func.row_number().over(partition_by=_deployments.c.environment, order_by=_deployments.c.position.desc())
    ranked = select(_deployments.c.id, _deployments.c.outcome, _deployments.c.ended_at, age.label("age")).subquery()
    old = select(ranked.c.id).where(ranked.c.outcome.is_not(None), ranked.c.ended_at < before, ranked.c.age > keep)
    return deployment.in_(old)


def _loose(before: float) -> ColumnElement[bool]:
    is_remembered = _events.c.deployment.in_(select(_deployments.c.id))
    return (_events.c.at < before) & (_events.c.deployment.is_(None) | ~is_remembered)
