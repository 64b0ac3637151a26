"""HAProxy on another host, over a transport: copies of its files, its sockets, and a unit of the host's systemd that keeps it running.

    /var/lib/mooring-edge/     the copies, for the unit's own account; onhost.py says what else
    /run/mooring-edge/         its sockets

Questions go through a forwarded socket; what changes something goes by onhost.py, which refuses an older fence. Must not: know a table.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, cast

from mooring.drivers.edge.files import read_whole
from mooring.drivers.edge.haproxy.access_log import Line, decode
from mooring.drivers.edge.haproxy.commands import Commands, line_of, lines_of
from mooring.drivers.edge.haproxy.ground import Asked, Ground
from mooring.drivers.edge.haproxy.preparation import DIRECTORY, RUN_DIRECTORY, UNIT
from mooring.drivers.edge.haproxy.settings import Layout
from mooring.drivers.edge.log_reader import SLACK, parsed
from mooring.drivers.transport.contract import Transport
from mooring.errors import MooringError, OutcomeUnknown, StaleFence, Unavailable
from mooring.model.environment import EnvironmentId

_MOST = 200_000_000  # bytes of an answer: the lines of a window
_WITHIN = 60.0  # seconds
_ERRORS: dict[str, type[MooringError]] = {kind.code: kind for kind in (Unavailable, OutcomeUnknown, StaleFence)}
_KEPT_HERE = ("tables", "authority", "places.json", "waited-for")  # what HAProxy does not read


class AnotherHost:
    """`directory` is where the controller keeps what is to be there."""

    def __init__(self, transport: Transport, directory: Path) -> None:
        self.layout = Layout(Path(DIRECTORY), Path(RUN_DIRECTORY))
        self._transport = transport
        self._directory = directory
        self._there: dict[str, str] = {}
        self._fences: Mapping[str, int] = {}
        self.sight: Asked = Commands(lambda: transport.forwarded(PurePosixPath(self.layout.command_socket)), silence=Unavailable)
        self.hand: Asked = _Hand(self)
        self.master: Asked = Commands(lambda: transport.forwarded(PurePosixPath(self.layout.master_socket)))

    def prepare(self) -> None:
        """The host was prepared when it was added."""

    def begin(self, fences: Mapping[str, int]) -> None:
        self._fences = dict(fences)

    async def settle(self, fences: Mapping[str, int]) -> None:
        self.begin(fences)
        await self._put(self._wanted(), names=True)
        await self.ask("start", unit=UNIT, socket=str(self.layout.command_socket))

    async def put(self) -> None:
        wanted = self._wanted()
        if _digests(wanted) != self._there:
            await self._put(wanted, names=set(wanted) != set(self._there))

    async def lines(self, slug: str, *, since: float, until: float) -> list[Line]:
        answer = await self.ask("lines", mine=f'"{slug}/', since=int((since - SLACK) * 1_000_000))
        raw = zlib.decompress(base64.b64decode(answer["lines"])) if answer["lines"] else b""
        return sorted(parsed(raw.splitlines(), slug, decode, since=since, until=until), key=lambda line: line.start)

    async def cut_log(self, *, kept: int) -> None:
        await self.ask("cut", kept=kept)

    async def waited_for(self, known: Iterable[EnvironmentId]) -> frozenset[EnvironmentId]:
        names = set((await self.ask("waited"))["names"])
        return frozenset(environment for environment in known if environment.slug in names)

    async def forget(self, slug: str) -> None:
        await self.ask("forget", slug=slug)

    async def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Raises what the host says, else what the transport says."""
        question = {"verb": verb, "directory": DIRECTORY, "fences": dict(self._fences), **fields}
        program = files(__package__).joinpath("onhost.py").read_text()
        argv = ["python3", "-I", "-S", "-c", program]
        done = await self._transport.run(argv, stdin=json.dumps(question).encode(), within=_WITHIN, most=_MOST)
        try:
            answer = cast("dict[str, Any]", json.loads(done.out))
        except ValueError:
            said = done.err.decode(errors="replace").strip().rpartition("\n")[2][:300]
            raise OutcomeUnknown(f"{verb} ended with {done.code}: {said}", where=self._transport.host) from None
        if "failed" in answer:
            kind, message = answer["failed"]
            raise _ERRORS[kind](message, where=self._transport.host)
        return cast("dict[str, Any]", answer["done"])

    def _wanted(self) -> dict[str, bytes]:
        """All that HAProxy reads, by its name below the directory."""
        paths = (path for path in sorted(self._directory.rglob("*")) if path.is_file())
        named = {str(path.relative_to(self._directory)): path for path in paths}
        mine = {name: path for name, path in named.items() if not name.startswith((*_KEPT_HERE, "log")) and "/." not in f"/{name}"}
        return {name: read_whole(path) or b"" for name, path in mine.items()}

    async def _put(self, wanted: Mapping[str, bytes], *, names: bool) -> None:
        digests = _digests(wanted)
        changed = {name: wanted[name].decode() for name, digest in digests.items() if self._there.get(name) != digest}
        before, self._there = self._there, {}  # whatever becomes of it, the next one brings all
        try:
            await self.ask("put", files=changed, names=sorted(wanted) if names else None)
        except (Unavailable, StaleFence):
            self._there = before
            raise
        self._there = digests


class _Hand:
    """Commands that change something, under the fences of what is going on."""

    def __init__(self, host: AnotherHost) -> None:
        self._host = host

    async def ask(self, command: str, payload: str = "") -> str:
        return await self._told([line_of(command, payload)])

    async def ask_all(self, commands: Sequence[str]) -> str:
        return await self._told([line_of("; ".join(each)) for each in lines_of(commands)])

    async def _told(self, lines: list[str]) -> str:
        answer = await self._host.ask("tell", socket=str(self._host.layout.command_socket), lines=lines)
        return str(answer["said"])


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


_: type[Ground] = AnotherHost
