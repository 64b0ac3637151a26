"""What the edge does to requests and answers on their way: cleaning, limits, compression, pages. With a real Envoy and a real HAProxy."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import msgspec
import pytest

from mooring.model.edge import Access, digest_of
from mooring.model.routing import Page
from mooring.testing.edge_contract import PATIENCE, Shop
from mooring.testing.proxy import ProxyRig

Handle = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def shop(rig: ProxyRig) -> Shop:
    return Shop(rig)


async def _respond(writer: asyncio.StreamWriter, body: bytes, *headers: str, status: str = "200 OK") -> None:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""])
    writer.write(head.encode() + body)
    await writer.drain()


async def _echo_head(head: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _respond(writer, head.encode(), "content-type: application/octet-stream")


async def _serving(rig: ProxyRig, shop: Shop, handle: Handle, **limits: object) -> None:
    app = await rig.listen_raw(handle)
    await shop.apply(msgspec.structs.replace(shop.table(shop.endpoint(app)), **limits))


async def _head(rig: ProxyRig, shop: Shop, path: str = "/", **headers: str) -> dict[str, str]:
    """What arrived at the app: header names in lower case, and the first line under the empty name."""
    named = {name.replace("__", "-"): value for name, value in headers.items()}
    response = await rig.client.get(path, headers={"host": shop.hostname, **named})
    first, *lines = response.text.strip().split("\r\n")
    return {"": first, **{name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}}


async def test_the_app_is_told_who_asked_and_how(rig: ProxyRig, shop: Shop) -> None:
    await _serving(rig, shop, _echo_head)
    head = await _head(rig, shop)
    assert head["x-forwarded-for"] == "127.0.0.1"
    assert head["x-forwarded-proto"] == "http"
    assert head["x-forwarded-host"] == head["host"] == shop.hostname
    assert re.fullmatch(r"[0-9a-f-]{36}", head["x-request-id"])


async def test_the_password_of_a_guarded_app_does_not_reach_it_and_that_of_another_does(rig: ProxyRig, shop: Shop) -> None:
    sent = "Basic " + base64.b64encode(b"review:correct horse").decode()
    await _serving(rig, shop, _echo_head, access=Access(user="review", digest=digest_of("correct horse")))
    assert "authorization" not in await _head(rig, shop, authorization=sent)
    other = Shop(rig)
    await _serving(rig, other, _echo_head)
    assert (await _head(rig, other, authorization=sent))["authorization"] == sent


async def test_what_a_client_claims_about_itself_does_not_reach_the_app(rig: ProxyRig, shop: Shop) -> None:
    await _serving(rig, shop, _echo_head)
    head = await _head(
        rig,
        shop,
        x__forwarded__for="6.6.6.6",
        x__forwarded__proto="https",
        x__forwarded__host="evil.example",
        x__forwarded__prefix="/evil",
        forwarded="for=6.6.6.6",
        x__real__ip="6.6.6.6",
        x__mooring__edge="evil",
        x__mooring__route="evil",
        x__envoy__retry__on="5xx",
        x_forwarded_for="6.6.6.6",
        proxy="evil",
    )
    assert head["x-forwarded-for"] == "127.0.0.1"
    assert head["x-forwarded-proto"] == "http"
    assert head.get("x-mooring-route", "") in ("", f"{shop.environment.slug}/web")
    assert not any("evil" in value or "6.6.6.6" in value for value in head.values())
    assert [name for name in head if "_" in name or name.startswith("x-envoy")] == []


async def test_a_request_id_that_the_client_gave_is_kept_and_given_back(rig: ProxyRig, shop: Shop) -> None:
    await _serving(rig, shop, _echo_head)
    response = await rig.client.get("/", headers={"host": shop.hostname, "x-request-id": "my-own-id"})
    assert response.headers["x-request-id"] == "my-own-id"
    assert "x-request-id: my-own-id" in response.text


@pytest.mark.parametrize(
    ("sent", "arrived"),
    [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a//b", "/a//b"),
        ("/%E2%82%AC?q=/../x", "/%E2%82%AC?q=/../x"),
    ],
)
async def test_a_path_reaches_the_app_in_one_spelling(rig: ProxyRig, shop: Shop, sent: str, arrived: str) -> None:
    await _serving(rig, shop, _echo_head)
    answer = await rig.raw(f"GET {sent} HTTP/1.1\r\nhost: {shop.hostname}\r\nconnection: close\r\n\r\n".encode())
    assert f"GET {arrived} HTTP/1.1" in answer.decode()


async def test_an_app_cannot_speak_as_the_edge(rig: ProxyRig, shop: Shop) -> None:
    async def pretend(_: str, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _respond(writer, b"mine", "x-mooring-edge: maintenance", "x-mooring-retry: 1", "server: mine", status="503 Busy")

    await _serving(rig, shop, pretend)
    since = time.time()
    response = await rig.client.get("/", headers={"host": shop.hostname})
    assert (response.status_code, response.text, response.headers["server"]) == (503, "mine", "mine")
    assert not any(name.startswith("x-mooring") for name in response.headers)
    traffic = await rig.edge.traffic(shop.environment, since=since, until=time.time())
    assert (traffic.requests, traffic.app_errors, traffic.edge_errors) == (1, 1, 0)


@pytest.mark.parametrize(("accepted", "coding"), [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, zstd", "zstd"), ("identity", "")])
async def test_text_is_compressed_as_the_client_likes(rig: ProxyRig, shop: Shop, proxy: str, accepted: str, coding: str) -> None:
    if proxy == "haproxy":  # it does not know zstd
        coding = "gzip" if "gzip" in accepted else ""
    body = b"the same words again and again " * 200

    async def text(_: str, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _respond(writer, body, "content-type: text/html; charset=utf-8")

    await _serving(rig, shop, text)
    answer = await rig.raw(f"GET / HTTP/1.1\r\nhost: {shop.hostname}\r\naccept-encoding: {accepted}\r\nconnection: close\r\n\r\n".encode())
    head = answer.partition(b"\r\n\r\n")[0].decode().lower()
    assert (f"content-encoding: {coding}" in head) == bool(coding)
    assert (len(answer) < 1500) == bool(coding)


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "text/event-stream"])
async def test_what_gains_nothing_is_not_compressed(rig: ProxyRig, shop: Shop, kind: str) -> None:
    async def answer(_: str, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _respond(writer, b"x" * 5000, f"content-type: {kind}")

    await _serving(rig, shop, answer)
    response = await rig.client.get("/", headers={"host": shop.hostname, "accept-encoding": "gzip"})
    assert "content-encoding" not in response.headers
    assert len(response.content) == 5000


@pytest.mark.parametrize("kind", ["text/event-stream", "text/html"])
async def test_a_stream_reaches_the_client_piece_by_piece(rig: ProxyRig, shop: Shop, kind: str) -> None:
    go_on = asyncio.Event()

    async def stream(_: str, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        writer.write(b"9\r\ndata: 1\n\n\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        await writer.drain()

    await _serving(rig, shop, stream)
    async with rig.client.stream("GET", "/", headers={"host": shop.hostname, "accept-encoding": "gzip"}) as response:
        pieces = response.aiter_text()
        first = ""
        while "data: 1" not in first:
            first += await asyncio.wait_for(anext(pieces), 10)
        assert not go_on.is_set()
        go_on.set()
        assert "data: 2" in "".join([piece async for piece in pieces])


async def test_a_request_declared_too_large_is_refused_before_the_app_sees_it(rig: ProxyRig, shop: Shop) -> None:
    await _serving(rig, shop, _echo_head, max_request_bytes=1000)
    refused = await rig.client.post("/", headers={"host": shop.hostname, "accept": "application/json"}, content=b"x" * 1001)
    assert (refused.status_code, refused.headers["x-mooring-edge"], refused.json()["error"]) == (413, "too-large", "too-large")
    page = await rig.client.post("/", headers={"host": shop.hostname, "accept": "text/html"}, content=b"x" * 1001)
    assert "larger than this app accepts" in page.text


async def test_an_undeclared_body_is_cut_where_it_becomes_too_large(rig: ProxyRig, shop: Shop) -> None:
    received = bytearray()
    ended = asyncio.Event()

    async def read(_: str, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            received.extend(piece)
        ended.set()

    await _serving(rig, shop, read, max_request_bytes=100_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.platform.http_port)
    writer.write(f"POST / HTTP/1.1\r\nhost: {shop.hostname}\r\naccept: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    for _ in range(102):
        writer.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        await asyncio.sleep(0.001)
    head, body = [await asyncio.wait_for(reader.readuntil(end), PATIENCE) for end in (b"\r\n\r\n", b"}")]
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["error"] == "too-large"
    await asyncio.wait_for(ended.wait(), PATIENCE)
    assert 0 < received.count(b"x") <= 100_000, "the app got what passed before the limit, and then its connection ended"
    writer.close()


async def test_an_upload_without_a_declared_size_within_the_limit_passes_whole(rig: ProxyRig, shop: Shop) -> None:
    async def count(_: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.readuntil(b"0\r\n\r\n")
        await _respond(writer, str(whole.count(b"x")).encode())

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(49):
            yield b"x" * 1000

    await _serving(rig, shop, count, max_request_bytes=50_000)
    answer = await rig.client.post("/", headers={"host": shop.hostname}, content=pieces())
    assert answer.text == "49000"


async def test_an_upload_within_the_limit_passes_whole(rig: ProxyRig, shop: Shop) -> None:
    async def count(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int(re.findall(r"content-length: (\d+)", head)[0])
        await _respond(writer, str(len(await reader.readexactly(length))).encode())

    await _serving(rig, shop, count)
    response = await rig.client.post("/", headers={"host": shop.hostname}, content=b"x" * 20_000_000)
    assert response.text == "20000000"


async def test_an_app_that_says_nothing_is_given_up_after_the_request_timeout(rig: ProxyRig, shop: Shop) -> None:
    async def silence(_: str, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await reader.read()

    await _serving(rig, shop, silence, request_timeout=0.3)
    since = time.time()
    response = await rig.client.get("/", headers={"host": shop.hostname})
    assert (response.status_code, response.headers["x-mooring-edge"]) == (504, "timeout")
    traffic = await rig.edge.traffic(shop.environment, since=since, until=time.time())
    assert traffic.edge_errors == 1


async def test_an_answer_that_breaks_off_in_the_middle_is_a_reset_and_no_app_error(rig: ProxyRig, shop: Shop) -> None:
    async def break_off(_: str, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()

    await _serving(rig, shop, break_off)
    since = time.time()
    with pytest.raises(httpx.RemoteProtocolError):
        await rig.client.get("/", headers={"host": shop.hostname})
    traffic = await rig.edge.traffic(shop.environment, since=since, until=time.time())
    assert (traffic.requests, traffic.resets, traffic.edge_errors, traffic.app_errors) == (1, 1, 0, 0)
    assert "middle of its answer" in traffic.failures[0]
    assert [broken.count for broken in traffic.broken.values()] == [1]


async def test_who_waits_for_an_app_that_sleeps_may_wait_longer_than_for_an_answer_of_its(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("late")
    asleep = msgspec.structs.replace(shop.table(page=Page.WAKING), wakes_within=2 * PATIENCE, request_timeout=1.0)
    await shop.apply(asleep)
    asking = asyncio.create_task(rig.client.get("/", headers={"host": shop.hostname, "accept": "application/json"}))
    done, _ = await asyncio.wait({asking}, timeout=3.0)
    assert not done, "three times as long as it may take to answer"
    awake = shop.table(shop.endpoint(app))
    await shop.apply(msgspec.structs.replace(awake, wakes_within=2 * PATIENCE, request_timeout=1.0))
    response = await asking
    assert (response.status_code, response.text) == (200, "late")


@pytest.mark.parametrize("page", Page)
async def test_a_program_gets_a_problem_document_and_a_person_a_page(rig: ProxyRig, shop: Shop, page: Page) -> None:
    hostname = "unknown.localhost" if page is Page.NO_SUCH_APP else shop.hostname
    table = msgspec.structs.replace(shop.table(page=page), is_maintenance=page is Page.MAINTENANCE)
    await shop.apply(table)
    program = await rig.client.get("/", headers={"host": hostname, "accept": "application/json"})
    assert program.headers["content-type"].startswith("application/problem+json")
    assert json.loads(program.text)["error"] == page.value
    person = await rig.client.get("/", headers={"host": hostname, "accept": "text/html,application/json;q=0.1"})
    assert person.headers["content-type"].startswith("text/html")
    assert ('http-equiv="refresh"' in person.text) == (page in (Page.STARTING, Page.WAKING, Page.NO_ROOM, Page.CRASHED))
    assert program.headers["cache-control"] == person.headers["cache-control"] == "no-store"
    assert ("retry-after" in person.headers) == ("retry-after" in program.headers) == (page is not Page.NO_SUCH_APP)


async def test_no_query_string_reaches_the_log(rig: ProxyRig, shop: Shop) -> None:
    await _serving(rig, shop, _echo_head)
    await rig.client.get("/login?token=s3cr3t-sentinel", headers={"host": shop.hostname, "referer": "http://x/?t=s3cr3t-sentinel"})
    await rig.edge.traffic(shop.environment, since=0, until=time.time())
    log = rig.platform.directory / "log" / "access.log"
    assert "/login" in [json.loads(line)["path"] for line in log.read_text().splitlines() if line.startswith("{")]
    assert "s3cr3t-sentinel" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1",
        "NONSENSE",
        "GET / HTTP/1.1\r\nhost: a b",
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5",
    ],
)
async def test_what_is_no_proper_request_is_refused(rig: ProxyRig, proxy: str, head: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.platform.http_port)
    writer.write(f"{head}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readline(), PATIENCE)
    writer.close()
    is_no_name = proxy == "haproxy" and "host: a" in head  # HAProxy takes any word as a name, and of two lengths the chunks
    assert answer.startswith(b"HTTP/1.1 404" if is_no_name else b"HTTP/1.1 400")


async def test_a_request_for_two_hosts_reaches_neither(rig: ProxyRig, shop: Shop, proxy: str) -> None:
    await _serving(rig, shop, _echo_head)
    answer = await rig.raw(f"GET / HTTP/1.1\r\nhost: {shop.hostname}\r\nhost: other\r\nconnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400" if proxy == "haproxy" else b"HTTP/1.1 404")


async def test_of_two_instances_the_one_with_fewer_requests_in_flight_gets_most(rig: ProxyRig, shop: Shop) -> None:
    """Envoy compares two that it draws by chance, so that about a quarter comes to the busy one of two; each its turn would be half."""
    busy, idle = await rig.listen("busy"), await rig.listen("idle")
    await shop.apply(shop.table(shop.endpoint(busy)))
    held = [asyncio.create_task(shop.ask("/slow")) for _ in range(10)]
    async with asyncio.timeout(PATIENCE):
        while busy.asked < len(held):
            await asyncio.sleep(0.01)
    await shop.apply(shop.table(shop.endpoint(busy), shop.endpoint(idle, release=2)))
    answers = [(await shop.ask()).text for _ in range(200)]
    busy.released.set()
    await asyncio.gather(*held)
    assert answers.count("busy") < 85, "five standard deviations above a quarter"
