"""The HAProxy that runs: what it has, in values, and changes sent to it. Must not: decide what it is to have."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mooring.drivers.edge.haproxy import sight
from mooring.drivers.edge.haproxy.configuration import STREAMS
from mooring.drivers.edge.haproxy.ground import Asked, Ground
from mooring.drivers.edge.haproxy.sight import Seen
from mooring.errors import DriverError, OutcomeUnknown, Unavailable

RELOADED_WITHIN = 15.0  # seconds
LOOK_EVERY = 0.02
_NOTES = re.compile(
    "no need to change|.* changed from |New server registered|New empty certificate store|Transaction (created|updated)|Committing|Success!"
    "|Inserting certificate|Certificate .* deleted|Entry .* deleted|Transaction .*aborted"
)


class Refusal(Unavailable):
    """HAProxy did not do what it was told; the message is its own."""


class Running:
    """Raises Unavailable when it does not run, OutcomeUnknown when it does not answer."""

    def __init__(self, ground: Ground) -> None:
        self._commands, self._hand, self._master = ground.sight, ground.hand, ground.master

    async def worker(self) -> str:
        """Which process serves."""
        said = await self._commands.ask("show info")
        return next((line.removeprefix("Pid: ") for line in said.splitlines() if line.startswith("Pid: ")), "")

    async def version(self) -> str:
        """Of the files that it read when it started."""
        said = await self._commands.ask("show info")
        return next((line.removeprefix("description: ") for line in said.splitlines() if line.startswith("description: ")), "")

    async def servers(self, backends: Sequence[str] = ()) -> dict[str, dict[str, Seen]]:
        """By backend, of these or of all."""
        if not backends:
            return sight.servers(await self._commands.ask("show servers state"))
        return sight.servers(await self._commands.ask_all([f"show servers state {each}" for each in backends]))

    async def in_flight(self, backends: Sequence[str] = ()) -> dict[str, int]:
        """Requests by server, streams among them, also of what only finishes after a reload."""
        found = Counter(await self._counted(self._commands, "", backends))
        for worker in sight.old_workers(await self._master.ask("show proc")):
            found.update(await self._counted(self._master, f"@!{worker} ", backends))
        return dict(found)

    async def streams(self) -> dict[str, int]:
        return sight.streams(await self._commands.ask(f"show table {STREAMS}"))

    async def entries(self, path: Path) -> dict[str, str]:
        return sight.entries(await self._commands.ask(f"show map {path}"))

    async def shown(self, path: Path) -> set[str]:
        """The files of the certificates that are shown."""
        said = await self._commands.ask(f"show ssl crt-list {path}")
        return {line.split()[0] for line in said.splitlines() if line.startswith("/")}

    async def send(self, commands: Sequence[str]) -> None:
        """Raises Refusal when HAProxy has anything to say against it."""
        if not commands:
            return
        _check(await self._hand.ask_all(commands))

    async def tell(self, command: str, payload: str) -> None:
        """Raises Refusal."""
        _check(await self._hand.ask(command, payload))

    async def reload(self) -> None:
        """Returns when a new process serves by the files as they are now; the one before finishes what it has begun."""
        before = await self.worker()
        with contextlib.suppress(OutcomeUnknown):  # the master begins anew, and may say nothing before it does
            await self._master.ask("reload")
        deadline = time.monotonic() + RELOADED_WITHIN
        while time.monotonic() < deadline:
            try:
                if await self.worker() not in (before, "") and await self._master.ask("show proc"):
                    return
            except DriverError:
                pass  # in the moment between the two
            await asyncio.sleep(LOOK_EVERY)
        raise OutcomeUnknown(f"the edge was not renewed within {RELOADED_WITHIN:.0f} seconds", hint="see its log: edge.log")

    async def _counted(self, commands: Asked, prefix: str, backends: Sequence[str]) -> dict[str, int]:
        found: Counter[str] = Counter()
        for each in backends or ("-1",):
            found.update(sight.in_flight(await commands.ask(f"{prefix}show stat {each} 4 -1")))
        return dict(found)


def _check(said: str) -> None:
    against = [line for line in said.splitlines() if line.strip(" .") and not _NOTES.match(line)]
    if against:
        raise Refusal(f"the edge refused a change: {against[0][:300]}", hint="what it served before is still served")
