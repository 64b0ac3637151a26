"""Tells what happens: stored first, then given to whoever follows. Must not: let a secret or a slow follower through.

Every text in an event goes through the redactor of its environment, so no caller can forget it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from mooring.engine.contract import Clock, Memory
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
        self._waiting: set[asyncio.Event] = set()

    def say(
        self, kind: EventKind, *, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None, **fields: object
    ) -> Event:
        """Store the event and wake the followers. Fields are JSON values."""
        cleaned = {name: self._clean(environment, value) for name, value in fields.items()}
        event = Event(at=self._clock.wall(), kind=kind, environment=environment, deployment=deployment, fields=cleaned)
        stored = self._memory.append_event(event)
        for waiting in self._waiting:
            waiting.set()
        return stored

    async def follow(
        self, *, after: int = 0, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None
    ) -> AsyncIterator[Event]:
        """Stored events after `after`, then new ones as they come; of a deployment: until it has ended."""
        news = asyncio.Event()
        self._waiting.add(news)
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
                    await news.wait()
        finally:
            self._waiting.discard(news)

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
