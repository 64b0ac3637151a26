"""Checks of the forge's own CI: what they say of a commit, and those that did not end well asked about again, since they can be run again.

Who asks less and less often, and at once when the forge or a person says that something changed, keeps old branches from costing much.
Must not: deploy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mooring.drivers.forge.contract import Forge
from mooring.engine.contract import Clock
from mooring.errors import MooringError
from mooring.model.forge import CheckState, ForgeLink, Hindered
from mooring.model.names import AppName
from mooring.store.memory import SqliteMemory

SOON, SELDOM = 60.0, 3600.0  # seconds between two questions about the checks of a commit: at first, and at last
UNSEEN = "-"  # stands for the commit of a branch of which nothing has begun yet
_ENDINGS = {
    CheckState.FAILED: "failed",
    CheckState.CANCELLED: "was cancelled",
    CheckState.STALE: "was given up by the forge",
    CheckState.ACTION_REQUIRED: "waits for somebody to act",
}


class Hindrance(msgspec.Struct, frozen=True, kw_only=True):
    """Why a commit is not deployed. `is_pending`: a check has not ended."""

    reason: str
    is_pending: bool = False


async def hindrance(forge: Forge, commit: str, checks: Sequence[str]) -> Hindrance | None:
    """None when every check has passed. Raises what the forge raises."""
    found = await forge.checks(commit) if checks else {}
    states = {name: found.get(name, CheckState.PENDING) for name in checks}
    for name, state in states.items():
        if state is CheckState.FAILED:
            return _ended(name, state)
    pending = next((name for name, state in states.items() if state is CheckState.PENDING), None)
    if pending is not None:
        return Hindrance(reason=f"waits for the check {pending}", is_pending=True)
    return next((_ended(name, state) for name, state in states.items() if state is not CheckState.PASSED), None)


class Rechecks:
    """Of one desk."""

    def __init__(self, memory: SqliteMemory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._next: dict[tuple[AppName, str], tuple[float, float]] = {}  # when it is asked about, in monotonic time; the pause before that
        self._urged: dict[AppName, set[str]] = {}  # commits

    def urge(self, app: AppName, commit: str) -> None:
        """The next look asks about this commit's checks, or all where it is empty."""
        self._urged.setdefault(app, set()).add(commit)

    async def look(self, link: ForgeLink, forge: Forge, heads: Mapping[str, str]) -> tuple[bool, list[MooringError]]:
        """A commit whose checks say otherwise by now counts as not seen, so that this look takes it up. Gives whether one has not ended."""
        urged, waits, failures = self._urged.pop(link.app, set()), False, list[MooringError]()
        for hindered in self._memory.forge_hindered(link.app):
            if not self._is_newest(hindered, heads):
                self._forget(hindered)
                continue
            is_urged = bool(urged & {"", hindered.commit})
            if not (is_urged or self._is_due(hindered)):
                continue
            try:
                found = await hindrance(forge, hindered.commit, hindered.checks)
            except MooringError as failure:
                failures.append(failure)
                if is_urged:
                    self.urge(link.app, hindered.commit)  # the next look asks again
                continue
            if found is not None and found.is_pending:
                self._next.pop((link.app, hindered.name), None)
                waits = True
            elif found is None or found.reason != hindered.reason:
                self._unsee(hindered)
        return waits, failures

    def _is_due(self, hindered: Hindered) -> bool:
        """Takes note that it is asked about, if so."""
        key, now = (hindered.app, hindered.name), self._clock.monotonic()
        at, pause = self._next.get(key, (now, SOON / 2))
        if now < at:
            return False
        self._next[key] = now + min(2 * pause, SELDOM), min(2 * pause, SELDOM)
        return True

    def _is_newest(self, hindered: Hindered, heads: Mapping[str, str]) -> bool:
        if not hindered.number:
            return heads.get(hindered.branch) == hindered.commit
        pull = self._memory.forge_pull(hindered.app, hindered.number)
        return pull is not None and pull.head == hindered.commit

    def _unsee(self, hindered: Hindered) -> None:
        """On record before it is forgotten what it waited for: what dies between is asked about again."""
        if not hindered.number:
            self._memory.save_forge_head(hindered.app, hindered.branch, UNSEEN)
        elif (pull := self._memory.forge_pull(hindered.app, hindered.number)) is not None:
            self._memory.save_forge_pull(msgspec.structs.replace(pull, head="", refusal=""))
        self._forget(hindered)

    def _forget(self, hindered: Hindered) -> None:
        self._next.pop((hindered.app, hindered.name), None)
        self._memory.forget_forge_hindered(hindered.app, hindered.name)


def _ended(name: str, state: CheckState) -> Hindrance:
    return Hindrance(reason=f"not deployed: the check {name} {_ENDINGS[state]}")
