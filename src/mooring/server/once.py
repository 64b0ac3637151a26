"""The same request sent twice is done once: by its idempotency key, within one process and over restarts, whenever it was killed.

What orders a deployment stores its answer together with the order; any other answer is stored when it is given.
Must not: remember failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.records import Answer, Answering
from mooring.usecases.platform import Platform

LONGEST_KEY = 128


class Once:
    """Answers are kept in the memory; requests with the same key that come at the same time wait for each other."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._busy: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    async def answer(
        self, key: str, act: Callable[[Answering], Awaitable[object]], *, actor: Actor, route: str, digest: str
    ) -> tuple[bytes, bool]:
        """What `act` gives as JSON, or gave the first time; and whether it was done now. `digest` is of all that was asked.

        Raises Refused when the key came with something else before."""
        if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
            raise InvalidInput(
                "the Idempotency-Key is not usable", hint=f"1 to {LONGEST_KEY} printable ASCII characters, new for each new request"
            )
        scope = f"{actor.name} {route}"
        memory = self._platform.memory
        async with self._turn(scope, key):
            known = memory.answer(key, scope=scope, digest=digest)
            if known is not None:
                return known, False

            def answering(value: object) -> Answer:
                at = self._platform.clock.wall()
                return Answer(scope=scope, key=key, digest=digest, content=msgspec.json.encode(value), at=at)

            given = await act(answering)
            stored = memory.answer(key, scope=scope, digest=digest)  # with the order: then nothing needs to be written, which could fail
            return stored or memory.remember_answer(answering(given)), True

    @asynccontextmanager
    async def _turn(self, scope: str, key: str) -> AsyncIterator[None]:
        lock, waiting = self._busy.get((scope, key), (asyncio.Lock(), 0))
        self._busy[scope, key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._busy[scope, key]
            if waiting == 1:
                del self._busy[scope, key]
            else:
                self._busy[scope, key] = (lock, waiting - 1)
