"""The same request sent twice is done once: by its idempotency key, within one process and over restarts. Must not: remember failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.usecases.platform import Platform

LONGEST_KEY = 128


class Once:
    """Answers are kept in the memory; requests with the same key that come at the same time wait for each other."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._busy: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    async def answer(self, key: str, act: Callable[[], Awaitable[bytes]], *, actor: Actor, route: str, digest: str) -> tuple[bytes, bool]:
        """What `act` gives, or gave the first time; and whether it was done now. `digest` is of all that was asked.

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
            given = await act()
            return memory.remember_answer(key, scope=scope, digest=digest, answer=given, at=self._platform.clock.wall()), True

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
