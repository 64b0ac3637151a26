"""The orders of one environment that wait for their turn: oldest first, newer ones of the same kind in place of older ones.

Ends of those that never begin are written down at once, or as soon as the disk allows. Must not: begin anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from mooring.engine.ending import Ending
from mooring.engine.fulfilment import BEFORE_ROLLOUT
from mooring.engine.orders import ConfigOrder, DeployOrder, DestroyOrder, Order, decode_order
from mooring.engine.parts import Parts
from mooring.errors import Aborted, DriverError
from mooring.model.deployment import Deployment, Outcome
from mooring.model.names import DeploymentId


class _Entry(NamedTuple):
    deployment: Deployment
    order: Order | None
    asked_at: float | None


class Waiting:
    """`unfinished`: what an earlier controller left, oldest first; what it had begun to roll out is first and cannot be superseded."""

    def __init__(self, parts: Parts, unfinished: tuple[Deployment, ...]) -> None:
        self._parts = parts
        self._entries: deque[_Entry] = deque()
        self._endings: deque[Callable[[], None]] = deque()
        for deployment in sorted(unfinished, key=lambda each: (each.phase in BEFORE_ROLLOUT, each.number)):
            self._add(_Entry(deployment, _order_of(deployment), None))

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, deployment: Deployment, order: Order) -> None:
        self._add(_Entry(deployment, order, self._parts.clock.monotonic()))

    def newer(self, deployment: Deployment) -> Deployment | None:
        """One that waits and takes the place of this one, which is under way, for as long as nothing of it is rolled out."""
        order = _order_of(deployment)
        return next((entry.deployment for entry in self._entries if _supersedes(entry.order, order)), None)

    def withdraw(self, deployment: DeploymentId, reason: Aborted) -> bool:
        """Whether it waited."""
        entry = next((entry for entry in self._entries if entry.deployment.id == deployment), None)
        if entry is None:
            return False
        self._entries.remove(entry)
        self._write(partial(Ending(self._parts, entry.deployment).refused, reason, Outcome.ABORTED))
        return True

    def next(self) -> tuple[Deployment, float | None] | None:
        """The oldest, and the monotonic time of its request where this controller took it."""
        if not self._entries:
            return None
        entry = self._entries.popleft()
        return entry.deployment, entry.asked_at

    def write_endings(self) -> None:
        """Those that could not be written before."""
        while self._endings:
            try:
                self._endings[0]()
            except DriverError:
                return
            self._endings.popleft()

    def _add(self, entry: _Entry) -> None:
        for older in [each for each in self._entries if _supersedes(entry.order, each.order)]:
            self._entries.remove(older)
            self._write(partial(Ending(self._parts, older.deployment).superseded, by=entry.deployment))
        self._entries.append(entry)

    def _write(self, ending: Callable[[], None]) -> None:
        self._endings.append(ending)
        self.write_endings()


def _order_of(deployment: Deployment) -> Order | None:
    """None: it is under way, or cannot be read; either way it is nothing that another takes the place of."""
    if deployment.phase not in BEFORE_ROLLOUT:
        return None
    try:
        return decode_order(deployment.order)
    except msgspec.MsgspecError:
        return None


def _supersedes(order: Order | None, waiting: Order | None) -> bool:
    """A later snapshot of config holds the earlier; a later push replaces one that waits; all else is done in turn."""
    if order is None or waiting is None:
        return False
    if isinstance(order, DestroyOrder):
        return True
    return isinstance(order, (DeployOrder, ConfigOrder)) and type(order) is type(waiting)
