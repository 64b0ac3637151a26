"""Asks a host to do something, in one round trip: what runs there is packed here, put there once, and named by its content.

Must not: put a value into an argument list; what is asked goes over standard input.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import secrets
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any, cast

from mooring.drivers.runtime import listeners
from mooring.drivers.transport.contract import Channel, Transport
from mooring.errors import (
    CapacityExceeded,
    InvalidInput,
    MooringError,
    NeedsPerson,
    OutcomeUnknown,
    StaleFence,
    Unavailable,
)

_PACKAGE = "mooring/drivers/runtime/systemd/onhost"
_START = f"import sys\nfrom {_PACKAGE.replace('/', '.')}.main import main\nmain(sys.argv[1:])\n"
_ROOT_DIRECTORY = "/var/lib/mooring"  # as onhost/place.py has it
_USER_DIRECTORY = ".local/share/mooring"  # below the account's home, where every command begins
_MOST = 20_000_000  # bytes of an answer
_ERRORS: dict[str, type[MooringError]] = {
    kind.code: kind for kind in (Unavailable, OutcomeUnknown, StaleFence, CapacityExceeded, InvalidInput, NeedsPerson)
}


class OnHost:
    """The other end, over a transport. `directory` empty: /var/lib/mooring for root, else in the account's home."""

    def __init__(self, transport: Transport, directory: str = "") -> None:
        self.transport = transport
        self.directory = directory
        self._program = ""

    async def ask(self, verb: str, *, within: float = 60.0, payload: bytes = b"", **fields: Any) -> dict[str, Any]:
        """What the verb gives. Raises what the host says, else what the transport says."""
        question = json.dumps({"verb": verb, "directory": self.directory, **fields}).encode() + b"\n" + payload
        if not self._program:
            await self._install()
        done = await self.transport.run(["python3", "-I", "-S", self._program, "ask"], stdin=question, within=within, most=_MOST)
        if done.code == 2 and b"can't open file" in done.err:  # the host was made anew
            await self._install()
            done = await self.transport.run(["python3", "-I", "-S", self._program, "ask"], stdin=question, within=within, most=_MOST)
        return self._answer(verb, done.code, done.out, done.err)

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Channel]:
        """With onhost/sessions.py."""
        if not self._program or (await self.transport.run(["test", "-e", f"{self._program}/__main__.py"])).code:
            await self._install()
        async with self.transport.attached(["python3", "-I", "-S", self._program, "converse"]) as channel:
            yield channel

    def _answer(self, verb: str, code: int, out: bytes, err: bytes) -> dict[str, Any]:
        try:
            answer = cast("dict[str, Any]", json.loads(out))
        except ValueError:
            raise OutcomeUnknown(f"{verb} ended with {code}: {_last_line(err)}", where=self.transport.host) from None
        if "failed" in answer:
            raise failure_of(answer["failed"], self.transport.host)
        return cast("dict[str, Any]", answer["done"])

    async def _install(self) -> None:
        """Only what is not there yet is written; nothing of another version is taken away while units may use it."""
        is_root = (await self.transport.run(["id", "-u"])).out.strip() == b"0"
        directory = PurePosixPath(self.directory or (_ROOT_DIRECTORY if is_root else _USER_DIRECTORY))
        made = await self.transport.run(["install", "-d", "-m", "755", "--", str(directory)])
        if made.code:
            raise Unavailable(f"{directory} cannot be made: {_last_line(made.err)}", where=self.transport.host)
        content = packed()
        program = directory / f"onhost-{hashlib.sha256(content).hexdigest()[:16]}"
        if (await self.transport.run(["test", "-e", str(program / "__main__.py")])).code:
            await self._unpack(content, program)
        self._program = str(program)

    async def _unpack(self, content: bytes, program: PurePosixPath) -> None:
        """As a folder, so that Python keeps what it compiled: that halves the time of a request."""
        archive, beside = f"{program}.zip", f"{program}.{secrets.token_hex(4)}"
        await self.transport.write(PurePosixPath(archive), content, mode=0o644)
        unpacked = await self.transport.run(["python3", "-I", "-m", "zipfile", "-e", archive, beside])
        if unpacked.code:
            raise Unavailable(f"{archive} cannot be unpacked: {_last_line(unpacked.err)}", where=self.transport.host)
        await self.transport.run(["mv", "-T", beside, str(program)])  # somebody else's is as good: what is there is asked


def failure_of(said: list[str], host: str) -> MooringError:
    """What the host said in its own words: kind, message, hint."""
    kind, message, hint = said
    return _ERRORS[kind](message, hint=hint, where=host)


def _last_line(said: bytes) -> str:
    return said.decode(errors="replace").strip().rpartition("\n")[2][:300]


@functools.cache
def packed() -> bytes:
    """The same bytes for the same source."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        folders = PurePosixPath(_PACKAGE).parts
        names = {"/".join((*folders[:depth], "__init__.py")): b"" for depth in range(1, len(folders))}
        names |= {f"{_PACKAGE}/{path.name}": path.read_bytes() for path in (Path(__file__).parent / "onhost").glob("*.py")}
        names["mooring/drivers/runtime/listeners.py"] = Path(listeners.__file__).read_bytes()
        for name, content in sorted({**names, "__main__.py": _START.encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
