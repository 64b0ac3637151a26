"""mooring host: what is shown before anything is done, whom a host key is confirmed by, and what is said without a terminal."""

from __future__ import annotations

import msgspec
import pytest
from console import mooring
from fake_platform import FakePlatform

from mooring.model.host import EdgePorts, fingerprint
from mooring.testing.hosts import GOOD, a_host_key

WEB_1 = "root@web-1.example.com"
PRINT = fingerprint(a_host_key(WEB_1))


@pytest.fixture(autouse=True)
def _there_is_a_host(platform: FakePlatform) -> None:
    platform.found[WEB_1] = GOOD


def test_without_a_terminal_a_key_that_nobody_confirmed_is_not_taken(platform: FakePlatform) -> None:
    answer = mooring("host", "add", WEB_1, platform=platform)
    assert answer.code == 2
    assert f"add --fingerprint {PRINT}" in " ".join(answer.err.split())
    assert platform.kept == {}


def test_with_the_right_fingerprint_it_is_added_and_what_was_done_is_shown(platform: FakePlatform) -> None:
    answer = mooring(
        "host", "add", WEB_1, "--region", "eu", "--label", "disk=ssd", "--memory", "2GB", "--fingerprint", PRINT, platform=platform
    )
    assert answer.code == 0, answer.err
    assert "web-1 runs apps of region eu now" in answer.out
    assert "write down whose it is" in answer.err
    host = platform.kept["web-1"]
    assert (host.region, host.labels, host.memory) == ("eu", {"disk": "ssd"}, 2_000_000_000)


def test_another_fingerprint_than_the_wanted_one_ends_it(platform: FakePlatform) -> None:
    answer = mooring("host", "add", WEB_1, "--fingerprint", "SHA256:other", platform=platform)
    assert answer.code == 2
    assert f"shows the host key {PRINT}, not SHA256:other" in " ".join(answer.err.split())


def test_the_key_of_a_bastion_is_confirmed_before_it_is_gone_through(platform: FakePlatform) -> None:
    gate = "deploy@gate.example.com"
    words = ("host", "add", WEB_1, "--bastion", gate, "--fingerprint", PRINT)
    shown = fingerprint(a_host_key(gate))
    answer = mooring(*words, platform=platform)
    assert (answer.code, platform.kept) == (2, {})
    assert f"{gate} shows the host key {shown}, and nobody has confirmed it" in " ".join(answer.err.split())
    assert f"add --bastion-fingerprint {shown}" in " ".join(answer.err.split())
    answer = mooring(*words, "--bastion-fingerprint", shown, platform=platform)
    assert answer.code == 0, answer.err
    assert f"{WEB_1}, by {gate}" in " ".join(answer.err.split())
    bastion = platform.kept["web-1"].bastion
    assert bastion is not None and bastion.host_key == a_host_key(gate)
    assert gate in mooring("host", "ls", platform=platform).out


def test_a_plan_changes_nothing_and_a_fault_says_what_to_do(platform: FakePlatform) -> None:
    shown = mooring("host", "add", WEB_1, "--fingerprint", PRINT, "--plan", platform=platform)
    assert (shown.code, platform.kept) == (0, {})
    assert "✓ system: debian 13, amd64, 2 processors" in shown.out
    platform.found[WEB_1] = msgspec.structs.replace(GOOD, disk_free=5)
    refused = mooring("host", "add", WEB_1, "--fingerprint", PRINT, platform=platform)
    assert refused.code == 2
    assert "✗ disk: 5 B free" in refused.out
    assert "make room" in refused.err


def test_hosts_are_listed_with_how_each_is_seen(platform: FakePlatform) -> None:
    assert "`mooring host add` adds another" in mooring("host", "ls", platform=platform).out
    mooring("host", "add", WEB_1, "--fingerprint", PRINT, platform=platform)
    assert "now" in mooring("host", "ls", platform=platform).out.splitlines()[1].split()
    platform.errors["web-1"] = "connection refused"
    listed = mooring("host", "ls", platform=platform).out
    assert "1m30s ago" in listed
    assert "web-1: connection refused" in listed
    (told,) = mooring("host", "ls", "--json", platform=platform).document["hosts"]
    assert (told["host"]["name"], told["error"]) == ("web-1", "connection refused")


def test_a_host_is_checked_drained_and_taken_away(platform: FakePlatform) -> None:
    mooring("host", "add", WEB_1, "--fingerprint", PRINT, platform=platform)
    assert mooring("host", "check", "web-1", platform=platform).code == 0
    platform.found[WEB_1] = msgspec.structs.replace(GOOD, disk_free=5)
    assert mooring("host", "check", "web-1", platform=platform).code == 1
    mooring("host", "drain", "web-1", platform=platform)
    assert platform.kept["web-1"].is_draining
    mooring("host", "drain", "web-1", "--off", platform=platform)
    assert not platform.kept["web-1"].is_draining
    assert mooring("host", "rm", "web-1", platform=platform).code == 0
    assert mooring("host", "rm", "web-1", platform=platform).code == 2


def test_the_public_key_is_one_line_to_copy(platform: FakePlatform) -> None:
    assert mooring("host", "key", platform=platform).out == "ssh-ed25519 AAAA mooring\n"


def test_a_host_carries_an_edge_where_it_is_asked_to_and_its_trouble_is_told(platform: FakePlatform) -> None:
    words = ("host", "add", WEB_1, "--region", "eu", "--fingerprint", PRINT, "--edge")
    answer = mooring(*words, "--edge-ports", "8080,0", platform=platform)
    assert answer.code == 0, answer.err
    assert "let HAProxy run there as an edge" in " ".join(answer.err.split())
    assert "web-1 runs apps of region eu and carries an edge now" in " ".join(answer.out.split())
    assert platform.kept["web-1"].edge == EdgePorts(http=8080, https=0)
    assert "8080" in mooring("host", "ls", platform=platform).out
    platform.errors["web-1"] = "connection refused"
    assert "the edge on web-1: connection refused" in mooring("host", "ls", platform=platform).out
    assert mooring(*words, platform=platform).code == 0
    assert platform.kept["web-1"].edge == EdgePorts(http=80, https=443)


@pytest.mark.parametrize("ports", ["80", "80,x", "80,443,8080", "-1,2", "123456,1"])
def test_ports_of_an_edge_are_two_numbers(platform: FakePlatform, ports: str) -> None:
    answer = mooring("host", "add", WEB_1, "--fingerprint", PRINT, "--edge", "--edge-ports", ports, platform=platform)
    assert answer.code == 2
    assert "--edge-ports 80,443" in answer.err
