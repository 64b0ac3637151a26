"""Roles of a piece: one that owns all that is made in its database, and logins that act as it. Must not: touch a role without the mark.

A role and its mark are made in one transaction: there is none without it.
"""

from __future__ import annotations

from psycopg import sql

from mooring.drivers.service import marks
from mooring.drivers.service.contract import Login
from mooring.drivers.service.postgres.session import Connection
from mooring.model.service import Piece

_FIND = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s"
_LOGINS = (
    "SELECT r.rolname, shobj_description(r.oid, 'pg_authid') FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member"
    " JOIN pg_roles o ON o.oid = m.roleid WHERE o.rolname = %s ORDER BY r.rolname"
)


async def fence_of(connection: Connection, piece: Piece) -> int | None:
    """The highest number seen for the piece; None where it is not there. Raises Refused for a role of another's."""
    mark = await _mark_of(connection, piece.identity, piece)
    return mark.fence if mark else None


async def raise_fence(connection: Connection, piece: Piece, fence: int) -> None:
    await connection.execute(_comment(piece.identity, piece, fence=fence))


async def ensure_owner(connection: Connection, piece: Piece, *, fence: int) -> None:
    """The role that owns what is in the database. It cannot log in."""
    if await _mark_of(connection, piece.identity, piece) is not None:
        return
    async with connection.pipeline(), connection.transaction():
        await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(piece.identity)))
        await connection.execute(_comment(piece.identity, piece, fence=fence))
        await _reach(connection, piece.identity)


async def ensure_login(connection: Connection, piece: Piece, login: Login) -> None:
    """A login with this password, that acts as the owner from its first statement."""
    name = sql.Identifier(login.name)
    verifier = connection.pgconn.encrypt_password(login.password.reveal().encode(), login.name.encode(), b"scram-sha-256").decode()
    is_there = await _mark_of(connection, login.name, piece) is not None
    async with connection.pipeline(), connection.transaction():
        if not is_there:
            await connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
            await connection.execute(_comment(login.name, piece))
            await _reach(connection, login.name)
            await connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(piece.identity), name))
            await connection.execute(sql.SQL("ALTER ROLE {} SET role = {}").format(name, sql.Identifier(piece.identity)))
        await connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier)))


async def logins(connection: Connection, piece: Piece) -> tuple[str, ...]:
    """Those of the piece that carry its mark, shut out already or not."""
    found = await (await connection.execute(_LOGINS, [piece.identity])).fetchall()
    return tuple(str(name) for name, text in found if (mark := marks.read(text)) is not None and mark.piece == piece)


async def shut_out(connection: Connection, names: tuple[str, ...]) -> None:
    """They cannot log in any more, and their sessions end."""
    for name in names:
        await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])


async def drop(connection: Connection, name: str) -> None:
    await connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


async def _reach(connection: Connection, name: str) -> None:
    """Without being a superuser the administrator could neither give it anything, nor take what it owns, nor end its sessions."""
    if connection.info.parameter_status("is_superuser") != "on":
        await connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))


async def _mark_of(connection: Connection, name: str, piece: Piece) -> marks.Written | None:
    """None where there is no such role. Raises Refused where it is not the piece's."""
    found = await (await connection.execute(_FIND, [name])).fetchone()
    if found is None:
        return None
    mark = marks.read(found[0])
    if mark is None or mark.piece != piece:
        raise marks.not_marked(f"the role {name}", piece, hint="rename it, or take it away")
    return mark


def _comment(name: str, piece: Piece, *, fence: int = 0) -> sql.Composed:
    return sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), sql.Literal(marks.written(piece, fence=fence)))
