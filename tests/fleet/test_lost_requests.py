"""A request that a host had taken when its cable was cut: it gets an answer soon, and not only when its own time limit is over.

A cut cable says nothing: whatever was sent before is as quiet as an app that thinks. That the host is gone is found out by asking its
kernel (keepalive), or by its not acknowledging what is sent to it (the user timeout of TCP).
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fleet.network import Network

from mooring.testing.edge_contract import App, Shop
from mooring.testing.envoy import EnvoyPlatform, EnvoyRig
from mooring.testing.haproxy import HaproxyPlatform, HaproxyRig

HOST = 1
TOLD_WITHIN = 30.0  # seconds; half of what a request may be silent for
HEAD, ALL = "\r\n\r\n", "."  # where a request is read to
BODY = b"x" * 1_000 + b"."
TAKES = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    kept = globals().setdefault("kept", [])
    kept.append(connection)
    said = b""
    while not said.endswith(sys.argv[2].encode()):
        said += connection.recv(1)
    print("taken", flush=True)
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """A machine's address at the end of a cable; there is nothing else of a host."""
    network = Network()
    network.connect(HOST)
    try:
        yield network
    finally:
        network.remove()


@pytest.fixture(params=["envoy", "haproxy"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[EnvoyRig | HaproxyRig]:
    directory = Path(tempfile.mkdtemp(prefix="mooring-edge-"))
    platform = EnvoyPlatform(directory) if request.param == "envoy" else HaproxyPlatform(directory)
    try:
        await asyncio.to_thread(platform.start)
        rig = EnvoyRig(platform) if isinstance(platform, EnvoyPlatform) else HaproxyRig(platform)
        yield rig
        await rig.close()
    finally:
        platform.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def cable(network: Network) -> Iterator[None]:
    yield
    network.mend(HOST)


async def taking(network: Network, *, until: str) -> tuple[asyncio.subprocess.Process, int]:
    """An app on the host that reads a request until these characters, says so, and never answers."""
    words = ("ip", "netns", "exec", network.namespace(HOST), sys.executable, "-c", TAKES, network.address(HOST), until)
    app = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert app.stdout is not None
    return app, int(await app.stdout.readline())


async def lost(rig: EnvoyRig | HaproxyRig, network: Network, cut: asyncio.Event, taken: asyncio.Queue[str], *, until: str) -> bytes:
    """The first line of the answer to a request that was taken so far before the cable was cut, and went on being sent after it."""
    app, port = await taking(network, until=until)
    assert app.stdout is not None
    try:
        shop = Shop(rig)
        await shop.apply(shop.table(shop.endpoint(App("far", network.address(HOST), port))))
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.platform.http_port)
        writer.write(f"POST / HTTP/1.1\r\nhost: {shop.hostname}\r\ncontent-length: {len(BODY)}\r\n\r\n".encode())
        if until == ALL:
            writer.write(BODY)
        assert await app.stdout.readline() == b"taken\n"
        await taken.put(until)
        await cut.wait()
        if until != ALL:
            writer.write(BODY)
        status = await asyncio.wait_for(reader.readline(), TOLD_WITHIN)
        writer.close()
        return status
    finally:
        app.kill()
        await app.wait()


async def test_a_request_that_a_host_had_taken_when_its_cable_was_cut_is_answered_soon(
    rig: EnvoyRig | HaproxyRig, network: Network
) -> None:
    """One of which it had all: nothing more is sent, and nothing comes. And one of which the rest is sent after the cut."""
    cut, taken = asyncio.Event(), asyncio.Queue[str]()
    async with asyncio.TaskGroup() as both:
        requests = [both.create_task(lost(rig, network, cut, taken, until=until)) for until in (ALL, HEAD)]
        for _ in requests:
            await taken.get()
        await asyncio.to_thread(network.cut, HOST)
        cut.set()
    assert [each.result() for each in requests] == [b"HTTP/1.1 503 Service Unavailable\r\n"] * 2
