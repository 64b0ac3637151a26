"""What the runtime `docker` makes of what an engine tells in pieces, here one that a test plays: for whoever has none."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from aiohttp import web

from mooring.drivers.runtime.docker import watching
from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.watching import Watcher
from mooring.drivers.transport.local import LocalTransport

_HOUR = 3600.0
_PATIENCE = 15.0  # seconds


class Played:
    """Podman's service, as far as it is asked here: tells all events so far to whoever asks for them, and those that come."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.tellings: list[web.StreamResponse] = []
        self._ended = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        match PurePosixPath(request.path).name:
            case "version":
                return web.json_response({"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]})
            case "info":
                return web.json_response({"SystemTime": datetime.now(UTC).isoformat().replace("+00:00", "Z")})
            case "events":
                return await self._tell(request)
        return web.HTTPNotFound()

    async def die(self, container: str, *, ago: float) -> None:
        """`ago` seconds before now, on a clock of the engine's own that goes as the one here."""
        actor = {"ID": container, "Attributes": {"exitCode": "1"}}
        event = {"Action": "die", "Actor": actor, "timeNano": int((time.time() - ago) * 1e9)}
        self.events.append(json.dumps(event).encode() + b"\n")
        for telling in self.tellings:
            await telling.write(self.events[-1])

    def break_off(self) -> None:
        self._ended.set()

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        telling = web.StreamResponse()
        await telling.prepare(request)
        await telling.write(b"".join(self.events))
        self.tellings.append(telling)
        self._ended.clear()
        await self._ended.wait()
        self.tellings.remove(telling)
        return telling


@pytest.fixture
async def played() -> Played:
    return Played()


@pytest.fixture
async def engine(played: Played, tmp_path: Path) -> AsyncIterator[Engine]:
    async with _served(played, tmp_path / "engine") as socket:
        engine = Engine(LocalTransport(), PurePosixPath(socket))
        yield engine
        await engine.close()


@asynccontextmanager
async def _served(played: Played, socket: Path) -> AsyncIterator[Path]:
    runner = web.ServerRunner(web.Server(played.answer))
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield socket
    finally:
        played.break_off()
        await runner.cleanup()


@pytest.fixture
async def watcher(engine: Engine) -> AsyncIterator[Watcher]:
    watcher = Watcher(engine, "c1")
    yield watcher
    await watcher.close()


class TestDeaths:
    async def test_those_of_long_ago_that_are_told_again_are_no_trouble_now(self, played: Played, watcher: Watcher) -> None:
        for day in (4, 3, 2, 1):
            await played.die("slow", ago=day * 24 * _HOUR)
        for second in (4, 3, 2, 1):
            await played.die("quick", ago=_HOUR + second)
        await watcher.begin()
        await _heard(watcher, slow=4, quick=4)
        assert not watcher.dies_often("slow"), "each time it had lived for a day"
        assert not watcher.dies_often("quick"), "it has lived for an hour since"

    async def test_one_that_dies_again_and_again_is_in_trouble_whoever_begins_to_look(
        self, played: Played, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "_JUST_NOW", _PATIENCE)  # of a machine that is slow
        for ago in (1.5, 1.0, 0.5, 0.0):
            await played.die("before", ago=ago)
        await watcher.begin()
        await _heard(watcher, before=4)
        assert watcher.dies_often("before")
        for _ in range(4):
            await played.die("meanwhile", ago=0.0)
        await _heard(watcher, meanwhile=4)
        assert watcher.dies_often("meanwhile")

    async def test_those_that_are_told_twice_are_counted_once(self, played: Played, watcher: Watcher) -> None:
        await watcher.begin()
        await played.die("c", ago=0.0)
        await played.die("c", ago=0.0)
        await _heard(watcher, c=2)
        played.break_off()
        await _heard(watcher, c=4)
        assert not watcher.dies_often("c")


async def _heard(watcher: Watcher, **counts: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while any(watcher.version(container) != count for container, count in counts.items()):
            await asyncio.sleep(0.01)
