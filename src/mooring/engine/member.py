"""One host as the fleet knows it: what is known of what runs there, what was done since, and whether it answers. Must not: act on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from mooring.drivers.runtime.contract import Connected, Runtime
from mooring.engine.distant import Distant
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import LOCAL, HostId

SILENT = 5.0  # seconds after which a host that has not answered a look is taken for away


@dataclass
class Member(Distant[tuple[InstanceView, ...]]):
    """`changed`: instances that were changed since it was looked at, or may have been. All keys are without their host."""

    runtime: Runtime = field(kw_only=True)
    tasks: set[tuple[EnvironmentId, str]] = field(default_factory=set)
    changed: set[InstanceKey] = field(default_factory=set)

    async def ask(self) -> tuple[InstanceView, ...]:
        return await self.runtime.observe()

    def note(self, seen: tuple[InstanceView, ...], began: float, *, is_newest: bool) -> None:
        """Also an older look is believed: what was changed since is told as such."""
        self.believe(seen, began)
        if is_newest:
            self.changed.clear()

    def trouble(self) -> str:
        """Why it is taken for away, or nothing."""
        silent_for = self.clock.monotonic() - self.asked_at
        return self.error or (f"no answer for {silent_for:.0f} s" if self.is_asked and silent_for > SILENT else "")

    def known(self) -> tuple[InstanceView, ...]:
        """What is known of its instances, with their host."""
        views = {view.key: view for view in self.views or ()}
        views |= {key: InstanceView(key=key, state=ProcessState.UNKNOWN) for key in self.changed - views.keys()}
        told = (_doubted(view) if key in self.changed else view for key, view in sorted(views.items()))
        return tuple(with_host(view, self.name) for view in told)


async def let_go(member: Member) -> None:
    """The look at it ends, and whatever its runtime holds: connections, and tasks that listen to them."""
    await asyncio.gather(*member.unwatch(), return_exceptions=True)
    if isinstance(member.runtime, Connected):
        await member.runtime.close()


def without_host(key: InstanceKey) -> InstanceKey:
    return key if key.host == LOCAL else msgspec.structs.replace(key, host=LOCAL)


def _doubted(view: InstanceView) -> InstanceView:
    """It ran when it was last seen, and was told to stop since, or to begin anew."""
    is_there = view.state is not ProcessState.UNKNOWN
    return msgspec.structs.replace(view, state=ProcessState.STOPPING) if is_there else view


def with_host(view: InstanceView, host: HostId) -> InstanceView:
    return msgspec.structs.replace(view, key=msgspec.structs.replace(view.key, host=host))
