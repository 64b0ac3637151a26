"""Whether a host may be used: each fact by itself, what is left to do, and that doing it leaves nothing."""

from __future__ import annotations

import msgspec
import pytest

from mooring.errors import InvalidInput
from mooring.model.host import EdgePorts, Facts, Host, HostAddress, HostRuntime, HostStep, Weight, engine_socket
from mooring.model.names import HostId
from mooring.planner.hosts import prepare
from mooring.testing.hosts import GOOD

OWN = "c1"


def host(runtime: HostRuntime = HostRuntime.DOCKER, *, bind: str = "10.0.0.5", memory: int = 0, has_firewall: bool = False) -> Host:
    address = HostAddress("root", "web-1")
    return Host(name=HostId("web-1"), address=address, runtime=runtime, bind=bind, memory=memory, has_firewall=has_firewall)


PODMAN = msgspec.structs.replace(host(), engine_socket="/run/podman/podman.sock")
EDGE = msgspec.structs.replace(host(), edge=EdgePorts())


def test_a_host_is_made_to_carry_an_edge_unless_it_does_for_this_controller() -> None:
    def steps(**facts: object) -> list[HostStep]:
        return [each.step for each in prepare(EDGE, changed(**facts), controller=OWN).steps]

    assert steps(owner=OWN) == [HostStep.EDGE]
    assert steps(owner=OWN, is_edge_up=True) == []
    assert steps(is_edge_up=True) == [HostStep.CLAIM, HostStep.EDGE]
    planned = prepare(EDGE, changed(owner=OWN, haproxy=""), controller=OWN).steps
    assert "install it" in planned[0].what


def found(subject: str, facts: Facts, target: Host | None = None) -> tuple[Weight, str]:
    (finding,) = (each for each in prepare(target or host(), facts, controller=OWN).findings if each.subject == subject)
    assert finding.weight is Weight.GOOD or finding.hint, "what is not good says what to do"
    return finding.weight, finding.said


def changed(**facts: object) -> Facts:
    return msgspec.structs.replace(GOOD, **facts)


@pytest.mark.parametrize(
    ("subject", "facts", "target", "weight"),
    [
        ("system", changed(system="ubuntu 24.04"), None, Weight.GOOD),
        ("system", changed(system="fedora 41"), None, Weight.WARNING),
        ("clock", changed(clock=104.0, asked_at=100.0), None, Weight.GOOD),
        ("clock", changed(clock=100.0, asked_at=3700.0), None, Weight.WARNING),
        ("disk", changed(disk_free=999_999_999), None, Weight.FAULT),
        ("memory", GOOD, host(memory=4_000_000_001), Weight.FAULT),
        ("memory", GOOD, host(memory=4_000_000_000), Weight.GOOD),
        ("address", GOOD, host(bind="203.0.113.7"), Weight.GOOD),
        ("address", GOOD, host(bind="8.8.8.8"), Weight.WARNING),
        ("address", GOOD, host(bind="0.0.0.0"), Weight.WARNING),
        ("address", GOOD, host(bind="web-1"), Weight.FAULT),
        ("owner", changed(owner=OWN), None, Weight.GOOD),
        ("owner", changed(owner="c2"), None, Weight.FAULT),
        ("engine", changed(engine="1.41"), None, Weight.GOOD),
        ("engine", changed(engine="1.40"), None, Weight.FAULT),
        ("engine", changed(engine=""), None, Weight.WARNING),
        ("engine", changed(engine=""), PODMAN, Weight.FAULT),
        ("engine", changed(engine_socket="/run/podman/podman.sock"), PODMAN, Weight.GOOD),
        ("engine", changed(engine="", is_root=False), None, Weight.FAULT),
        ("engine", changed(is_root=False), None, Weight.GOOD),
        ("engine", changed(is_root=False, systemd=0), None, Weight.FAULT),
        ("engine", changed(is_root=False, engine="1.40"), None, Weight.FAULT),
        ("systemd", changed(systemd=247), host(HostRuntime.SYSTEMD), Weight.GOOD),
        ("systemd", changed(systemd=246), host(HostRuntime.SYSTEMD), Weight.FAULT),
        ("systemd", changed(systemd=0), host(HostRuntime.SYSTEMD), Weight.FAULT),
        ("firewall", GOOD, host(has_firewall=True), Weight.WARNING),
        ("firewall", changed(firewall="30000-32767 but from 10.0.0.1"), host(has_firewall=True), Weight.GOOD),
        ("firewall", changed(firewall="30000-32767 but from 10.0.0.9"), host(has_firewall=True), Weight.WARNING),
        ("firewall", changed(firewall="20000-29999 but from 10.0.0.1"), host(HostRuntime.SYSTEMD, has_firewall=True), Weight.GOOD),
        ("firewall", changed(is_root=False), host(has_firewall=True), Weight.FAULT),
        ("firewall", changed(systemd=0), host(has_firewall=True), Weight.FAULT),
        ("runtime", GOOD, host(HostRuntime.PROCESS), Weight.FAULT),
        ("edge", GOOD, EDGE, Weight.GOOD),
        ("edge", changed(haproxy=""), EDGE, Weight.GOOD),
        ("edge", changed(haproxy="2.6.12"), EDGE, Weight.GOOD),
        ("edge", changed(haproxy="2.4.3"), EDGE, Weight.FAULT),
        ("edge", changed(is_root=False), EDGE, Weight.FAULT),
        ("edge", changed(systemd=0), EDGE, Weight.FAULT),
        ("edge", changed(has_python=False), EDGE, Weight.FAULT),
        ("edge", changed(listening=(22, 443)), EDGE, Weight.FAULT),
        ("edge", changed(listening=(22, 443), is_edge_up=True), EDGE, Weight.GOOD),
        ("edge", changed(listening=(22, 8080)), EDGE, Weight.GOOD),
    ],
)
def test_each_fact_is_judged(subject: str, facts: Facts, target: Host | None, weight: Weight) -> None:
    assert found(subject, facts, target)[0] is weight


