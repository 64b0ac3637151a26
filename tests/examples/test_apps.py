"""The small apps do what their README says: each trouble is the trouble it is named after, and healthy is healthy."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

APPS = Path(__file__).parents[1] / "apps"


def port_of(process):
    return int(process.url.rpartition(":")[2])


def is_listening(host, port):
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_healthy_answers_what_it_is_asked(trouble):
    server = trouble(VERSION="7", ODD="a b\n$c'\"é").wait_until_answers("/up")
    http = httpx.Client(base_url=server.url)
    assert http.get("/version").text == "7\n"
    assert http.get("/status?code=503").status_code == 503
    assert http.get("/stream?chunks=2&pause=0").text == "chunk 0\nchunk 1\n"
    assert http.get("/environment?name=ODD").content == "a b\n$c'\"é".encode()
    assert http.get("/environment?name=NOT_SET").status_code == 404
    echo = http.post("/echo?x=1", content=b"body", headers={"X-Sent": "yes"}).json()
    assert (echo["method"], echo["path"], echo["headers"]["X-Sent"], echo["body"]) == ("POST", "/echo?x=1", "yes", "body")


def test_healthy_finishes_a_request_under_way_at_sigterm(trouble):
    server = trouble().wait_until_answers("/up")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(server.url + "/sleep?s=0.6").text))
    asking.start()
    time.sleep(0.2)
    server.terminate()
    time.sleep(0.15)
    assert not is_listening("127.0.0.1", port_of(server))
    asking.join()
    assert answers == ["slept\n"]
    assert server.wait() == 0, server.text


def test_a_websocket_echoes_and_is_told_goodbye_at_sigterm(trouble):
    server = trouble().wait_until_answers("/up")
    with connect(server.url.replace("http", "ws") + "/websocket", proxy=None) as websocket:
        for message in ("hello", b"\x00\xff", "long " * 100, "x" * 70_000):
            websocket.send(message)
            assert websocket.recv(5) == message
        server.terminate()
        assert list(websocket) == []
        assert websocket.close_code == 1001
    assert server.wait() == 0, server.text


def test_never_listens(trouble):
    server = trouble("never-listens")
    server.wait_until(lambda: "alive, not listening" in server.text, "word")
    assert not is_listening("127.0.0.1", port_of(server))
    server.terminate()
    assert server.wait() == 0, server.text


def test_wrong_port(trouble):
    server = trouble("wrong-port")
    server.wait_until(lambda: "listening" in server.text, "listening")
    assert not is_listening("127.0.0.1", port_of(server))
    assert is_listening("127.0.0.1", port_of(server) + 1)


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_ipv6_only(trouble):
    server = trouble("ipv6-only")
    server.wait_until(lambda: "listening" in server.text, "listening")
    assert not is_listening("127.0.0.1", port_of(server))
    assert is_listening("::1", port_of(server))


def test_dies_after_a_while(trouble):
    server = trouble("dies-after-3s=0.5").wait_until_answers("/up")
    assert server.wait() == 1
    assert "RuntimeError: died" in server.text


def test_ignores_sigterm(trouble):
    server = trouble("ignores-sigterm").wait_until_answers("/up")
    server.terminate()
    server.wait_until(lambda: "SIGTERM ignored" in server.text, "SIGTERM")
    assert httpx.get(server.url + "/up").status_code == 200


def test_slow_start(trouble):
    started = time.monotonic()
    trouble("slow-start=0.8").wait_until_answers("/up")
    assert time.monotonic() - started > 0.8


def test_closes_its_listener_early_and_lives_on(trouble):
    server = trouble("closes-listener-early=0.4").wait_until_answers("/up")
    server.wait_until(lambda: not is_listening("127.0.0.1", port_of(server)), "closed listener")
    assert server.process.poll() is None


def test_leaks_memory(trouble):
    server = trouble("leaks-memory=40").wait_until_answers("/up")
    status = Path(f"/proc/{server.process.pid}/status")
    server.wait_until(lambda: int(status.read_text().partition("VmRSS:")[2].split()[0]) > 80_000, "80 MB in use")


def test_children_outlive_a_stop_that_asks_only_their_parent(trouble):
    server = trouble("forks-children=2").wait_until_answers("/up")
    children = [int(line.split()[1]) for line in server.text.splitlines() if line.startswith("child ")]
    try:
        server.terminate()
        assert server.wait() == 0
        assert [is_alive(child) for child in children] == [True, True]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def test_floods_its_output(trouble):
    server = trouble("floods-output").wait_until_answers("/up")
    server.wait_until(lambda: server.output.stat().st_size > 1_000_000, "a megabyte of output")


def test_exits_at_once(trouble):
    server = trouble("exits-at-once")
    assert server.wait() == 3
    assert "DATABASE_URL is missing" in server.text


def test_prints_a_secret(trouble):
    server = trouble("prints-secret", SECRET_TOKEN="do-not-show").wait_until_answers("/up")
    assert "connecting with do-not-show" in server.text


def test_an_unknown_trouble_names_those_there_are(trouble):
    server = trouble("nonsense")
    assert server.wait() == 1
    assert "never-listens" in server.text


def test_the_node_app_stops_gracefully(start):
    port = free_port()
    server = start("node", ["node", "server.js"], APPS / "node-hello", {}, port).wait_until_answers("/up")
    assert httpx.get(server.url + "/version").text == "1.0.0\n"
    server.terminate()
    assert server.wait() == 0, server.text


def test_the_app_of_only_a_procfile_serves_its_files(start):
    port = free_port()
    words = (APPS / "procfile-only" / "Procfile").read_text().partition(": ")[2].replace("$PORT", str(port)).split()
    server = start("procfile-only", [sys.executable, *words[1:]], APPS / "procfile-only", {}, port).wait_until_answers("/up")
    assert httpx.get(server.url + "/").text == "Hello from a Procfile\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
