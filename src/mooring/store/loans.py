"""Hosts that are borrowed, and those that are asked for: how each loan stands. Must not: reach whoever lends."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from mooring.model.capacity import Loan
from mooring.store import schema
from mooring.store.shelf import Shelf, decode, encode

_table = schema.loans


class LoanShelf(Shelf):
    def loans(self) -> tuple[Loan, ...]:
        """By key."""
        with self._database.read() as connection:
            return tuple(decode(record, Loan) for record in connection.scalars(select(_table.c.record).order_by(_table.c.key)))

    def save_loan(self, loan: Loan) -> None:
        with self._database.write() as connection:
            row = insert(_table).values(key=loan.key, record=encode(loan))
            connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"record": row.excluded.record}))

    def forget_loan(self, key: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_table).where(_table.c.key == key))
