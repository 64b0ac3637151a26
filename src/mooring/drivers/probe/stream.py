"""Requests through the edge at a constant rate, as a strict client sees them: no retries, every failure counted with its reason.

Open loop: a request is sent when its time has come, whatever became of those before, so a stall of the edge shows as what it is.
What counts as failed: no answer (refused, reset, closed, too late), and an error that the edge made itself, known by its header
`x-mooring-edge`. An error of the app's own is an answer. The requests say `User-Agent: mooring-probe`; by that the edge's own
count leaves them out.
Must not: send a request twice.
"""

from __future__ import annotations

import asyncio
import time

from mooring.drivers.probe.asking import Answer, Connection, NotHttp, reason
from mooring.drivers.probe.contract import Stream, StreamOpener
from mooring.model.receipt import ProbeStream

EDGE_HEADER = "x-mooring-edge"
_ASKED_FOR = "password-wanted"  # a probe has none: what it sees of such an app is that the edge asks
_PATIENCE = 30.0  # seconds for one answer
_LAST_PATIENCE = 5.0  # seconds for what is unanswered when the stream closes
_MOST_WAITING = 500
_FAILURES_KEPT = 20


class EdgeStreams:
    """Opens streams to the edge's plain HTTP port."""

    def __init__(self, *, port: int, address: str = "127.0.0.1") -> None:
        self._address = address
        self._port = port

    async def open(self, *, hostname: str, path: str, rate: float) -> EdgeStream:
        stream = EdgeStream(self._address, self._port, hostname=hostname, path=path, rate=rate)
        stream.begin()
        return stream


class EdgeStream:
    """Counts until it is closed."""

    def __init__(self, address: str, port: int, *, hostname: str, path: str, rate: float) -> None:
        self._address = address
        self._port = port
        self._hostname = hostname
        self._path = path
        self._rate = rate
        self._idle: list[Connection] = []
        self._waiting: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._sent = 0
        self._answered = 0
        self._failed = 0
        self._slowest = 0.0
        self._failures: list[str] = []
        self.last_patience = _LAST_PATIENCE

    def begin(self) -> None:
        self._sender = asyncio.create_task(self._send(), name=f"probe stream {self._hostname}")

    async def close(self) -> ProbeStream:
        """Sends no more, waits a little for what is unanswered, and gives the count; may be called again."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=self.last_patience)
        for task in list(self._waiting):
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        while self._idle:
            self._idle.pop().close()
        return ProbeStream(
            rate=self._rate,
            sent=self._sent,
            answered=self._answered,
            failed=self._failed,
            slowest=round(self._slowest, 6),
            failures=tuple(self._failures),
        )

    async def _send(self) -> None:
        began = time.monotonic()
        number = 0
        while True:
            due = began + number / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            number += 1
            self._sent += 1
            if len(self._waiting) >= _MOST_WAITING:
                self._fail(f"{_MOST_WAITING} requests are unanswered: not sent")
                continue
            task = asyncio.create_task(self._request())
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _request(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._answer()
        except (OSError, asyncio.IncompleteReadError, NotHttp) as error:  # TimeoutError is an OSError
            self._fail(reason(error))
        except asyncio.CancelledError:
            self._fail("no answer until the stream was closed")
            raise
        else:
            self._count(answer)
        finally:
            self._slowest = max(self._slowest, time.monotonic() - began)

    async def _answer(self) -> Answer:
        connection = await self._connection()
        is_reusable = False
        try:
            answer = await connection.get(self._path, host=self._hostname, keep=True)
            is_reusable = answer.is_reusable
            return answer
        finally:
            if is_reusable:
                self._idle.append(connection)
            else:
                connection.close()

    async def _connection(self) -> Connection:
        """The one used last, unless the edge has hung up on it meanwhile: a client may see that, and opens another."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return await Connection.to(self._address, self._port)

    def _count(self, answer: Answer) -> None:
        made_by_edge = answer.headers.get(EDGE_HEADER, "")
        if made_by_edge and answer.status >= 400 and made_by_edge != _ASKED_FOR:
            self._fail(f"the edge answered {answer.status} ({made_by_edge})")
        else:
            self._answered += 1

    def _fail(self, why: str) -> None:
        self._failed += 1
        if len(self._failures) < _FAILURES_KEPT:
            self._failures.append(f"{time.strftime('%H:%M:%S')} {why}")


_stream: type[Stream] = EdgeStream
_opener: type[StreamOpener] = EdgeStreams
