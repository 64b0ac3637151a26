"""Keeps the life of review apps: asks the planner from time to time, warns of an end, has torn down what has to go, until it is gone.

What was begun is on record first (the mark says why it leaves), so that a controller that dies over it leaves something to be gone on
with, and nothing behind. Must not: decide, or bring one up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import msgspec

from mooring.engine.defect import traced
from mooring.engine.fit import check_room
from mooring.engine.line import Line
from mooring.engine.orders import DestroyOrder, Order
from mooring.engine.parts import Parts
from mooring.engine.room import held_by, make_room, move_sleepers
from mooring.engine.waits import note_waiting
from mooring.errors import CapacityExceeded, MooringError
from mooring.model.capacity import Need
from mooring.model.deployment import Deployment, Phase, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.names import HostId
from mooring.model.records import Answering, EnvironmentRecord
from mooring.model.review import ReviewMark, ReviewSettings, idle_since
from mooring.planner.goal import Wanted
from mooring.planner.review import BringUp, ReviewApp, Sleep, TearDown, Warn, plan, review_apps

BY = "mooring"  # who asks for it
_LOOK_EVERY = 5.0  # seconds
_WATCH_EVERY = 0.05  # seconds between two looks whether a request waits, while something sleeps
_REST_EVERY = 0.5  # seconds between two looks whether something sleeps
_VISITOR_GONE = 30.0  # seconds after the last look for room for one that nobody waits for
_ROOM_EVERY = 2.0  # seconds between two looks for room for one that somebody waits for
_NOT_UP_YET = (Phase.CHECK, Phase.BUILD, Phase.RELEASE)  # phases of a deployment in which nothing of its release runs
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 600.0  # seconds between two tries of a tear-down that does not succeed


class Submit(Protocol):
    """Queues an order for an environment. Raises what the controller raises."""

    def __call__(self, environment: EnvironmentId, order: Order, *, by: str, answering: Answering | None = None) -> Deployment: ...


class ReviewKeeper:
    """One per controller. `ring` has an environment looked at again at once."""

    def __init__(self, parts: Parts, submit: Submit, ring: Callable[[EnvironmentId], None]) -> None:
        self._parts = parts
        self._ring = ring
        self._asleep: set[EnvironmentId] = set()
        self._woken: dict[EnvironmentId, float] = {}  # until when somebody may wait for it, monotonic time
        self._submit = submit
        self._pauses: dict[EnvironmentId, tuple[float, float]] = {}  # monotonic time of the next try, and the pause after it
        self._told: dict[EnvironmentId, str] = {}
        self._line = Line(parts)
        self._room_at: dict[EnvironmentId, float] = {}  # monotonic time of the next look for room

    async def run(self) -> None:
        """Until cancelled. What goes wrong is told, and tried again."""
        trouble = ""
        while True:
            try:
                await self._note_visits()
                self.turn()
                trouble = ""
            except MooringError as error:  # what cannot be seen is not known to be idle
                if str(error) != trouble:
                    trouble = str(error)
                    self._parts.announcer.say(EventKind.PLATFORM, message=f"review apps cannot be looked after: {trouble}")
            except Exception as error:
                self._parts.announcer.say(EventKind.PLATFORM, message=f"review apps could not be looked after: {traced(error)}")
            await self._parts.clock.sleep(_LOOK_EVERY)

    async def watch(self) -> None:
        """Until cancelled: wakes what a request waits for. What goes wrong is told, and tried again."""
        while True:
            is_asleep = bool(self._asleep) or any(map(self._is_waking, self._woken))
            try:
                if is_asleep:
                    for environment in await self._parts.edge.waited_for():
                        self._note_visitor(environment)
                        self.wake(environment)
                        await self._seek_room(environment)
            except MooringError as error:
                self._parts.announcer.say(EventKind.PLATFORM, message=f"it is not known who waits for a review app that sleeps: {error}")
                await self._parts.clock.sleep(_LOOK_EVERY)
            except Exception as error:
                self._parts.announcer.say(EventKind.PLATFORM, message=f"nobody who waits for a review app could be heard: {traced(error)}")
                await self._parts.clock.sleep(_LOOK_EVERY)
            await self._parts.clock.sleep(_WATCH_EVERY if is_asleep else _REST_EVERY)

    def wake(self, environment: EnvironmentId) -> None:
        """Where it sleeps and has room, it is to run again; while a deployment brings up another release, or one that would then have no
        room, that is waited for. Raises Unavailable."""
        record = self._parts.memory.environment(environment)
        if record is None or not self._may_wake(record):
            return
        if lack := self._lack(environment):
            self._room_at.setdefault(environment, self._parts.clock.monotonic())
            self._note_waiting(environment, lack, need=record.review.need if record.review else None)  # a deployment's, if any
            return
        note_waiting(self._parts, environment, "")
        self._parts.mark_review(environment, is_asleep=False, seen_at=self._parts.clock.wall())
        self._asleep.discard(environment)
        self._woken[environment] = self._parts.clock.monotonic() + self._patience(environment)
        self._say(environment, "somebody is there: it wakes")
        self._ring(environment)

    async def make_room(self, wanted: Wanted, before: Wanted | None) -> str:
        """Empty where there is room for a review app now and it is its turn, else why not; idle ones sleep for it. Raises Unavailable."""
        self._line.ask(wanted, before)
        held = self.held_room(wanted.release.environment)
        return held_by(held, wanted) or await make_room(self._parts, wanted, before, sleep=self._put_to_sleep)

    def held_room(self, environment: EnvironmentId) -> dict[HostId, EnvironmentId]:
        """Hosts on which another that has waited for longer goes first. Raises Unavailable."""
        return self._line.held(environment)

    def move_away(self, host: HostId) -> None:
        """Whatever sleeps there wakes elsewhere. Raises as `move_sleepers`."""
        move_sleepers(self._parts, host)

    def _may_wake(self, record: EnvironmentRecord) -> bool:
        """Whether what it ran last may be started again: not once its next release comes up, nor where that would have no room then."""
        environment, under_way = record.environment, self._parts.unfinished(record.environment)
        if not record.is_asleep or self.is_going(environment):
            return False
        coming = next((each for each in under_way if each.target is not None), None)
        if coming is not None:
            return coming.phase in _NOT_UP_YET and self._leaves_room(environment, self._parts.known(environment, coming.target))
        is_waiting = record.review is not None and bool(record.review.waiting)
        return not under_way or is_waiting or self._leaves_room(environment, None)

    def _leaves_room(self, environment: EnvironmentId, target: Wanted | None) -> bool:
        """Whether what is to run next has room beside what ran last; as long as it is not known, as if it were as large."""
        wanted = self._parts.wanted(environment)
        if wanted is None:
            return True
        beside = target or msgspec.structs.replace(wanted, generation=wanted.generation + 1)
        try:
            check_room(self._parts, beside, wanted, is_awake=True)
        except CapacityExceeded:
            return False
        return True

    def _note_visitor(self, environment: EnvironmentId) -> None:
        """While somebody waits for one that is awake and not ready yet, it does not sleep for another."""
        record, now = self._parts.memory.environment(environment), self._parts.clock.wall()
        if record is not None and record.review is not None and not record.is_asleep and now >= record.review.seen_at + _LOOK_EVERY:
            self._parts.mark_review(environment, seen_at=now)

    async def _seek_room(self, environment: EnvironmentId) -> None:
        """For one that is waited for and could not wake."""
        record, now = self._parts.memory.environment(environment), self._parts.clock.monotonic()
        wanted = self._parts.wanted(environment)
        if record is None or not self._may_wake(record) or wanted is None or now < self._room_at.get(environment, now):
            return
        self._room_at[environment] = now + _ROOM_EVERY
        if not await self.make_room(wanted, None):
            self.wake(environment)

    def _forget_visitors(self, busy: Collection[EnvironmentId]) -> None:
        """Who waited until there is room has gone; a deployment that waits says so itself, and they are forgotten when it has ended."""
        now = self._parts.clock.monotonic()
        for environment in [each for each, at in self._room_at.items() if now > at + _VISITOR_GONE and each not in busy]:
            del self._room_at[environment]
            self._note_waiting(environment, "")

    def _note_waiting(self, environment: EnvironmentId, why: str, *, need: Need | None = None) -> None:
        """What visitors are shown says it too."""
        record = self._parts.memory.environment(environment)
        is_news = record is not None and record.review is not None and bool(record.review.waiting) != bool(why)
        note_waiting(self._parts, environment, why, need=need)
        if is_news:
            self._ring(environment)

    def _lack(self, environment: EnvironmentId) -> str:
        """Why what it is to run does not fit its hosts; empty where it does."""
        wanted = self._parts.wanted(environment)
        try:
            if wanted is not None:
                check_room(self._parts, wanted, None)
        except CapacityExceeded as error:
            return error.message
        return held_by(self.held_room(environment), wanted) if wanted is not None else ""

    def _put_to_sleep(self, environment: EnvironmentId, reason: str) -> None:
        self._parts.mark_review(environment, is_asleep=True)
        self._asleep.add(environment)
        self._say(environment, f"it goes to sleep: {reason}")
        self._ring(environment)

    def turn(self) -> None:
        """One look at all of them. Raises Unavailable."""
        records = [record for record in self._parts.memory.environments() if record.review is not None]
        known = {record.environment for record in records}
        self._woken = {environment: at for environment, at in self._woken.items() if environment in known and self._is_waking(environment)}
        self._pauses = {environment: pause for environment, pause in self._pauses.items() if environment in known}
        self._told = {environment: message for environment, message in self._told.items() if environment in known}
        self._asleep = {record.environment for record in records if record.is_asleep}
        busy = {each.environment for each in self._parts.memory.unfinished_deployments()}
        self._forget_visitors(busy)
        for app in sorted({record.environment.app for record in records}):
            apps = review_apps(records, app, busy=busy)
            for act in plan(app, _settings(apps), apps, {}, is_complete=False, now=self._parts.clock.wall()):
                match act:
                    case TearDown(environment=environment, reason=reason):
                        self._tear_down(environment, reason)
                    case Warn(environment=environment, reason=reason):
                        self._warn(environment, reason)
                    case Sleep(environment=environment, reason=reason):
                        self._put_to_sleep(environment, reason)
                    case BringUp():
                        raise AssertionError("no branch was asked for")

    def tear_down(self, environment: EnvironmentId, reason: str, *, by: str, answering: Answering | None = None) -> Deployment:
        """Its destruction, services and all, on record from now on. Raises what the controller raises, and then it is tried again."""
        self._parts.mark_review(environment, leaving=reason)
        return self._submit(environment, DestroyOrder(services=True), by=by, answering=answering)

    def is_going(self, environment: EnvironmentId) -> bool:
        """Whether its destruction waits or is under way."""
        return bool(self._parts.unfinished(environment, trigger=Trigger.DESTROY))

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

    async def _note_visits(self) -> None:
        """Of those whose time to sleep has come: when somebody was there last, by the edge's own word. Raises Unavailable."""
        now, waiting = self._parts.clock.wall(), frozenset[EnvironmentId]()
        for record in self._parts.memory.environments():
            mark = record.review
            if mark is None or mark.is_asleep or not mark.settings.sleep or now < idle_since(mark) + mark.settings.sleep:
                continue
            waiting |= frozenset() if self._asleep else await self._parts.edge.waited_for()
            since = idle_since(mark)
            traffic = await self._parts.edge.traffic(record.environment, since=since, until=now)
            flying = [each for each in await self._parts.edge.observe(record.environment) if each.in_flight or each.streams]
            is_wanted = flying or record.environment in waiting or self._is_waking(record.environment)
            if is_wanted or traffic.last_at > since:
                self._parts.mark_review(record.environment, seen_at=now if is_wanted else traffic.last_at)

    def _is_waking(self, environment: EnvironmentId) -> bool:
        """Whether somebody may still wait for it since it was woken."""
        return self._parts.clock.monotonic() < self._woken.get(environment, float("-inf"))

    def _patience(self, environment: EnvironmentId) -> float:
        """Seconds that a visitor waits for it."""
        wanted = self._parts.wanted(environment)
        return wanted.release.policy.wakes_within if wanted is not None else 0.0

    def _warn(self, environment: EnvironmentId, reason: str) -> None:
        self._parts.mark_review(environment, is_warned=True)
        self._say(environment, reason)

    def _say(self, environment: EnvironmentId, message: str) -> None:
        self._parts.announcer.say(EventKind.ENVIRONMENT_CHANGED, environment=environment, what="review", message=message)


def _settings(apps: Iterable[ReviewApp]) -> ReviewSettings:
    """Those of the one that was of use last: what the app's files said newest."""
    return max((each.mark for each in apps), key=lambda mark: mark.used_at, default=ReviewMark(branch="", used_at=0, expires_at=0)).settings
