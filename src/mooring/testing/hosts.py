"""Hosts that are not there: what each is like is said, and what is done to it is remembered. Must not: connect."""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec

from mooring.drivers.edge.contract import HostEdge
from mooring.drivers.host.contract import HostKeeper
from mooring.drivers.runtime.contract import Runtime
from mooring.engine.contract import Clock
from mooring.errors import NeedsPerson, Unavailable
from mooring.model.host import Bastion, Facts, Host, HostAddress, HostStep, closed_to_all_but
from mooring.model.names import HostId
from mooring.testing.edge import FakeEdge
from mooring.testing.runtime import FakeRuntime

GOOD = Facts(
    system="debian 13",
    architecture="x86_64",
    processors=2,
    memory=4_000_000_000,
    disk_free=50_000_000_000,
    user="root",
    home="/root",
    is_root=True,
    systemd=257,
    engine="1.45",
    has_python=True,
    haproxy="3.0.11",
    address="10.0.0.5",
    edge="10.0.0.1",
)


Hook = Callable[[str, str, str], None]


def a_host_key(seed: str) -> str:
    return "ssh-ed25519 " + base64.b64encode(f"key of {seed}".encode()).decode()


class FakeHosts:
    """`facts` by address, as each host is; who is not in it does not answer. `keys` what each shows, where it is not its own. `behind` by
    address the bastion without which it is not reached.

    `passed` is called before and after each effect and may raise: nothing has happened, or it has landed.
    """

    controller = "c0ffee"
    public_key = "ssh-ed25519 AAAA mooring"

    def __init__(self, clock: Clock) -> None:
        self.passed: Hook = lambda moment, name, host: None
        self.facts: dict[str, Facts] = {}
        self.keys: dict[str, str] = {}
        self.behind: dict[str, str] = {}
        self.done: list[tuple[HostId, HostStep]] = []
        self.undone: list[tuple[HostId, HostStep]] = []
        self.runtimes: dict[HostId, FakeRuntime] = {}
        self.edges: dict[HostId, FakeEdge] = {}
        self._clock = clock

    async def offered_key(self, address: HostAddress, *, bastion: Bastion | None = None) -> str:
        shown = self.keys.get(str(address), a_host_key(str(address)))
        if str(address) in self.behind.values():
            return shown
        if bastion is not None and await self.offered_key(bastion.address) != bastion.host_key:
            raise NeedsPerson("another host key than the pinned one is shown", where=str(bastion.address))
        self._found(address, by=str(bastion.address) if bastion else "")
        return shown

    async def survey(self, host: Host, *, now: float) -> Facts:
        await self._reached(host)
        return msgspec.structs.replace(self._found(host.address), asked_at=now, clock=self._found(host.address).clock + now)

    async def perform(self, host: Host, step: HostStep) -> None:
        await self._reached(host)
        self.passed("before", "perform", host.name)
        self.done.append((host.name, step))
        facts = self._found(host.address)
        match step:
            case HostStep.CLAIM:
                facts = msgspec.structs.replace(facts, owner=self.controller)
            case HostStep.LINGER:
                facts = msgspec.structs.replace(facts, is_lingering=True)
            case HostStep.ENGINE:
                facts = msgspec.structs.replace(facts, engine="1.41")
            case HostStep.FIREWALL:
                facts = msgspec.structs.replace(facts, firewall=closed_to_all_but(facts.edge, host.runtime))
            case HostStep.EDGE:
                facts = msgspec.structs.replace(facts, is_edge_up=True)
        self.facts[str(host.address)] = facts
        self.passed("after", "perform", host.name)

    async def undo(self, host: Host, step: HostStep) -> None:
        await self._reached(host)
        self.passed("before", "undo", host.name)
        self.undone.append((host.name, step))
        if step is HostStep.CLAIM:
            self.facts[str(host.address)] = msgspec.structs.replace(self._found(host.address), owner="")
        self.passed("after", "undo", host.name)

    def runtime(self, host: Host) -> Runtime:
        return self.runtimes.setdefault(host.name, FakeRuntime(self._clock, memory_budget=host.memory, room=10_000_000_000))

    def edge(self, host: Host) -> HostEdge:
        return self.edges.setdefault(host.name, FakeEdge(self._clock))

    async def close(self, host: Host) -> None:
        """There is no connection."""

    async def _reached(self, host: Host) -> None:
        if await self.offered_key(host.address, bastion=host.bastion) != host.host_key:
            raise NeedsPerson("another host key than the pinned one is shown", where=host.name)

    def _found(self, address: HostAddress, *, by: str | None = None) -> Facts:
        """`by`: the bastion that was gone through; None where that was seen to before."""
        is_out_of_reach = by is not None and self.behind.get(str(address), by) != by
        if is_out_of_reach or str(address) not in self.facts:
            raise Unavailable(f"{address} cannot be reached: no answer", where=address.host)
        return self.facts[str(address)]


_: type[HostKeeper] = FakeHosts
