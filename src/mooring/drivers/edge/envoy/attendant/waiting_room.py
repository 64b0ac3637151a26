"""Holds a request until an instance of its route accepts connections, or until its time is up. Must not: pass requests on itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from mooring.drivers.edge.pages import BUSY, PAGES, Message
from mooring.model.routing import Endpoint, EndpointState, Page, RouteTable

SOONEST, LATEST = 0.02, 0.05  # seconds between two looks for an instance of one route
LOOK = 0.002  # the same for each route that is waited for, so that many cost no more than a few
NOTED_EVERY = 1.0  # seconds: a word that was lost is said again
CONNECT_WITHIN = 1.0

ReadTable = Callable[[str], RouteTable | None]


class _Door(msgspec.Struct):
    """Those who wait for one route look together."""

    looking: asyncio.Task[None]
    waiting: int = 0


class WaitingRoom:
    """`read_table` gives an environment's present table by its slug; `most` bounds the requests that wait at one time.

    `note` is told the slug of each that is waited for.
    """

    def __init__(self, read_table: ReadTable, *, most: int, note: Callable[[str], None]) -> None:
        self._read_table = read_table
        self._note = note
        self._most = most
        self._doors: dict[str, _Door] = {}
        self._held = 0

    async def wait(self, route: str, *, is_browser: bool = False) -> Message | None:
        """None: an instance is there, the request may be sent again. Else what the person is told."""
        if await self._is_settled(route):
            return self._refusal(route)
        self._note(_slug(route))
        if self._held >= self._most:
            return BUSY
        table = self._read_table(_slug(route))
        self._held += 1
        try:
            await asyncio.wait_for(self._opened(route), _patience(table, is_browser=is_browser))
        except TimeoutError:
            return self._page(route)
        finally:
            self._held -= 1
        return self._refusal(route)

    async def _opened(self, route: str) -> None:
        door = self._doors.get(route)
        if door is None or door.looking.done():
            door = self._doors[route] = _Door(looking=asyncio.create_task(self._look(route)))
        door.waiting += 1
        try:
            await asyncio.shield(door.looking)
        finally:
            door.waiting -= 1
            if not door.waiting:
                door.looking.cancel()
                if self._doors.get(route) is door:
                    del self._doors[route]

    async def _look(self, route: str) -> None:
        waited = 0.0
        while not await self._is_settled(route):
            pause = max(SOONEST, min(LATEST, LOOK * len(self._doors)))
            await asyncio.sleep(pause)
            waited += pause
            if waited >= NOTED_EVERY:
                self._note(_slug(route))
                waited = 0.0

    async def _is_settled(self, route: str) -> bool:
        """Whether waiting has an end: an instance accepts, or nothing is routed there any more."""
        table = self._read_table(_slug(route))
        if table is None or table.is_maintenance:
            return True
        return await _first_accepting(_active(table, route))

    def _refusal(self, route: str) -> Message | None:
        table = self._read_table(_slug(route))
        if table is None:
            return PAGES[Page.NO_SUCH_APP]
        return PAGES[Page.MAINTENANCE] if table.is_maintenance else None

    def _page(self, route: str) -> Message:
        table = self._read_table(_slug(route))
        return PAGES[table.page] if table else PAGES[Page.NO_SUCH_APP]


def _patience(table: RouteTable | None, *, is_browser: bool) -> float:
    """Seconds. Of an app that sleeps a browser is shown the page at once, which loads again by itself."""
    if table is None:
        return 0
    if not table.is_asleep:
        return table.hold
    return 0 if is_browser else max(table.hold, table.wakes_within)


def _slug(route: str) -> str:
    return route.partition("/")[0]


def _active(table: RouteTable, route: str) -> list[Endpoint]:
    process = route.partition("/")[2]
    routes = (each for each in table.routes if each.process == process)
    return [endpoint for each in routes for endpoint in each.endpoints if endpoint.state is EndpointState.ACTIVE]


async def _first_accepting(endpoints: list[Endpoint]) -> bool:
    for endpoint in endpoints:
        if await _accepts(endpoint):
            return True
    return False


async def _accepts(endpoint: Endpoint) -> bool:
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            _, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
