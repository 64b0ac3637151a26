"""Tells what happens: stored first, then given to whoever follows. Must not: let a secret or a slow follower through.

Every text in an event goes through the redactor of its environment, so no caller can forget it. News that cannot be stored (a full
disk) are dropped and counted: the records say what counts, and nobody's work may end because it could not be told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from mooring.engine.contract import Clock, Memory
from mooring.errors import DriverError
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import DeploymentId

Redact = Callable[[EnvironmentId, str], str]
_PAGE = 500


class Announcer:
    def __init__(self, memory: Memory, clock: Clock, redact: Redact) -> None:
        self._memory = memory
        self._clock = clock
        self._redact = redact
        self._waiting: dict[asyncio.Event, None] = {}  # in the order they came
        self._dropped = 0

    def say(
        self, kind: EventKind, *, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None, **fields: object
    ) -> None:
        """Tell it, if it can be stored. Fields are JSON values."""
        try:
            self.record(kind, environment=environment, deployment=deployment, **fields)
            if self._dropped:
                message = f"{self._dropped} events could not be stored and are lost"
                self.record(EventKind.PLATFORM, message=message)
                self._dropped = 0
        except DriverError:
            self._dropped += 1

    def record(
        self, kind: EventKind, *, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None, **fields: object
    ) -> None:
        """Store the event and wake the followers: for news that must not be lost. Raises Unavailable."""
        cleaned = {name: self._clean(environment, value) for name, value in fields.items()}
        event = Event(at=self._clock.wall(), kind=kind, environment=environment, deployment=deployment, fields=cleaned)
        self._memory.append_event(event)
        for waiting in self._waiting:
            waiting.set()

    async def follow(
        self, *, after: int = 0, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None
    ) -> AsyncIterator[Event]:
        """Stored events after `after`, then new ones as they come; of a deployment: until it has ended, or at once if it has."""
        news = asyncio.Event()
        self._waiting[news] = None
        try:
            while True:
                news.clear()
                page = self._memory.events(after=after, environment=environment, deployment=deployment, limit=_PAGE)
                for event in page:
                    after = event.sequence
                    yield event
                    if deployment is not None and event.kind is EventKind.DEPLOYMENT_ENDED:
                        return
                if not page:
                    if deployment is not None and self.has_told_the_end(deployment):
                        return
                    await news.wait()
        finally:
            self._waiting.pop(news, None)

    def has_told_the_end(self, deployment: DeploymentId) -> bool:
        """Of a deployment that has ended, or is not known (any more): nothing will come. What is so old that no event is left was told."""
        record = self._memory.deployment(deployment)
        if record is None or record.outcome is None:
            return record is None
        events = list(self._all(deployment))
        return not events or any(event.kind is EventKind.DEPLOYMENT_ENDED for event in events)

    def _all(self, deployment: DeploymentId) -> Iterator[Event]:
        after = 0
        while page := self._memory.events(after=after, deployment=deployment, limit=_PAGE):
            yield from page
            after = page[-1].sequence

    def _clean(self, environment: EnvironmentId | None, value: object) -> object:
        if environment is None:
            return value
        if isinstance(value, str):
            return self._redact(environment, value)
        if isinstance(value, dict):
            return {key: self._clean(environment, inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(environment, inner) for inner in value]
        return value
