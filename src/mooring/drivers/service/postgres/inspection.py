"""Whether a PostgreSQL server can be used: its version, its rights, and what is open to every role. Must not: change it."""

from __future__ import annotations

from mooring.drivers.service.contract import ISOLATION
from mooring.drivers.service.postgres.session import Connection
from mooring.model.host import Finding, Weight

_OLDEST = 130_000  # DROP DATABASE … WITH (FORCE)
_RIGHTS = "SELECT rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles WHERE rolname = current_user"
_OPEN = "SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege('public', oid, 'CONNECT') ORDER BY datname"


async def findings(connection: Connection) -> tuple[str, tuple[Finding, ...]]:
    """The version in words, and what is not good."""
    number = connection.info.server_version
    rights = await (await connection.execute(_RIGHTS)).fetchone()
    open_to_all = [str(row[0]) for row in await (await connection.execute(_OPEN)).fetchall()]
    found = []
    if number < _OLDEST:
        found.append(Finding(subject="version", weight=Weight.FAULT, said="it is older than 13", hint="update it"))
    if rights is None or not rights[0]:
        hint = "ALTER ROLE … CREATEDB CREATEROLE, or name a role that has both"
        found.append(Finding(subject="rights", weight=Weight.FAULT, said="the role may not make databases and roles", hint=hint))
    if open_to_all:
        words = ", ".join(f'"{name}"' for name in open_to_all)
        said = f"every role may connect to {', '.join(open_to_all)}, those of apps too"
        found.append(Finding(subject=ISOLATION, weight=Weight.FAULT, said=said, hint=f"REVOKE CONNECT ON DATABASE {words} FROM PUBLIC"))
    return f"{number // 10_000}.{number % 10_000}", tuple(found)
