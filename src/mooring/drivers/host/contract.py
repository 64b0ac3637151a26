"""What it takes to look after hosts: see who answers, find out what is there, prepare it, and get a runtime for it.

Promises:
  - `offered_key` trusts nobody and says nothing to the host; every other call is made only to the host with the pinned key.
  - `survey` changes nothing. `perform` of a step that is done already changes nothing, and so does `undo` of one that is not.
Raises Unavailable, OutcomeUnknown, NeedsPerson (another host key than the pinned one), never a foreign error.
"""

from __future__ import annotations

from typing import Protocol

from mooring.drivers.edge.contract import HostEdge
from mooring.drivers.runtime.contract import Runtime
from mooring.model.host import Bastion, Facts, Host, HostAddress, HostStep


class HostKeeper(Protocol):
    """Of all hosts of one controller."""

    @property
    def controller(self) -> str:
        """Who this controller is, in what it leaves on hosts."""

    @property
    def public_key(self) -> str:
        """The line for an account's authorized_keys."""

    async def offered_key(self, address: HostAddress, *, bastion: Bastion | None = None) -> str:
        """The key that whoever answers there shows, as `ssh-keyscan` writes it; asked for through the bastion, which has to be pinned."""

    async def survey(self, host: Host, *, now: float) -> Facts: ...

    async def perform(self, host: Host, step: HostStep) -> None: ...

    async def undo(self, host: Host, step: HostStep) -> None: ...

    def runtime(self, host: Host) -> Runtime:
        """A new one, not connected yet."""

    def edge(self, host: Host) -> HostEdge:
        """A new one, not connected yet, of a host that carries one."""

    async def close(self, host: Host) -> None:
        """Its connection, if there is one."""
