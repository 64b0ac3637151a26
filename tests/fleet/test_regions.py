"""Two regions with an edge each: all edges show the same release, under traffic, and also when one of them was cut off in the middle."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e.platform import App, Platform, Traffic, eventually, receipt_of, running, short_directory
from fleet.rig import Fleet, Host
from fleet.test_platform import first_release, is_at_rest, places

from mooring.model.host import fingerprint

MANIFEST = """\
runtime = "systemd"

[regions.eu]

[regions.us]

[processes.web]
command = "python3 serve.py"

[processes.web.health]
path = "/up"

[deploy]
bake = 0.5
drain_timeout = 5
progress_deadline = 60
"""
REGIONS = ("eu", "us")
INSIDE = """\
import http.client, json, sys, time
found, until = [], time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    try:
        line = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
        line.request("GET", "/", headers={"Host": "shop.localhost"})
        answer = line.getresponse()
        answer.read()
        found.append(answer.status)
    except OSError as error:
        found.append(str(error))
    time.sleep(0.02)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with short_directory() as directory, running(Platform(directory)) as here:
        yield here


@pytest.fixture(scope="module")
def hosts(platform: Platform, fleet: Fleet) -> Iterator[tuple[Host, Host]]:
    """One of each region. They are as new afterwards."""
    found = (fleet.hosts[0], fleet.hosts[1])
    key = platform.mooring("host", "key").out
    for host, region in zip(found, REGIONS, strict=True):
        host.says("sh", "-c", "cat >> /root/.ssh/authorized_keys", stdin=key.encode())
        added = add(platform, host, "--region", region, "--edge")
        assert added.code == 0, added
        assert "carries an edge" in added.out
    yield found
    for host in found:
        host.reset()
        host.start()


@pytest.fixture(scope="module")
def app(platform: Platform, hosts: tuple[Host, Host]) -> App:
    return first_release(platform, MANIFEST)


def add(platform: Platform, host: Host, *words: str):
    known = ("--name", host.name, "--runtime", "systemd", "--fingerprint", fingerprint(host.key))
    return platform.mooring("host", "add", f"root@{host.address}", *known, *words)


def ask(host: Host, path: str = "/") -> str:
    """As a visitor of that host's edge."""
    connection = http.client.HTTPConnection(host.address, 80, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": "shop.localhost"})
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode()}"
    finally:
        connection.close()


def answering(hosts: tuple[Host, Host]) -> list[set[str]]:
    return [{ask(host) for _ in range(10)} for host in hosts]


def test_each_edge_answers_from_its_own_region_and_the_list_shows_where(app: App, hosts: tuple[Host, Host], platform: Platform) -> None:
    assert answering(hosts) == [{"200 1 host1"}, {"200 1 host2"}]
    assert {app.get("/")[1].decode() for _ in range(20)} == {"1 host1", "1 host2"}
    listed = platform.mooring("host", "ls", "--json").json["hosts"]
    assert [(each["host"]["edge"], each["edge_error"]) for each in listed] == [({"http": 80, "https": 443}, "")] * 2
    assert hosts[0].says("ps", "-o", "user=", "-C", "haproxy").split() == ["mooring-edge", "mooring-edge"]


def test_a_deploy_under_traffic_through_both_edges_fails_no_request(app: App, hosts: tuple[Host, Host]) -> None:
    app.release(2)
    with Traffic(app, at=f"{hosts[0].address}:80", rate=50) as first, Traffic(app, at=f"{hosts[1].address}:80", rate=50) as second:
        answer = app.deploy()
    assert answer.code == 0, answer
    for traffic in (first, second):
        assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
        assert traffic.report["sent"] > 50
    assert answering(hosts) == [{"200 2 host1"}, {"200 2 host2"}]
    receipt = receipt_of(app)["traffic"]
    assert receipt["edge_errors"] == receipt["resets"] == 0
    assert receipt["requests"] > 50, "the requests of both edges are in it"


def test_an_edge_cut_off_in_the_middle_ends_with_the_same_release_on_both_and_fails_no_request(app: App, hosts: tuple[Host, Host]) -> None:
    app.release(3)
    with ThreadPoolExecutor(1) as threads:
        inside = threads.submit(hosts[1].run, "python3", "-c", INSIDE, "9")
        with Traffic(app, at=f"{hosts[0].address}:80", rate=50) as outside:
            assert app.deploy("--detach").code == 0
            eventually(lambda: len(places(app)) > 2, within=60)
            hosts[1].cut()
            try:
                time.sleep(2.5)  # as long as a line may be away in the middle of anything
                assert "200" in ask(hosts[0])
            finally:
                hosts[1].mend()
            eventually(lambda: is_at_rest(app), within=120)
    assert outside.report["failed"] == 0, str(outside.report["failures"][:5])
    statuses = json.loads(inside.result().stdout)
    assert set(statuses) == {200}, statuses
    assert len(statuses) > 50

    def agree() -> bool:
        """One release, each from its own region."""
        found = answering(hosts)
        return found in ([{f"200 {release} host1"}, {f"200 {release} host2"}] for release in (2, 3))

    eventually(agree, within=60)


def test_a_host_that_goes_leaves_no_edge_behind(app: App, hosts: tuple[Host, Host], platform: Platform) -> None:
    assert app.mooring("destroy", "--confirm", "shop").code == 0
    assert "404" in ask(hosts[1])
    answer = platform.mooring("host", "rm", "host2")
    assert answer.code == 0, answer
    assert "mooring" not in hosts[1].says("systemctl", "list-units", "--all", "--plain", "--no-legend")
    assert hosts[1].run("id", "mooring-edge").returncode != 0
    assert hosts[1].run("test", "-e", "/var/lib/mooring-edge").returncode != 0
