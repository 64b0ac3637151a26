"""An honest load generator: requests leave when they are due, whatever the server does, and a latency counts from that moment.

    load = Load(Target(address=("127.0.0.1", 8080), host="shop.localhost", path="/"), rate=200)
    async with load:
        ...
    print(load.report.summary())

Every second request has a connection of its own, the others go over kept-alive ones; every tenth is a POST whose body is to come
back. Nothing is sent again: a refusal, a reset, a cut answer, a status of 400 and more, and silence are failures. A kept-alive
connection that the other side closed is counted, also when no request was lost by it. What the generator itself was late by is
counted too, since on a busy machine its own stalls look like the server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise

TIMEOUT = 10.0  # seconds until silence is a failure
STALL = 0.005  # seconds by which a tick may be late
KEPT_FAILURES = 20
POST_EVERY = 10


@dataclass(frozen=True)
class Target:
    """`host` is the Host header; `post_path` answers a POST with a body that holds what was sent."""

    address: tuple[str, int]
    host: str
    path: str = "/"
    post_path: str = ""


@dataclass(frozen=True)
class Sent:
    """One request. `due` and `ended` are monotonic seconds; `problem` is empty when its answer was good."""

    due: float
    ended: float
    problem: str

    @property
    def seconds(self) -> float:
        return self.ended - self.due


@dataclass
class Report:
    """All that was sent, and what became of the connections. A stall is a tick that came later than STALL after it was due."""

    rate: float
    requests: list[Sent] = field(default_factory=list)
    closed: int = 0
    stalls: int = 0
    worst_stall: float = 0.0

    def between(self, since: float, until: float) -> Report:
        """The requests that were due in that span; connections and stalls are those of the whole."""
        chosen = [each for each in self.requests if since <= each.due < until]
        return Report(rate=self.rate, requests=chosen, closed=self.closed, stalls=self.stalls, worst_stall=self.worst_stall)

    @property
    def failures(self) -> list[str]:
        return [each.problem for each in self.requests if each.problem]

    @property
    def longest_gap(self) -> float:
        """Seconds between two good answers, one after the other."""
        ends = sorted(each.ended for each in self.requests if not each.problem)
        return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)

    def percentile(self, share: float) -> float:
        """Seconds, of good and bad answers alike."""
        ordered = sorted(each.seconds for each in self.requests)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def summary(self) -> dict[str, object]:
        """For people and machines; times in milliseconds."""
        return {
            "sent": len(self.requests),
            "failed": len(self.failures),
            "failures": self.failures[:KEPT_FAILURES],
            "connections_closed": self.closed,
            "longest_gap_ms": _ms(self.longest_gap),
            "p50_ms": _ms(self.percentile(0.50)),
            "p99_ms": _ms(self.percentile(0.99)),
            "slowest_ms": _ms(self.percentile(1.0)),
            "generator_stalls": self.stalls,
            "generator_worst_stall_ms": _ms(self.worst_stall),
        }


class Broken(Exception):
    """The other side did not do what HTTP asks of it."""


class Connection:
    """One HTTP/1.1 connection with one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.says_close = False

    @classmethod
    async def open(cls, address: tuple[str, int]) -> Connection:
        return cls(*await asyncio.open_connection(*address))

    @property
    def is_closed(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises OSError, EOFError, Broken."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        self.says_close = b"\r\nconnection: close" in head
        return status, await self._body(head)

    async def _body(self, head: bytes) -> bytes:
        if b"\r\ntransfer-encoding: chunked" in head:
            return b"".join([chunk async for chunk in self.chunks()])
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if not found:
            raise Broken("an answer without a length")
        return await self._reader.readexactly(int(rest.partition(b"\r\n")[0]))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces of a chunked body, as they come."""
        while size := int((await self._reader.readuntil(b"\r\n")).strip(), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)

    async def send(self, request: bytes) -> bytes:
        """Only the answer's head is awaited."""
        self._writer.write(request)
        return await self._reader.readuntil(b"\r\n\r\n")

    def close(self) -> None:
        self._writer.close()


class Load:
    """Runs from entering to leaving the context; those that are under way then are awaited."""

    def __init__(self, target: Target, *, rate: float) -> None:
        self._target = target
        self._idle: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._get = _request("GET", target, target.path)
        self.report = Report(rate=rate)

    async def __aenter__(self) -> Load:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        await asyncio.gather(*self._tasks)
        for connection in self._idle:
            self._note_closed(connection)
            connection.close()

    async def _tick(self) -> None:
        began, number = time.monotonic(), 0
        while True:
            due = began + number / self.report.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late = time.monotonic() - due
            self.report.stalls += late > STALL
            self.report.worst_stall = max(self.report.worst_stall, late)
            self._spawn(self._send(number, due))
            number += 1

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, number: int, due: float) -> None:
        problem = ""
        try:
            async with asyncio.timeout(TIMEOUT):
                problem = await self._exchange(number)
        except TimeoutError:
            problem = f"no answer within {TIMEOUT:g} s"
        except (OSError, EOFError, ValueError, Broken) as error:
            problem = f"{type(error).__name__}: {error}"
        self.report.requests.append(Sent(due, time.monotonic(), problem))

    async def _exchange(self, number: int) -> str:
        """The problem with the answer, or nothing."""
        is_post = bool(self._target.post_path) and number % POST_EVERY == POST_EVERY - 1
        is_new = number // POST_EVERY % 2 == number % 2  # every second one, and every second POST
        word = f"number-{number}".encode()
        request = _request("POST", self._target, self._target.post_path, word) if is_post else self._get
        connection = await self._connection(is_new=is_new)
        try:
            status, body = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        self._keep(connection, is_new=is_new)
        if status >= 400:
            return f"status {status}"
        return "the POST's body did not come back" if is_post and word not in body else ""

    async def _connection(self, *, is_new: bool) -> Connection:
        while self._idle and not is_new:
            connection = self._idle.pop()
            if not self._note_closed(connection):
                return connection
        return await Connection.open(self._target.address)

    def _note_closed(self, connection: Connection) -> bool:
        self.report.closed += connection.is_closed
        return connection.is_closed

    def _keep(self, connection: Connection, *, is_new: bool) -> None:
        if is_new:
            connection.close()
        elif connection.says_close:
            self.report.closed += 1
            connection.close()
        else:
            self._idle.append(connection)


def _request(method: str, target: Target, path: str, body: bytes = b"") -> bytes:
    length = f"content-length: {len(body)}\r\ncontent-type: text/plain\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nhost: {target.host}\r\n{length}\r\n".encode() + body


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
