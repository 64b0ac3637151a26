"""Dumps of a database, made and brought back by the server's own client programs. Must not: pass a password in argv, or let a dump do more
than speak SQL.

A dump names who defined each view, trigger, routine and event; only an administrator may bring that back, so it is left out on the way, and
who brings the dump back is their definer.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from mooring.drivers.service.contract import Login
from mooring.drivers.service.mysql.session import Address
from mooring.errors import Unavailable

_DUMP = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--no-tablespaces",
    "--skip-comments",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
)
_LOAD = (
    "--batch",
    "--binary-mode",  # in which it takes no command of its own from a dump: no shell, no file, no other server
    "--loose-sandbox",
    "--local-infile=0",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
)
_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
_PART = 65_536  # bytes of a line that are looked at together
_DEFINER = re.compile(rb"\A((?:CREATE |/\*![0-9]+ (?:CREATE\*/ /\*![0-9]+ )?))DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)? ?")
_HINT = "the server's client programs belong on the controller's machine: apt-get install mariadb-client"


async def dump(address: Address, database: str, login: Login, into: Path) -> None:
    """Of one moment, while the database is in use. Raises Unavailable; then no file is left."""
    descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        async with _dumping(address, database, login, descriptor) as process:
            await _ended(process, address)
    except BaseException:
        into.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


async def load(address: Address, database: str, login: Login, dump: Path) -> None:
    """Raises Unavailable; what came before the fault stays."""
    async with _loading(address, database, login, dump.open("rb")) as process:
        await _ended(process, address)


async def copy(address: Address, source: str, reader: Login, target: str, login: Login) -> None:
    """From one database into another without a file between. Raises Unavailable."""
    reading, writing = os.pipe()
    try:
        async with (
            _loading(address, target, login, os.fdopen(reading, "rb")) as loading,
            _dumping(address, source, reader, writing) as dumping,
        ):
            os.close(writing)
            writing = -1
            await asyncio.gather(_ended(loading, address), _ended(dumping, address))
    finally:
        if writing >= 0:
            os.close(writing)


def without_definer(line: bytes) -> bytes:
    """The beginning of a line of a dump."""
    return _DEFINER.sub(rb"\1", line)


@asynccontextmanager
async def _dumping(address: Address, database: str, login: Login, into: int) -> AsyncIterator[asyncio.subprocess.Process]:
    with _options(address, login) as options:
        argv = [_program("mariadb-dump", "mysqldump"), f"--defaults-file={options}", *_DUMP, database]
        async with _running(argv, stdin=asyncio.subprocess.DEVNULL, stdout=into) as process:
            yield process


@asynccontextmanager
async def _loading(address: Address, database: str, login: Login, source: BinaryIO) -> AsyncIterator[asyncio.subprocess.Process]:
    """What the source holds is on its way to the database meanwhile. The source is closed."""
    reading, writing = os.pipe()
    sink = os.fdopen(writing, "wb")
    try:
        with _options(address, login) as options:
            argv = [_program("mariadb", "mysql"), f"--defaults-file={options}", *_LOAD, f"--database={database}"]
            async with _running(argv, stdin=reading, stdout=asyncio.subprocess.DEVNULL) as process:
                os.close(reading)
                reading = -1
                pouring = asyncio.ensure_future(asyncio.to_thread(_pour, source, sink))
                try:
                    yield process
                finally:
                    if process.returncode is None:
                        process.kill()
                    await asyncio.wait([pouring])
                    pouring.result()
    finally:
        if reading >= 0:
            os.close(reading)
            sink.close()
            source.close()


def _pour(source: BinaryIO, sink: BinaryIO) -> None:
    """Until the source ends, or the program at the other end does."""
    try:
        with source, sink:
            is_beginning = True
            while part := source.readline(_PART):
                sink.write(without_definer(part) if is_beginning else part)
                is_beginning = part.endswith(b"\n")
    except BrokenPipeError:
        return  # the program says why


@asynccontextmanager
async def _running(argv: list[str], *, stdin: int, stdout: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Gone in the end, whatever happens."""
    variables = {name: value for name in _PASSED if (value := os.environ.get(name))}
    try:
        process = await asyncio.create_subprocess_exec(*argv, env=variables, stdin=stdin, stdout=stdout, stderr=asyncio.subprocess.PIPE)
    except OSError as error:
        raise Unavailable(f"{argv[0]} cannot be run: {error.strerror}", hint=_HINT) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ended(process: asyncio.subprocess.Process, address: Address) -> None:
    _, said = await process.communicate()
    if process.returncode:
        words = " ".join(said.decode("utf-8", "replace").split())[-500:]
        raise Unavailable(f"the server's client program failed: {words}", where=address.place)


def _program(name: str, other: str) -> str:
    """MariaDB's, or MySQL's of the same use."""
    return name if shutil.which(name) or not shutil.which(other) else other


@contextmanager
def _options(address: Address, login: Login) -> Iterator[Path]:
    """A file, 0600, with how to connect and as whom."""
    lines = ["[client]", f"host={_value(address.host)}", f"port={address.port}", "protocol=tcp", "loose-connect-timeout=10"]
    lines += [f"user={_value(login.name)}", f"password={_value(login.password.reveal())}"]
    if address.is_encrypted:
        lines += ["loose-ssl-verify-server-cert", "loose-ssl-mode=VERIFY_IDENTITY"]
    if address.authority:
        lines.append(f"ssl-ca={_value(address.authority)}")
    descriptor, name = tempfile.mkstemp(prefix="mooring-", suffix=".cnf")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join(lines) + "\n")
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
