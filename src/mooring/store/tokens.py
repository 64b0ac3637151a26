"""Tokens: made once, shown once, kept only as a hash. Must not: log, compare in variable time, or know what a role may do.

A token reads `mooring_ID_SECRET`: the id is public and names the row, the secret is 256 bits from the system's generator.
So much chance needs no slow hash: SHA-256 it is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from mooring.errors import InvalidInput, NotFound
from mooring.model.access import Role, TokenRecord, token_name
from mooring.model.secret import Secret
from mooring.store import schema
from mooring.store.shelf import Shelf

_table = schema.tokens
_PREFIX = "mooring"
_LONGEST = 200


class TokenShelf(Shelf):
    def create_token(self, name: str, role: Role, *, at: float, expires_at: float | None = None) -> tuple[TokenRecord, Secret]:
        """The record, and the only copy of the token. Raises InvalidName, InvalidInput when a valid token has the name."""
        identity = secrets.token_hex(6)
        token = f"{_PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
        record = TokenRecord(id=identity, name=token_name(name), role=role, created_at=at, expires_at=expires_at)
        if not record.is_valid(at):
            raise InvalidInput("the token would have expired already", hint="name a time in the future")
        with self._database.write() as connection:
            if any(other.is_valid(at) for other in _named(connection, name)):
                raise InvalidInput(f"there is a token named {name} already", hint="revoke it first, or choose another name")
            row = {"id": identity, "name": name, "role": role.value, "digest": _digest(token), "created_at": at, "expires_at": expires_at}
            connection.execute(insert(_table).values(row))
        return record, Secret(token)

    def token_by_secret(self, token: Secret, *, now: float) -> TokenRecord | None:
        """None when it is unknown, expired or revoked."""
        text = token.reveal()[:_LONGEST]
        prefix, _, rest = text.partition("_")
        with self._database.read() as connection:
            row = connection.execute(select(_table).where(_table.c.id == _plain(rest.partition("_")[0]))).first()
        is_same = hmac.compare_digest(row.digest if row is not None else bytes(32), _digest(text))
        if row is None or not is_same or prefix != _PREFIX:
            return None
        record = _record(row)
        return record if record.is_valid(now) else None

    def token(self, identity: str) -> TokenRecord | None:
        """By its public id, valid or not: an open stream asks whether its token still is."""
        with self._database.read() as connection:
            row = connection.execute(select(_table).where(_table.c.id == identity)).first()
            return None if row is None else _record(row)

    def tokens(self) -> tuple[TokenRecord, ...]:
        """All that ever were, oldest first."""
        with self._database.read() as connection:
            return tuple(_record(row) for row in connection.execute(select(_table).order_by(_table.c.created_at, _table.c.id)))

    def revoke_token(self, name: str, *, at: float) -> TokenRecord:
        """The valid token of this name (or public id) ends now. Raises NotFound."""
        with self._database.write() as connection:
            for record in _named(connection, name):
                if record.is_valid(at):
                    connection.execute(update(_table).where(_table.c.id == record.id).values(revoked_at=at))
                    return msgspec.structs.replace(record, revoked_at=at)
        raise NotFound(f"there is no valid token named {name}", hint="`mooring token ls` shows which there are")


def _named(connection: Connection, name: str) -> list[TokenRecord]:
    found = select(_table).where((_table.c.name == name) | (_table.c.id == name))
    return [_record(row) for row in connection.execute(found)]


def _record(row: Row[tuple[object, ...]]) -> TokenRecord:
    return TokenRecord(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()
