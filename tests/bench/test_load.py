"""The load generator sees what goes wrong: each fault is planted in a small server, and must be found, and only that."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from parts import load
from parts.load import Load, Report, Sent, Target

Answer = Callable[[int, bytes, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def good(_number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


async def measured(answer: Answer, *, requests: int = 40, rate: float = 400) -> Report:
    """What the generator reports of a server that gives this answer to each request, counted from 0."""
    seen = 0
    enough = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, rest = head.partition(b"content-length: ")
                body = await reader.readexactly(int(rest.partition(b"\r\n")[0] or b"0"))
                number, seen = seen, seen + 1
                if seen >= requests:
                    enough.set()
                await answer(number, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server, Load(Target(server.sockets[0].getsockname()[:2], "a.localhost", post_path="/echo"), rate=rate) as running:
        async with asyncio.timeout(20):
            await enough.wait()
    return running.report


async def test_a_server_without_fault_has_none() -> None:
    report = await measured(good, requests=100)
    assert len(report.requests) >= 100
    assert (report.failures, report.closed) == ([], 0)


async def test_a_status_of_500_is_a_failure() -> None:
    async def fails_once(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if number == 7:
            writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
        else:
            await good(number, body, writer)

    assert (await measured(fails_once)).failures == ["status 500"]


async def test_a_connection_that_ends_in_the_middle_of_an_answer_is_a_failure() -> None:
    async def cuts_once(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if number == 7:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            writer.close()
        else:
            await good(number, body, writer)

    (failure,) = (await measured(cuts_once)).failures
    assert "4 bytes read on a total of 10" in failure


async def test_a_connection_that_ends_without_an_answer_is_a_failure_and_is_not_tried_again() -> None:
    async def ends_once(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if number == 7:
            writer.close()
        else:
            await good(number, body, writer)

    (failure,) = (await measured(ends_once)).failures
    assert "IncompleteReadError" in failure


async def test_a_refused_connection_is_a_failure() -> None:
    gone = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    address = gone.sockets[0].getsockname()[:2]
    gone.close()
    await gone.wait_closed()
    async with Load(Target(address, "a.localhost"), rate=200) as running, asyncio.timeout(20):
        while len(running.report.failures) < 3:
            await asyncio.sleep(0)
    assert all("ConnectionRefusedError" in failure for failure in running.report.failures)


async def test_silence_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "TIMEOUT", 0.3)

    async def silent_once(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if number != 7:
            await good(number, body, writer)

    assert (await measured(silent_once)).failures == ["no answer within 0.3 s"]


async def test_a_post_whose_body_does_not_come_back_is_a_failure() -> None:
    async def forgets(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)

    report = await measured(forgets, requests=40)
    assert set(report.failures) == {"the POST's body did not come back"}
    assert len(report.failures) == len(report.requests) // load.POST_EVERY


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_kept_connection_that_the_server_closes_is_counted_without_a_failure(is_announced: bool) -> None:
    async def closes_all(_number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        word = b"connection: close\r\n" if is_announced else b""
        writer.write(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n" % (word, len(body)) + body)
        writer.close()

    report = await measured(closes_all, rate=100)
    assert report.failures == []
    assert report.closed == len(report.requests) // 2


async def test_a_pause_of_the_server_is_a_gap_and_counts_for_every_request_that_was_due_in_it() -> None:
    paused_until = 0.0

    async def pauses(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal paused_until
        if number == 20:
            paused_until = time.monotonic() + 0.4
        await asyncio.sleep(paused_until - time.monotonic())
        await good(number, body, writer)

    report = await measured(pauses, requests=80, rate=100)
    assert report.failures == []
    assert 0.35 < report.longest_gap < 2
    assert sum(each.seconds > 0.1 for each in report.requests) > 20  # a closed loop would have seen one slow request


async def test_a_stall_of_the_generator_itself_is_reported() -> None:
    async def holds_the_loop(number: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if number == 20:
            time.sleep(0.2)  # server and generator share the loop: now neither goes on
        await good(number, body, writer)

    report = await measured(holds_the_loop)
    assert report.stalls > 10
    assert report.worst_stall > 0.1


def test_figures_are_of_the_requests_that_were_due_in_the_span() -> None:
    report = Report(rate=1, requests=[Sent(1.0, 1.5, ""), Sent(2.0, 2.1, "status 500"), Sent(3.0, 3.2, ""), Sent(9.0, 9.9, "")])
    span = report.between(1.0, 4.0)
    assert (len(span.requests), span.failures, round(span.longest_gap, 3)) == (3, ["status 500"], 1.7)
    assert round(span.percentile(0.99), 3) == 0.5
