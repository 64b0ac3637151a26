"""One address, read by the edge and by the app behind it: both read the same, or the request reaches nobody. With a real Envoy.

Two apps lie behind one hostname: `/api` leads to the one, everything else to the other. Whatever is sent, the app that it reaches sees
the very path that was routed by, with every `..` resolved. (`%2f`, `%5c` and `//` are kept, since apps use them: they are read literally.)
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostile.rows import Row, rows_of

from mooring.model.names import ProcessName
from mooring.model.routing import PathRoute
from mooring.testing.edge_contract import Shop
from mooring.testing.envoy import EnvoyPlatform, EnvoyRig

Handle = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
API, OPEN = ProcessName("api"), ProcessName("web")


@pytest.fixture(scope="module")
def envoy() -> Iterator[EnvoyPlatform]:
    directory = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    platform = EnvoyPlatform(directory)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def rig(envoy: EnvoyPlatform) -> AsyncIterator[EnvoyRig]:
    rig = EnvoyRig(envoy)
    yield rig
    await rig.close()


@pytest.mark.parametrize("row", rows_of("edge"), ids=lambda row: row.id)
async def test_edge_and_app_read_one_address_alike_or_nobody_gets_it(rig: EnvoyRig, row: Row) -> None:
    shop, reached = Shop(rig), []
    apps = {name: await rig.listen_raw(noting(name, reached)) for name in (API, OPEN)}
    routes = tuple(
        PathRoute(path=path, process=name, endpoints=(shop.endpoint(apps[name], process=name),))
        for path, name in (("/api", API), ("/", OPEN))
    )
    await shop.apply(msgspec.structs.replace(shop.table(), routes=routes))
    answer = await rig.raw(row.bytes(host=shop.hostname, HOST=shop.hostname.upper()))
    assert answer.count(b"HTTP/1.1 ") == 1, "what is smuggled behind a request is not another one"
    status = int(answer.split()[1])
    if row.expected == "refused":
        assert 400 <= status < 500, answer
        assert reached == []
        return
    assert status < 500, answer
    assert len(reached) == (1 if status == 200 else 0)
    for name, path, host in reached:
        assert is_api(path) == (name == API), f"{name} was sent {path}"
        assert ".." not in path.replace("%2e", ".").replace("%2E", ".").split("/")
        assert host.lower().removesuffix(":81").removesuffix(".") == shop.hostname


def noting(name: str, reached: list[tuple[str, str, str]]) -> Handle:
    """An app that notes what it was asked, and answers."""

    async def answer(head: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("host: "))
        reached.append((name, head.split(" ")[1], host))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()

    return answer


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")
