"""The audit log: who asked for what, and when. Appended and read, never changed. Must not: hold a secret."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, insert, select

from mooring.model.access import AuditEntry
from mooring.model.environment import EnvironmentId
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode

_table = schema.audit


class AuditShelf(Shelf):
    def append_audit(
        self, *, who: str, what: str, at: float, environment: EnvironmentId | None = None, detail: Mapping[str, str] | None = None
    ) -> AuditEntry:
        """`what` is the use case's verb; `detail` is plain words about it."""
        named = str(environment) if environment is not None else None
        described = dict(detail or {})
        row = {"at": at, "who": who, "what": what, "environment": named, "detail": encode(described)}
        with self._database.write() as connection:
            sequence = int(connection.execute(insert(_table).values(row)).lastrowid)
        return AuditEntry(sequence=sequence, at=at, who=who, what=what, environment=environment, detail=described)

    def last_asked(self, what: str) -> float:
        """When something was asked for last, in wall seconds; 0 for never."""
        with self._database.read() as connection:
            return float(connection.scalar(select(func.max(_table.c.at)).where(_table.c.what == what)) or 0.0)

    def audit(self, *, before: int | None = None, environment: EnvironmentId | None = None, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Newest first; `before` a sequence, to go on from the last one seen."""
        found = select(_table).order_by(_table.c.sequence.desc()).limit(limit)
        if before is not None:
            found = found.where(_table.c.sequence < before)
        if environment is not None:
            found = found.where(_table.c.environment == str(environment))
        with self._database.read() as connection:
            return tuple(
                AuditEntry(
                    sequence=row.sequence,
                    at=row.at,
                    who=row.who,
                    what=row.what,
                    environment=EnvironmentId.parse(row.environment) if row.environment is not None else None,
                    detail=decode(row.detail, dict[str, str]),
                )
                for row in connection.execute(found)
            )
