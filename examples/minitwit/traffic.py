"""Traffic at a constant rate, from a strict client: what a user of the app would have noticed, nothing hidden.

Requests start at fixed times whatever the server does (an open loop), and a latency counts from the time a request was
due. There are no retries: every connection error, reset, timeout, cut body and status of 400 or more is a failure.
It must not depend on anything but Python, nor on the app's code.

    python traffic.py --url http://minitwit.localhost:8080 --rate 100 --seconds 30
    report = await run("http://minitwit.localhost:8080", rate=100, seconds=30)
"""

import argparse
import asyncio
import json
import math
import resource
import secrets
import signal
import ssl
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

FAILURES_KEPT = 1000
TOLD_HEADERS = ("server", "via", "retry-after")

# One request in twenty follows somebody, three post, the others read; the order is always the same.
MIX = (
    *("page", "timeline", "post", "person", "page", "timeline", "page"),
    *("person", "page", "post", "timeline", "page", "follow", "page"),
    *("timeline", "person", "post", "page", "timeline", "page"),
)


@dataclass(frozen=True)
class Failure:
    """One request that went wrong; `second` counts from the start of the traffic, `headers` say who answered."""

    second: float
    time: str
    method: str
    path: str
    problem: str
    headers: dict[str, str]


@dataclass
class Report:
    """What happened; latencies in milliseconds, moments in seconds from the start."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    seconds: float = 0.0
    connections: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    slowest_ms: float = 0.0
    slowest: str = ""
    latest_start_ms: float = 0.0
    by_version: Counter[str] = field(default_factory=Counter)
    first_seen: dict[str, float] = field(default_factory=dict)
    last_seen: dict[str, float] = field(default_factory=dict)
    posts_acknowledged: int = 0
    posts_lost: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return self.failed == 0 and self.posts_lost == 0 and self.ok > 0

    def as_json(self) -> str:
        return json.dumps(vars(self) | {"failures": [asdict(failure) for failure in self.failures]})


@dataclass(frozen=True)
class Target:
    """Where to connect, and what to call the server once there."""

    host_header: str
    address: tuple[str, int]
    server_name: str | None
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, connect: str | None, authority: str | None) -> "Target":
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "localhost", parts.port or (443 if secure else 80)
        if connect:
            connect_host, _, connect_port = connect.rpartition(":")
            host, port = connect_host.strip("[]"), int(connect_port)
        tls = ssl.create_default_context(cafile=authority) if secure else None
        return cls(parts.netloc, (host, port), parts.hostname if secure else None, tls)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self, *, is_json: bool) -> str:
        """What is wrong with it, or nothing; a JSON answer that is none came from somebody else than the app."""
        if self.status >= 400:
            return f"status {self.status}"
        return "" if not is_json or self.headers.get("content-type") == "application/json" else "not JSON"


class Connection:
    """One kept-alive HTTP/1.1 connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, target: Target) -> "Connection":
        host, port = target.address
        return cls(*await asyncio.open_connection(host, port, ssl=target.tls, server_hostname=target.server_name))

    @property
    def is_usable(self) -> bool:
        return not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        self.writer.transport.abort()

    async def exchange(self, request: bytes) -> Answer:
        """Raises OSError, EOFError or ValueError when the answer does not come whole."""
        self.writer.write(request)
        await self.writer.drain()
        status, headers = await self._head()
        while 100 <= status < 200:
            status, headers = await self._head()
        body = b"" if status in (204, 304) else await self._body(headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    async def _head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks()
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    async def _chunks(self) -> bytes:
        chunks = []
        while size := int((await self.reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            chunks.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b"".join(chunks)


class Client:
    """Sends single requests over kept-alive connections and writes into the report what came back."""

    def __init__(self, target: Target, *, version_header: str, timeout_seconds: float) -> None:
        self.target = target
        self.version_header = version_header.lower()
        self.timeout_seconds = timeout_seconds
        self.report = Report()
        self.latencies = array("d")
        self.idle: list[Connection] = []
        self.started = time.monotonic()

    async def send(self, method: str, path: str, *, due: float, body: object = None, token: str = "") -> Answer | None:
        """The answer if it is good; None when it failed, which the report then says. `due` is monotonic."""
        self.report.sent += 1
        self.report.latest_start_ms = max(self.report.latest_start_ms, (time.monotonic() - due) * 1000)
        request, answer, problem = self._request(method, path, body, token), None, ""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await self._exchange(request)
        except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError) as error:
            problem = f"{type(error).__name__}: {error}".rstrip(": ")
        self._note_latency(due, f"{method} {path}")
        if answer:
            self._note_answer(answer)
            problem = answer.problem(is_json=path.startswith("/api/"))
        if problem:
            self._note_failure(method, path, problem, answer)
            return None
        self.report.ok += 1
        return answer

    def begin(self) -> None:
        """Moments count from now, and what came before (people registering) is no latency of the traffic."""
        self.started, self.latencies = time.monotonic(), array("d")
        self.report.slowest_ms, self.report.latest_start_ms = 0.0, 0.0
        self.report.first_seen = dict.fromkeys(self.report.first_seen, 0.0)

    def close(self) -> None:
        for connection in self.idle:
            connection.close()

    async def _exchange(self, request: bytes) -> Answer:
        connection = self._take_idle() or await self._open()
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if connection.is_usable:
            self.idle.append(connection)
        return answer

    def _take_idle(self) -> Connection | None:
        """The one used last. A connection that the server has closed by now is not used, as in any client."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_usable:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        self.report.connections += 1
        return await Connection.open(self.target)

    def _request(self, method: str, path: str, body: object, token: str) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.target.host_header}", "User-Agent: minitwit-traffic"]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content

    def _note_latency(self, due: float, what: str) -> None:
        milliseconds = (time.monotonic() - due) * 1000
        self.latencies.append(milliseconds)
        if milliseconds > self.report.slowest_ms:
            self.report.slowest_ms, self.report.slowest = milliseconds, what

    def _note_answer(self, answer: Answer) -> None:
        self.report.by_status[str(answer.status)] += 1
        version = answer.headers.get(self.version_header)
        if version:
            now = round(time.monotonic() - self.started, 3)
            self.report.by_version[version] += 1
            self.report.first_seen.setdefault(version, now)
            self.report.last_seen[version] = now

    def _note_failure(self, method: str, path: str, problem: str, answer: Answer | None) -> None:
        self.report.failed += 1
        if answer is None:
            self.report.by_status[problem.partition(":")[0]] += 1
        if len(self.report.failures) < FAILURES_KEPT:
            headers = {name: value for name, value in answer.headers.items() if _is_told(name)} if answer else {}
            second = round(time.monotonic() - self.started, 3)
            moment = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.report.failures.append(Failure(second, moment, method, path, problem, headers))


@dataclass
class Person:
    """A simulated person: only what the server has acknowledged counts as posted."""

    name: str
    token: str
    posted: int = 0


class Crowd:
    """The simulated people: what they do by turns, and whether all they posted is there in the end."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.people: list[Person] = []

    async def register(self, count: int) -> None:
        crowd = secrets.token_hex(4)
        await asyncio.gather(*(self._register(f"sim_{crowd}_{number}") for number in range(count)))

    async def act(self, number: int, due: float) -> None:
        """The request with this number; without people (nobody could register) it is a read."""
        kind = MIX[number % len(MIX)]
        if not self.people:
            kind = "page" if kind == "page" else "timeline"
        match kind:
            case "page":
                await self.client.send("GET", "/", due=due)
            case "timeline":
                await self.client.send("GET", "/api/posts", due=due)
            case "person":
                await self.client.send("GET", f"/people/{self._turn(number).name}", due=due)
            case "post":
                await self._post(self._turn(number), number, due)
            case "follow":
                await self._follow(self._turn(number), self._turn(number + 1), due)

    async def count_lost_posts(self) -> None:
        """Acknowledged posts that the server does not have; all of them when it cannot be asked."""
        for person in self.people:
            self.client.report.posts_acknowledged += person.posted
            answer = await self.client.send("GET", f"/api/people/{person.name}", due=time.monotonic())
            stored = json.loads(answer.body)["posts"] if answer else 0
            self.client.report.posts_lost += max(0, person.posted - stored)

    def _turn(self, number: int) -> Person:
        """Whose turn it is: each person gets each kind of request over time."""
        return self.people[(number + number // len(MIX)) % len(self.people)]

    async def _register(self, name: str) -> None:
        body = {"name": name, "password": secrets.token_urlsafe(12)}
        answer = await self.client.send("POST", "/api/register", due=time.monotonic(), body=body)
        if answer:
            self.people.append(Person(name, json.loads(answer.body)["token"]))

    async def _post(self, person: Person, number: int, due: float) -> None:
        body = {"text": f"Message {number} of @{self._turn(number + 1).name}'s crowd."}
        if await self.client.send("POST", "/api/posts", due=due, body=body, token=person.token):
            person.posted += 1

    async def _follow(self, person: Person, other: Person, due: float) -> None:
        if person is other:
            await self.client.send("GET", "/", due=due)
        else:
            await self.client.send("POST", "/api/follow", due=due, body={"name": other.name}, token=person.token)


async def run(
    url: str,
    *,
    rate: float = 100,
    seconds: float = 30,
    connect: str | None = None,
    paths: Sequence[str] = (),
    people: int = 5,
    timeout_seconds: float = 10,
    version_header: str = "X-Minitwit-Version",
    authority: str | None = None,
    stop: asyncio.Event | None = None,
    watch: Callable[[Report], None] | None = None,
) -> Report:
    """Send `rate` requests a second for `seconds`, or until `stop` is set, and report.

    With `paths`, only those are read, in turn: for any app. `connect` is the host:port to dial instead of the URL's.
    `authority` is a file of certificates to trust. `watch` is shown the running report about once a second.
    """
    _allow_many_connections()
    target = Target.of(url, connect, authority)
    client = Client(target, version_header=version_header, timeout_seconds=timeout_seconds)
    crowd = Crowd(client)
    if not paths:
        await crowd.register(people)
    client.begin()

    def act(number: int, due: float) -> asyncio.Task[object]:
        if paths:
            return asyncio.create_task(client.send("GET", paths[number % len(paths)], due=due))
        return asyncio.create_task(crowd.act(number, due))

    await _at_constant_rate(act, rate, seconds, stop or asyncio.Event(), lambda: watch and watch(client.report))
    client.report.seconds = round(time.monotonic() - client.started, 3)
    await crowd.count_lost_posts()
    client.close()
    _sum_up(client)
    return client.report


async def _at_constant_rate(
    act: Callable[[int, float], "asyncio.Task[object]"],
    rate: float,
    seconds: float,
    stop: asyncio.Event,
    tell: Callable[[], object],
) -> None:
    """Start request n at n / rate seconds; a late loop catches up, so that none is left out."""
    started, number, running = time.monotonic(), 0, set()
    while number < rate * seconds and not stop.is_set():
        due = started + number / rate
        if (ahead := due - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        task = act(number, due)
        running.add(task)
        task.add_done_callback(running.discard)
        number += 1
        if number % math.ceil(rate) == 0:
            tell()
    await asyncio.gather(*running)


def _sum_up(client: Client) -> None:
    ordered = sorted(client.latencies)
    report = client.report
    if ordered:
        report.p50_ms, report.p99_ms = (round(ordered[int((len(ordered) - 1) * part)], 2) for part in (0.5, 0.99))
    report.slowest_ms, report.latest_start_ms = round(report.slowest_ms, 2), round(report.latest_start_ms, 2)


def _is_told(header: str) -> bool:
    return header.startswith(("x-mooring-", "x-minitwit-", "x-request-id")) or header in TOLD_HEADERS


def _allow_many_connections() -> None:
    """An open loop against a server that hangs opens a connection per request until the timeout."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def as_text(report: Report) -> str:
    seen = report.first_seen, report.last_seen
    versions = [f"  version {v}: {n} answers, {seen[0][v]:.2f} s to {seen[1][v]:.2f} s" for v, n in report.by_version.items()]
    failures = [f"  {f.time} (+{f.second:.2f} s) {f.method} {f.path}: {f.problem} {f.headers}" for f in report.failures]
    return f"""sent {report.sent} · ok {report.ok} · failed {report.failed} · {report.seconds:.1f} s
p50 {report.p50_ms} ms · p99 {report.p99_ms} ms · slowest {report.slowest_ms} ms ({report.slowest})
by status {dict(report.by_status)} · connections {report.connections} · latest start {report.latest_start_ms} ms
posts acknowledged {report.posts_acknowledged} · lost {report.posts_lost}
""" + "\n".join(versions + failures)


def _options() -> dict[str, Any]:
    """The arguments of run(), by name, and `json`."""
    parser = argparse.ArgumentParser(description="Constant-rate traffic from a strict client; exit code 1 on any failure.")
    parser.add_argument("--url", required=True, help="such as http://minitwit.localhost:8080")
    parser.add_argument("--rate", type=float, default=100, help="requests a second (100)")
    parser.add_argument("--seconds", type=float, default=30, help="how long (30); inf: until Ctrl-C")
    parser.add_argument("--connect", metavar="HOST:PORT", help="dial this address, keep the URL's host name")
    parser.add_argument("--path", dest="paths", action="append", default=[], help="read only this (repeatable): for any app")
    parser.add_argument("--people", type=int, default=5, help="how many simulated people register (5)")
    parser.add_argument("--timeout", dest="timeout_seconds", type=float, default=10, help="seconds a request may take (10)")
    parser.add_argument("--version-header", default="X-Minitwit-Version", help="header that names the release")
    parser.add_argument("--authority", metavar="FILE", help="certificates to trust, for https")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    return vars(parser.parse_args())


async def _run_until_interrupted(options: dict[str, Any]) -> Report:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await run(options.pop("url"), stop=stop, **options)


def main() -> int:
    options = _options()
    is_json = options.pop("json")
    report = asyncio.run(_run_until_interrupted(options))
    print(report.as_json() if is_json else as_text(report))
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
