"""Dumps of a database, made and brought back by PostgreSQL's own programs, as a login of the piece. Must not: pass a password in argv."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mooring.drivers.service.contract import Login
from mooring.drivers.service.postgres.session import Address
from mooring.errors import Unavailable

_DUMP = ("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--no-password")
_RESTORE = (
    "pg_restore",
    "--no-owner",
    "--no-privileges",
    "--no-password",
    "--clean",
    "--if-exists",
    "--single-transaction",
    "--exit-on-error",
)
_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")


async def dump(address: Address, database: str, login: Login, into: Path) -> None:
    """Raises Unavailable; then no file is left."""
    os.close(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        await _run([*_DUMP, "--file", str(into), "--dbname", database], address, login)
    except BaseException:
        into.unlink(missing_ok=True)
        raise


async def restore(address: Address, database: str, login: Login, dump: Path) -> None:
    """In one transaction. Raises Unavailable, with the database as it was."""
    await _run([*_RESTORE, "--dbname", database, str(dump)], address, login)


async def _run(argv: list[str], address: Address, login: Login) -> None:
    variables = {name: value for name in _PASSED if (value := os.environ.get(name))}
    variables |= {"PGHOST": address.host, "PGPORT": address.port, "PGUSER": login.name, "PGPASSWORD": login.password.reveal()}
    variables |= {"PGCONNECT_TIMEOUT": "10", **{f"PG{name.replace('_', '').upper()}": value for name, value in address.options.items()}}
    hint = "PostgreSQL's client programs, no older than the server, belong on the controller's machine: apt-get install postgresql-client"
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=variables, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]} cannot be run: {error.strerror}", hint=hint) from error
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        words = " ".join(said.decode("utf-8", "replace").split())[-500:]
        raise Unavailable(f"{argv[0]} failed: {words}", hint=hint if "version mismatch" in words else "", where=address.place)
