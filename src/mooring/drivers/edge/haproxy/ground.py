"""The machine on which HAProxy runs: how its files get there, and how it is asked. Must not: know what a table is.

The controller keeps what it derives in a directory of its own. On its own machine HAProxy reads just that; on another host, a copy.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from mooring.drivers.edge.files import make_directory
from mooring.drivers.edge.haproxy.access_log import Line, decode
from mooring.drivers.edge.haproxy.commands import Commands
from mooring.drivers.edge.haproxy.log_space import cut
from mooring.drivers.edge.haproxy.settings import Layout
from mooring.drivers.edge.log_reader import read_lines
from mooring.drivers.edge.waited import forget, taken
from mooring.model.environment import EnvironmentId


class Asked(Protocol):
    """Commands to HAProxy. Raises Unavailable, OutcomeUnknown."""

    async def ask(self, command: str, payload: str = "") -> str: ...

    async def ask_all(self, commands: Sequence[str]) -> str: ...


class Ground(Protocol):
    """Raises Unavailable and OutcomeUnknown; where a newer fence was seen, StaleFence."""

    @property
    def layout(self) -> Layout:
        """Where everything is for HAProxy itself."""

    @property
    def sight(self) -> Asked:
        """For questions."""

    @property
    def hand(self) -> Asked:
        """For what changes something."""

    @property
    def master(self) -> Asked:
        """HAProxy's master process."""

    def prepare(self) -> None:
        """What HAProxy needs besides files. Raises Unavailable."""

    def begin(self, fences: Mapping[str, int]) -> None:
        """What follows is done under these fences, by the slugs of environments."""

    async def settle(self, fences: Mapping[str, int]) -> None:
        """HAProxy runs there, and has every file."""

    async def put(self) -> None:
        """Whatever file has changed is there."""

    async def lines(self, slug: str, *, since: float, until: float) -> list[Line]:
        """Of the access log."""

    async def cut_log(self, *, kept: int) -> None: ...

    async def waited_for(self, known: Iterable[EnvironmentId]) -> frozenset[EnvironmentId]:
        """Those for whom a request has waited since this was asked last."""

    async def forget(self, slug: str) -> None:
        """It is routed no more: who waited for it has got an answer."""


class OwnMachine:
    """The controller's: HAProxy reads the files where they are written, and the ledger beside them knows the fences."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.sight: Asked = Commands(lambda: contextlib.nullcontext(layout.command_socket))
        self.hand: Asked = self.sight
        self.master: Asked = Commands(lambda: contextlib.nullcontext(layout.master_socket))

    def prepare(self) -> None:
        for directory in (self.layout.run_directory, self.layout.access_log.parent, self.layout.waited_for):
            make_directory(directory)

    def begin(self, fences: Mapping[str, int]) -> None:
        """The ledger has compared them."""

    async def settle(self, fences: Mapping[str, int]) -> None:
        """A supervisor keeps it running."""

    async def put(self) -> None:
        """They are there."""

    async def lines(self, slug: str, *, since: float, until: float) -> list[Line]:
        return await asyncio.to_thread(read_lines, self.layout.access_log, slug, decode, since=since, until=until)

    async def cut_log(self, *, kept: int) -> None:
        await asyncio.to_thread(cut, self.layout.access_log, kept=kept)

    async def waited_for(self, known: Iterable[EnvironmentId]) -> frozenset[EnvironmentId]:
        return taken(self.layout.waited_for, known)

    async def forget(self, slug: str) -> None:
        forget(self.layout.waited_for, slug)


_: type[Ground] = OwnMachine
