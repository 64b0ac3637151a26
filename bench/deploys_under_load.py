"""Twenty deploys in a row under load: how many requests fail, how long nothing is answered, and how much slower it gets.

    bin/bench deploys_under_load [--deploys 20] [--rate 200]

The load (parts/load.py): an open loop, half new connections and half kept-alive ones, one POST in ten, and beside it a download of
60 s and a WebSocket that says something every half second. First the steady state for as long as it takes to be sure, then the
deploys, each of a new commit, one begun as soon as the one before has ended; then the steady state again.

Takes about 6 min.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from parts.load import Connection, Load, Report, Target
from parts.showing import Figure, show
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, WebSocketException

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.platform import MOORING, App, Platform, running, short_directory  # noqa: E402 (the tests' own platform is the one measured)

STEADY = 20.0  # seconds before and after the deploys
DOWNLOAD = 60  # chunks, one a second
SAY_EVERY = 0.5
STREAM_DRAIN = 2  # seconds that a WebSocket keeps the old release; then the app says goodbye to it
MANIFEST = f'[deploy]\ndrain_timeout = "{DOWNLOAD + 15}s"\nstream_drain_timeout = "{STREAM_DRAIN}s"\n'


@dataclass
class Streams:
    """What became of the two that are long. `goodbyes` are WebSockets that the app closed as it should (1001), and that came again."""

    failures: list[str] = field(default_factory=list)
    chunks: int = 0
    echoes: int = 0
    goodbyes: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--deploys", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200)
    asked = parser.parse_args()
    with short_directory() as directory, running(Platform(directory)) as here:
        app = here.app("trouble")
        app.write("mooring.toml", MANIFEST)
        app.release(1)
        first = app.deploy()
        if first.code:
            print(first)
            return 1
        gc.freeze()  # the generator's own pauses are no part of what is measured
        gc.disable()
        return asyncio.run(measure(app, deploys=asked.deploys, rate=asked.rate))


async def measure(app: App, *, deploys: int, rate: float) -> int:
    streams = Streams()
    target = Target(("127.0.0.1", app.platform.port), app.host, path="/version", post_path="/echo")
    moments, lasted = [time.monotonic()], []
    async with Load(target, rate=rate) as load:
        await asyncio.sleep(STEADY)
        moments.append(time.monotonic())
        talking = asyncio.create_task(talk(app, streams))
        downloading = asyncio.create_task(download(target, streams))
        for number in range(2, deploys + 2):
            lasted.append(await deploy(app, number, streams))
            print(f"deploy {number - 1}: {lasted[-1]:.1f} s, {len(load.report.failures)} failed so far", flush=True)
        moments.append(time.monotonic())
        await asyncio.sleep(STEADY)
        moments.append(time.monotonic())
        await downloading
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    return tell(load.report, streams, moments, lasted)


async def deploy(app: App, number: int, streams: Streams) -> float:
    """Seconds. What Mooring itself does not call clean is a failure."""
    app.release(number)
    began = time.monotonic()
    deploying = await asyncio.create_subprocess_exec(
        *MOORING, "deploy", cwd=app.path, env=app.platform.variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await deploying.communicate()
    if deploying.returncode:
        streams.failures.append(f"deploy {number - 1} ended with {deploying.returncode}: {said.decode()[-4000:]}")
    return time.monotonic() - began


async def download(target: Target, streams: Streams) -> None:
    connection = await Connection.open(target.address)
    path = f"/stream?chunks={DOWNLOAD}&pause=1"
    try:
        head = await connection.send(f"GET {path} HTTP/1.1\r\nhost: {target.host}\r\n\r\n".encode())
        if b" 200 " not in head[:20]:
            raise OSError(head[:40].decode())
        async for _ in connection.chunks():
            streams.chunks += 1
    except (OSError, EOFError, ValueError) as error:
        streams.failures.append(f"the download ended after {streams.chunks} chunks: {type(error).__name__} {error}")
    finally:
        connection.close()


async def talk(app: App, streams: Streams) -> None:
    """Until cancelled. A goodbye is answered by coming again at once; an end without one is a failure."""
    address = f"ws://{app.host}:{app.platform.port}/websocket"
    while True:
        try:
            async with connect(address, host="127.0.0.1", port=app.platform.port, proxy=None, ping_interval=None) as socket:
                await _converse(socket, streams)
        except ConnectionClosedOK:
            streams.goodbyes += 1
        except ConnectionClosedError as error:
            is_goodbye = error.rcvd is not None and error.rcvd.code in (1001, 1012)
            streams.goodbyes += is_goodbye
            if not is_goodbye:
                streams.failures.append(f"the WebSocket broke off: {error}")
        except (OSError, WebSocketException, TimeoutError) as error:
            streams.failures.append(f"the WebSocket: {type(error).__name__}: {error}")
            await asyncio.sleep(SAY_EVERY)


async def _converse(socket, streams: Streams) -> None:  # type: ignore[no-untyped-def]
    while True:
        word = f"word {streams.echoes}"
        await socket.send(word)
        heard = await asyncio.wait_for(socket.recv(), 10)
        if heard != word:
            streams.failures.append(f"the WebSocket said {heard!r} to {word!r}")
        streams.echoes += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(socket.wait_closed(), SAY_EVERY)


def tell(report: Report, streams: Streams, moments: list[float], lasted: list[float]) -> int:
    began, first, last, ended = moments
    before, during, after = report.between(began, first), report.between(first, last), report.between(last, ended)
    steady = Report(rate=report.rate, requests=before.requests + after.requests)
    failed = len(report.failures) + len(streams.failures)
    figures = [
        Figure(f"failed of {len(report.requests):,} requests, a download and a WebSocket, {len(lasted)} deploys", failed, at_most=0),
        Figure("kept-alive connections closed by the other side", report.closed, at_most=0),
        Figure(
            "longest gap between good answers",
            during.longest_gap * 1000,
            "ms",
            at_most=100,
            beside=f"steady {max(before.longest_gap, after.longest_gap) * 1000:.0f} ms",
        ),
        Figure(
            "p99 during deploys / steady p99",
            during.percentile(0.99) / steady.percentile(0.99),
            at_most=2,
            beside=f"{during.percentile(0.99) * 1000:.1f} ms / {steady.percentile(0.99) * 1000:.1f} ms",
        ),
        Figure("ticks of the generator late by more than 5 ms", 100 * report.stalls / len(report.requests), "%"),
    ]
    facts = {
        "whole": report.summary(),
        "steady": steady.summary(),
        "deploys": during.summary(),
        "streams": vars(streams),
        "seconds_per_deploy": [round(each, 2) for each in lasted],
    }
    print(json.dumps(facts["streams"]))
    return show("deploys_under_load", figures, facts)


if __name__ == "__main__":
    sys.exit(main())
