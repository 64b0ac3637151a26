"""Keeps the life of review apps: asks the planner from time to time, warns of an end, has torn down what has to go, until it is gone.

What was begun is on record first (the mark says why it leaves), so that a controller that dies over it leaves something to be gone on
with, and nothing behind. Must not: decide, or bring one up.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import Protocol

import msgspec

from mooring.engine.orders import DestroyOrder, Order
from mooring.engine.parts import Parts
from mooring.errors import MooringError
from mooring.model.deployment import Deployment, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.records import Answering
from mooring.model.review import ReviewMark, ReviewSettings
from mooring.planner.review import BringUp, ReviewApp, TearDown, Warn, plan, review_apps

BY = "mooring"  # who asks for it
_LOOK_EVERY = 5.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 600.0  # seconds between two tries of a tear-down that does not succeed


class Submit(Protocol):
    """Queues an order for an environment. Raises what the controller raises."""

    def __call__(self, environment: EnvironmentId, order: Order, *, by: str, answering: Answering | None = None) -> Deployment: ...


class ReviewKeeper:
    """One per controller."""

    def __init__(self, parts: Parts, submit: Submit) -> None:
        self._parts = parts
        self._submit = submit
        self._pauses: dict[EnvironmentId, tuple[float, float]] = {}  # monotonic time of the next try, and the pause after it
        self._told: dict[EnvironmentId, str] = {}

    async def run(self) -> None:
        """Until cancelled. What goes wrong is told, and tried again."""
        while True:
            try:
                self.turn()
            except Exception as error:
                message = "".join(traceback.format_exception(error)[-3:])
                self._parts.announcer.say(EventKind.PLATFORM, message=f"review apps could not be looked after: {message}")
            await self._parts.clock.sleep(_LOOK_EVERY)

    def turn(self) -> None:
        """One look at all of them. Raises Unavailable."""
        records = [record for record in self._parts.memory.environments() if record.review is not None]
        known = {record.environment for record in records}
        self._pauses = {environment: pause for environment, pause in self._pauses.items() if environment in known}
        self._told = {environment: message for environment, message in self._told.items() if environment in known}
        for app in sorted({record.environment.app for record in records}):
            apps = review_apps(records, app)
            for act in plan(app, _settings(apps), apps, {}, is_complete=False, now=self._parts.clock.wall()):
                match act:
                    case TearDown(environment=environment, reason=reason):
                        self._tear_down(environment, reason)
                    case Warn(environment=environment, reason=reason):
                        self._warn(environment, reason)
                    case BringUp():
                        raise AssertionError("no branch was asked for")

    def tear_down(self, environment: EnvironmentId, reason: str, *, by: str, answering: Answering | None = None) -> Deployment:
        """Its destruction, services and all, on record from now on. Raises what the controller raises, and then it is tried again."""
        self._mark(environment, leaving=reason)
        return self._submit(environment, DestroyOrder(services=True), by=by, answering=answering)

    def is_going(self, environment: EnvironmentId) -> bool:
        """Whether its destruction waits or is under way."""
        unfinished = self._parts.memory.unfinished_deployments()
        return any(each.environment == environment and each.trigger is Trigger.DESTROY for each in unfinished)

    def _tear_down(self, environment: EnvironmentId, reason: str) -> None:
        now = self._parts.clock.monotonic()
        next_try, pause = self._pauses.get(environment, (now, _FIRST_PAUSE))
        if now < next_try or self.is_going(environment):
            return
        self._pauses[environment] = now + pause, min(_LONGEST_PAUSE, 2 * pause)
        try:
            self.tear_down(environment, reason, by=BY)
        except MooringError as error:
            if self._told.get(environment) != error.message:
                self._told[environment] = error.message
                self._say(environment, f"it is to go, since {reason}, but: {error}")
        else:
            self._say(environment, f"its review app goes: {reason}")

    def _warn(self, environment: EnvironmentId, reason: str) -> None:
        self._mark(environment, is_warned=True)
        self._say(environment, reason)

    def _mark(self, environment: EnvironmentId, **changes: object) -> None:
        record = self._parts.memory.environment(environment)
        if record is not None and record.review is not None:
            mark = msgspec.structs.replace(record.review, **changes)
            self._parts.memory.save_environment(msgspec.structs.replace(record, review=mark))

    def _say(self, environment: EnvironmentId, message: str) -> None:
        self._parts.announcer.say(EventKind.ENVIRONMENT_CHANGED, environment=environment, what="review", message=message)


def _settings(apps: Iterable[ReviewApp]) -> ReviewSettings:
    """Those of the one that was of use last: what the app's files said newest."""
    return max((each.mark for each in apps), key=lambda mark: mark.used_at, default=ReviewMark(branch="", used_at=0, expires_at=0)).settings