@pytest.mark.parametrize(
    ("facts", "runtime", "steps"),
    [
        (GOOD, HostRuntime.DOCKER, [HostStep.CLAIM]),
        (changed(owner=OWN), HostRuntime.DOCKER, []),
        (changed(owner=OWN, engine=""), HostRuntime.DOCKER, [HostStep.ENGINE]),
        (changed(owner=OWN), HostRuntime.SYSTEMD, []),
        (changed(owner=OWN, is_root=False), HostRuntime.SYSTEMD, [HostStep.LINGER]),
        (changed(owner=OWN, is_root=False, is_lingering=True), HostRuntime.SYSTEMD, []),
    ],
)
def test_what_is_left_to_do_is_what_is_missing(facts: Facts, runtime: HostRuntime, steps: list[HostStep]) -> None:
    planned = prepare(host(runtime), facts, controller=OWN).steps
    assert [each.step for each in planned] == steps
    assert all(each.reason for each in planned)


@pytest.mark.parametrize(
    "text",
    ["root@203.0.113.7", "deploy@web-1.example.com:2222", "ssh://root@[2001:db8::7]:22", "root@web-1"],
)
def test_an_address_reads_as_it_is_written(text: str) -> None:
    address = HostAddress.parse(text)
    assert HostAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web-1",
        "@web-1",
        "root@",
        "root@-oProxyCommand=x",
        "root@web-1/path",
        "root:secret@web-1",
        "root@web 1",
        "http://root@web-1",
        "Root@web-1",
        "root@web-1:99999",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="is no address of a host"):
        HostAddress.parse(text)


@pytest.mark.parametrize("runtime", [HostRuntime.DOCKER, HostRuntime.SYSTEMD])
def test_an_account_that_is_not_root_is_kept_without_a_login_and_root_is_anyway(runtime: HostRuntime) -> None:
    def steps(facts: Facts) -> list[HostStep]:
        return [each.step for each in prepare(host(runtime), facts, controller=OWN).steps]

    assert steps(changed(is_root=False, owner=OWN)) == [HostStep.LINGER]
    assert steps(changed(is_root=False, owner=OWN, is_lingering=True)) == []
    assert steps(changed(owner=OWN)) == []


def test_ports_are_closed_only_where_it_is_asked_for_and_again_when_the_edge_comes_from_elsewhere() -> None:
    def steps(facts: Facts, *, has_firewall: bool = True) -> list[HostStep]:
        return [each.step for each in prepare(host(has_firewall=has_firewall), facts, controller=OWN).steps]

    assert steps(changed(owner=OWN), has_firewall=False) == []
    assert steps(changed(owner=OWN)) == [HostStep.FIREWALL]
    assert steps(changed(owner=OWN, firewall="30000-32767 but from 10.0.0.1")) == []
    assert steps(changed(owner=OWN, firewall="30000-32767 but from 10.0.0.9")) == [HostStep.FIREWALL]


def test_no_engine_is_installed_beside_the_one_that_was_named_and_does_not_answer() -> None:
    assert prepare(PODMAN, changed(owner=OWN, engine=""), controller=OWN).steps == ()
    assert found("engine", changed(engine=""), PODMAN)[1] == "none answers root at /run/podman/podman.sock"
    assert found("engine", changed(engine_socket="/run/docker.sock"))[1] == "API 1.45, at /run/docker.sock"


@pytest.mark.parametrize(("text", "path"), [("unix:///run/a.sock", "/run/a.sock"), ("/run/user/1000/podman/podman.sock",) * 2])
def test_a_socket_reads_as_it_is_written(text: str, path: str) -> None:
    assert engine_socket(text) == path


@pytest.mark.parametrize(
    "text", ["", "run/a.sock", "tcp://1.2.3.4:2375", "unix://a", "/a b", "/a/../b", "/a;b", "/a\n", "/", "/" + "a" * 110]
)
def test_what_is_no_socket_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no socket of an engine"):
        engine_socket(text)
