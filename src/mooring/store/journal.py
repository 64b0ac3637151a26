"""The journal: each effect's intent, on disk before the effect, and its outcome after it. Must not: judge an open intent.

A sequence is never given twice, so an outcome that comes after its entry was forgotten is told from one that never was.
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, insert, select, text, update

from mooring.errors import NotFound
from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId
from mooring.model.records import JournalEntry
from mooring.model.steps import Step
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode

_table = schema.journal
_LAST = text("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")


class JournalShelf(Shelf):
    def write_intent(self, *, deployment: DeploymentId | None, environment: EnvironmentId, step: Step, fence: int, at: float) -> int:
        """Synced before it returns; gives the entry's sequence. Raises NotFound when there is no such deployment."""
        row = {
            "deployment": deployment,
            "environment": str(environment),
            "step": encode(step),
            "fence": fence,
            "intent_at": at,
            "outcome": "",
            "detail": "",
        }
        with self._database.write() as connection:
            if deployment is not None:
                _deployment_must_exist(connection, deployment)
            written = connection.execute(insert(_table).values(row))
            return int(written.lastrowid)

    def write_outcome(self, sequence: int, *, outcome: str, at: float, detail: str = "") -> None:
        """Raises NotFound for a sequence that was never given; one that was forgotten since is passed over."""
        with self._database.write() as connection:
            values = {"outcome": outcome, "ended_at": at, "detail": detail}
            changed = connection.execute(update(_table).where(_table.c.sequence == sequence).values(values))
            if changed.rowcount == 0 and not 1 <= sequence <= (connection.scalar(_LAST) or 0):
                raise NotFound(f"there is no journal entry {sequence}")

    def journal(self, deployment: DeploymentId) -> tuple[JournalEntry, ...]:
        """In order of sequence."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).where(_table.c.deployment == deployment).order_by(_table.c.sequence))
            return tuple(_entry(row) for row in rows)

    def open_intents(self) -> tuple[JournalEntry, ...]:
        """All entries without an outcome, oldest first, those that belong to no deployment included."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).where(_table.c.outcome == "").order_by(_table.c.sequence))
            return tuple(_entry(row) for row in rows)


def _deployment_must_exist(connection: Connection, deployment: DeploymentId) -> None:
    known = schema.deployments.c.id
    if connection.scalar(select(known).where(known == deployment)) is None:
        raise NotFound(f"there is no deployment {deployment}", hint="`mooring releases` shows which there are")


def _entry(row: Row[tuple[object, ...]]) -> JournalEntry:
    return JournalEntry(
        sequence=row.sequence,
        deployment=row.deployment,
        environment=EnvironmentId.parse(row.environment),
        step=decode(row.step, Step),  # type: ignore[arg-type]  # a union is a form that mypy does not take for a type
        fence=row.fence,
        intent_at=row.intent_at,
        outcome=row.outcome,
        detail=row.detail,
        ended_at=row.ended_at,
    )
