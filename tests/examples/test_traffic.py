"""The traffic simulator must be able to fail: it reports what a strict client would notice, and nothing else."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

TRAFFIC = Path(__file__).parents[2] / "examples" / "minitwit" / "traffic.py"


async def test_on_a_quiet_server_nothing_fails_and_nothing_is_lost(minitwit, traffic):
    web = minitwit("1.0.0").web()
    report = await traffic.run(web.url, rate=50, seconds=2)
    assert report.is_clean, traffic.as_text(report)
    assert report.sent == report.ok == 100 + 5 + 5  # the traffic, the people, and looking for their posts
    assert report.posts_acknowledged == 15
    assert report.posts_lost == 0
    assert dict(report.by_version) == {"1.0.0": 110}


async def test_a_server_killed_on_the_way_shows_as_failures(minitwit, traffic):
    web = minitwit().web()
    enough = asyncio.Event()

    def watch(report):
        if report.ok > 20:
            web.kill()
        if report.failed > 20:
            enough.set()

    report = await traffic.run(web.url, rate=50, seconds=60, stop=enough, watch=watch)
    assert not report.is_clean
    assert report.ok > 10
    assert report.failed > 20
    assert report.posts_lost == report.posts_acknowledged > 0
    assert {"second", "time", "method", "path", "problem", "headers"} <= vars(report.failures[0]).keys()
    assert any("Refused" in failure.problem for failure in report.failures)


async def test_errors_are_reported_with_the_headers_of_who_answered(trouble, traffic):
    server = trouble("answers-500")
    await asyncio.to_thread(server.wait_until, lambda: "listening" in server.text, "listening")
    report = await traffic.run(server.url, rate=20, seconds=0.5, paths=["/up"])
    assert (report.sent, report.failed, dict(report.by_status)) == (10, 10, {"500": 10})
    assert report.failures[0].problem == "status 500"
    assert "server" in report.failures[0].headers


async def test_a_slow_server_does_not_slow_the_traffic_down(trouble, traffic):
    server = trouble("slow-requests=1")
    await asyncio.to_thread(server.wait_until, lambda: "listening" in server.text, "listening")
    report = await traffic.run(server.url, rate=50, seconds=1, paths=["/up"])
    assert (report.sent, report.ok) == (50, 50)
    assert report.seconds < 3
    assert report.connections == 50
    assert report.p50_ms > 990


async def test_an_answer_that_does_not_come_in_time_has_failed(trouble, traffic):
    server = trouble()
    await asyncio.to_thread(server.wait_until_answers, "/up")
    report = await traffic.run(server.url, rate=10, seconds=0.3, paths=["/sleep?s=5"], timeout_seconds=0.2)
    assert dict(report.by_status) == {"TimeoutError": 3}


async def test_a_cut_answer_has_failed_although_its_status_was_good(traffic):
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        report = await traffic.run(url, rate=10, seconds=0.3, paths=["/"])
    assert (report.failed, report.ok) == (3, 0)
    assert "IncompleteReadError" in report.failures[0].problem


async def test_chunked_answers_and_kept_alive_connections_are_understood(trouble, traffic):
    server = trouble()
    await asyncio.to_thread(server.wait_until_answers, "/up")
    report = await traffic.run(server.url, rate=20, seconds=1, paths=["/stream?chunks=3&pause=0", "/echo", "/up"])
    assert report.is_clean, traffic.as_text(report)
    assert report.connections < 5


def test_the_command_prints_json_and_exits_with_one_when_something_failed(trouble):
    server = trouble()
    server.wait_until_answers("/up")
    port = server.url.rpartition(":")[2]
    words = [sys.executable, TRAFFIC, "--url", "http://app.localhost", "--connect", f"127.0.0.1:{port}", "--rate", "20"]
    words += ["--seconds", "0.5", "--json"]
    good = subprocess.run([*words, "--path", "/up"], capture_output=True, timeout=20)
    bad = subprocess.run([*words, "--path", "/status?code=503"], capture_output=True, timeout=20)
    assert (good.returncode, json.loads(good.stdout)["ok"]) == (0, 10)
    assert (bad.returncode, json.loads(bad.stdout)["by_status"]) == (1, {"503": 10})


def test_an_interrupt_ends_it_with_a_report(trouble, start, tmp_path):
    server = trouble()
    server.wait_until_answers("/up")
    words = [sys.executable, TRAFFIC, "--url", server.url, "--seconds", "inf", "--path", "/up"]
    simulator = start("traffic", words, tmp_path, {})
    server.wait_until(lambda: server.text.count("/up") > 20, "traffic")
    simulator.terminate()
    assert simulator.wait() == 0, simulator.text
    assert "failed 0" in simulator.text
