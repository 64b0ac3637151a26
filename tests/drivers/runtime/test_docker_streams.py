"""What the runtime `docker` makes of what an engine tells in pieces, here one that a test plays: for whoever has none."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import pytest
from aiohttp import web

from mooring.drivers.runtime.docker import watching
from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.reading import said
from mooring.drivers.runtime.docker.watching import Watcher
from mooring.drivers.transport.local import LocalTransport

_DAY = 86_400.0
_PATIENCE = 15.0  # seconds


class Played:
    """Podman's service, as far as it is asked here: tells all events so far to whoever asks for them, and those that come."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.tellings: list[web.StreamResponse] = []
        self.log: list[str] = []
        self._ended = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        match PurePosixPath(request.path).name:
            case "version":
                return web.json_response({"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]})
            case "events":
                return await self._tell(request)
            case "logs":
                return await self._say(request)
        return web.HTTPNotFound()

    async def die(self, container: str, *, ago: float) -> None:
        """`ago` seconds before now, on a clock of the engine's own that goes as the one here."""
        actor = {"ID": container, "Attributes": {"exitCode": "1"}}
        event = {"Action": "die", "Actor": actor, "timeNano": int((time.time() - ago) * 1e9)}
        self.events.append(json.dumps(event).encode() + b"\n")
        for telling in self.tellings:
            await telling.write(self.events[-1])

    async def _say(self, request: web.Request) -> web.StreamResponse:
        saying = web.StreamResponse()
        await saying.prepare(request)
        for second, text in enumerate(self.log):
            line = f"2026-11-21T16:{second // 60 % 60:02}:{second % 60:02}Z {text}\n".encode()
            await saying.write(bytes([1, 0, 0, 0]) + len(line).to_bytes(4, "big") + line)
        return saying

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
            await played.die("slow", ago=day * _DAY)
        await watcher.begin()
        await _heard(watcher, slow=4)
        assert not watcher.dies_often("slow"), "each time it had lived for a day"

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


async def test_the_last_lines_of_a_long_log_take_the_memory_of_those_alone(played: Played, engine: Engine) -> None:
    """Podman tells all of it, however few are asked for."""
    played.log = ["x" * 10_000] * 2_000 + ["one", "two"]  # one text 2,000 times: 10 kB here, 20 MB where they are read
    tracemalloc.start()
    try:
        assert [line.text async for line in said(engine, "c", lines=2)] == ["one", "two"]
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 5_000_000, f"{most:,} bytes at once"


async def _heard(watcher: Watcher, **counts: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while any(watcher.version(container) != count for container, count in counts.items()):
            await asyncio.sleep(0.01)
