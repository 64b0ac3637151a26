"""Answers to requests that carried an idempotency key, so that the same request sent twice is done once. Must not: know a route.

`scope` says whose request it was and to what, so that nobody reads another's answer; `digest` is of the request's body.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from mooring.errors import Refused
from mooring.model.records import Answer
from mooring.store import schema
from mooring.store.shelf import Shelf

_table = schema.answers


class AnswerShelf(Shelf):
    def answer(self, key: str, *, scope: str, digest: str) -> bytes | None:
        """What was answered to this very request before. Raises Refused when the key came with another body."""
        with self._database.read() as connection:
            return _find(connection, key, scope=scope, digest=digest)

    def remember_answer(self, answer: Answer) -> bytes:
        """The answer that counts: the one that was remembered first. Raises Refused when the key came with another body."""
        with self._database.write() as connection:
            return remembered(connection, answer)

    def forget_answers(self, *, before: float) -> int:
        """Those remembered before this time; how many."""
        with self._database.write() as connection:
            return connection.execute(delete(_table).where(_table.c.at < before)).rowcount


def remembered(connection: Connection, answer: Answer) -> bytes:
    """Within a transaction: the answer that counts. Raises Refused when the key came with another body."""
    earlier = _find(connection, answer.key, scope=answer.scope, digest=answer.digest)
    if earlier is not None:
        return earlier
    row = {"scope": answer.scope, "key": answer.key, "digest": answer.digest, "answer": answer.content, "at": answer.at}
    connection.execute(insert(_table).values(row))
    return answer.content


def _find(connection: Connection, key: str, *, scope: str, digest: str) -> bytes | None:
    row = connection.execute(select(_table).where(_table.c.scope == scope, _table.c.key == key)).first()
    if row is None:
        return None
    if row.digest != digest:
        raise Refused(f"the idempotency key {key!r} was used for another request", hint="use a new key for each new request")
    return bytes(row.answer)
