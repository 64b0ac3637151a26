"""One platform, three real hosts: added, deployed to under traffic, cut off, killed, brought back, taken away. No request fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e.platform import App, Platform, Traffic, eventually, receipt_of, running, short_directory
from fleet.rig import Fleet, Host

from mooring.model.host import fingerprint

AT_ONCE = 40  # requests: so many that each host is given some, by any lot
MANIFEST = """\
runtime = "systemd"

[regions.eu]

[processes.web]
command = "python3 serve.py"
count = 3

[processes.web.health]
path = "/up"

[deploy]
bake = 1
drain_timeout = 5
"""
SERVE = '''\
"""Says its version, wherever it runs."""
import http.server
import os
import signal
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        version = open("VERSION").read().strip()
        body = f"{version} {os.uname().nodename}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", version)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((os.environ.get("HOST", "0.0.0.0"), int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening", flush=True)
server.serve_forever()
'''


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with short_directory() as directory, running(Platform(directory)) as here:
        yield here


@pytest.fixture(scope="module")
def app(platform: Platform, fleet: Fleet) -> Iterator[App]:
    """On three hosts of a region, at its first release. The hosts are as new afterwards."""
    key = platform.mooring("host", "key").out
    for host in fleet.hosts:
        host.says("sh", "-c", "cat >> /root/.ssh/authorized_keys", stdin=key.encode())
        added = add(platform, host)
        assert added.code == 0, added
    app = first_release(platform, MANIFEST)
    yield app
    for host in fleet.hosts:
        host.reset()
        host.start()


def add(platform: Platform, host: Host, *words: str):
    return platform.mooring(
        "host",
        "add",
        f"root@{host.address}",
        "--name",
        host.name,
        "--region",
        "eu",
        "--runtime",
        "systemd",
        "--fingerprint",
        fingerprint(host.key),
        *words,
    )


def first_release(platform: Platform, manifest: str) -> App:
    """The app `shop`, deployed."""
    source = platform.directory / "origin"
    source.mkdir()
    for name, text in {"mooring.toml": manifest, "serve.py": SERVE, "VERSION": "0\n"}.items():
        (source / name).write_text(text)
    app = platform.app(source, "shop")
    app.release(1)
    answer = app.deploy()
    assert answer.code == 0, answer
    return app


def places(app: App) -> list[str]:
    return sorted(view["key"]["host"] for view in app.mooring("ps", "--json").json["instances"])


def answering(app: App) -> set[str]:
    """`2 host1`, …: which release answers from which host, as forty requests find it."""
    return {app.get("/")[1].decode() for _ in range(40)}


def left_out(app: App, name: str) -> bool:
    """Whether no request is given to that host any more; one that hangs was."""
    try:
        return not any(name in app.get("/", timeout=2)[1].decode() for _ in range(20))
    except TimeoutError:
        return False


def is_at_rest(app: App) -> bool:
    deployments = app.mooring("status", "--json")
    return deployments.code == 0 and not any(each["deployment"] for each in deployments.json["environments"])


def check_proof(app: App, traffic: Traffic) -> None:
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert traffic.report["sent"] > 100
    receipt = receipt_of(app)
    assert receipt["traffic"]["edge_errors"] == receipt["traffic"]["resets"] == receipt["probes"]["failed"] == 0
    assert receipt["traffic"]["requests"] > 20


def pids_of(app: App) -> list[int]:
    return [view["pid"] for view in app.mooring("ps", "--json").json["instances"]]


def troubles(app: App) -> dict[str, str]:
    """What is in trouble, and what is said of it."""
    return {each["subject"]: each["said"] for each in app.platform.mooring("status", "--json").json["troubles"]}


def test_it_runs_on_all_three_and_says_where(app: App, platform: Platform) -> None:
    assert places(app) == ["host1", "host2", "host3"]
    assert answering(app) == {"1 host1", "1 host2", "1 host3"}
    listed = {each["host"]["name"]: each for each in platform.mooring("host", "ls", "--json").json["hosts"]}
    assert {name: each["instances"] for name, each in listed.items()} == {"host1": 1, "host2": 1, "host3": 1}
    assert receipt_of(app)["bytes_sent"] > 0
    lines = app.mooring("logs", "--lines", "50").out
    assert lines.count("listening") == 3


def test_a_redeploy_under_traffic_moves_all_of_them_and_loses_no_request(app: App) -> None:
    app.release(2)
    with Traffic(app) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    check_proof(app, traffic)
    assert answering(app) == {"2 host1", "2 host2", "2 host3"}


def test_a_rollback_and_a_restart_are_to_all_of_them_too(app: App) -> None:
    with Traffic(app) as traffic:
        assert app.mooring("rollback").code == 0
        assert app.mooring("restart").code == 0
    check_proof(app, traffic)
    assert answering(app) == {"1 host1", "1 host2", "1 host3"}


def check_refused(app: App, name: str) -> None:
    """A deploy ends before anything is touched, since that host does not answer."""
    app.release(3)
    with Traffic(app) as traffic:
        answer = app.deploy()
    assert answer.code == 1, answer
    assert name in answer.out + answer.err
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])


def test_a_host_that_is_cut_off_keeps_a_deployment_from_beginning_and_the_others_serve(app: App, fleet: Fleet) -> None:
    before = answering(app)
    fleet.hosts[2].cut()
    try:
        eventually(lambda: left_out(app, "host3"), within=60)
        eventually(lambda: "host host3" in troubles(app), within=60)
        assert app.platform.mooring("status", "--check").code == 4
        eventually(lambda: "host3 does not answer" in app.mooring("ps").out, within=60)
        check_refused(app, "host3")
    finally:
        fleet.hosts[2].mend()
    eventually(lambda: answering(app) == before, within=90)
    eventually(lambda: "host host3" not in troubles(app), within=60)


def test_a_host_that_is_frozen_keeps_a_deployment_from_beginning_and_answers_what_it_had_taken_when_it_goes_on(
    app: App, fleet: Fleet
) -> None:
    """Its kernel goes on answering: neither the edge nor SSH is told that it is gone."""
    before, pids = answering(app), pids_of(app)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        fleet.hosts[2].freeze()
        try:
            asked = [pool.submit(lambda: app.get("/", timeout=240)[0]) for _ in range(AT_ONCE)]
            eventually(lambda: left_out(app, "host3"), within=60)
            eventually(lambda: "host host3" in troubles(app), within=60)
            check_refused(app, "host3")
            assert not all(each.done() for each in asked)
        finally:
            fleet.hosts[2].thaw()
        assert {each.result() for each in asked} == {200}
    eventually(lambda: answering(app) == before, within=90)
    eventually(lambda: "host host3" not in troubles(app), within=60)
    assert pids_of(app) == pids, "nothing was started anew"


def test_a_host_that_loses_its_power_is_left_out_and_comes_back_as_it_was(app: App, fleet: Fleet) -> None:
    before = answering(app)
    fleet.hosts[1].kill()
    eventually(lambda: left_out(app, "host2"), within=60)
    fleet.hosts[1].start()
    eventually(lambda: answering(app) == before, within=90)


def test_another_host_key_is_refused(app: App, fleet: Fleet, platform: Platform) -> None:
    answer = platform.mooring(
        "host", "add", f"root@{fleet.hosts[0].address}", "--name", "other", "--runtime", "systemd", "--fingerprint", "SHA256:other"
    )
    assert answer.code == 2
    assert "not SHA256:other" in answer.err


def test_a_second_controller_is_refused_the_host(app: App, fleet: Fleet) -> None:
    directory = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    second = Platform(directory)
    try:
        second.up()
        fleet.hosts[0].says("sh", "-c", "cat >> /root/.ssh/authorized_keys", stdin=second.mooring("host", "key").out.encode())
        answer = add(second, fleet.hosts[0])
        assert answer.code == 2, answer
        assert "it serves another controller" in answer.out
    finally:
        second.kill_all()
        shutil.rmtree(directory, ignore_errors=True)


def test_a_host_is_emptied_by_the_next_deployment_and_taken_away(app: App, platform: Platform, fleet: Fleet) -> None:
    assert platform.mooring("host", "rm", "host3").code != 0, "it is in use"
    assert platform.mooring("host", "drain", "host3").code == 0
    app.release(5)
    with Traffic(app) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    check_proof(app, traffic)
    assert places(app) == ["host1", "host1", "host2"]
    answer = platform.mooring("host", "rm", "host3")
    assert answer.code == 0, answer
    assert "mooring" not in fleet.hosts[2].says("systemctl", "list-units", "--all", "--plain", "--no-legend")


def test_destroying_it_leaves_nothing_of_it_on_any_host(app: App, fleet: Fleet) -> None:
    assert app.mooring("destroy", "--confirm", "shop").code == 0
    for host in fleet.hosts:
        assert "mooring-shop" not in host.says("systemctl", "list-units", "--plain", "--no-legend")
        assert host.says("find", "/etc/systemd/system", "/run/systemd/system", "-name", "mooring-shop*") == ""
