"""Hosts through the API: looked at before anything is done, pinned, prepared once, emptied before they are taken away."""

from __future__ import annotations

import msgspec
import pytest
from server.serving import Served

from mooring.client.client import Client
from mooring.errors import CapacityExceeded, InvalidInput, NeedsPerson, NotFound, Refused, Unavailable
from mooring.model.deployment import Revision
from mooring.model.environment import EnvironmentId
from mooring.model.host import EdgePorts, HostRuntime, HostStep, Weight
from mooring.model.names import HostId, ProcessName
from mooring.model.records import EnvironmentRecord
from mooring.testing.hosts import GOOD, a_host_key
from mooring.testing.samples import a_release
from mooring.usecases.requests import HostRequest

WEB_1 = "root@web-1.example.com"
KEY = a_host_key(WEB_1)
REQUEST = HostRequest(address=WEB_1, host_key=KEY, region="eu")
EDGED = msgspec.structs.replace(REQUEST, edge=EdgePorts(http=80, https=0))
SHOP = EnvironmentId.parse("shop")


@pytest.fixture
def client(served: Served) -> Client:
    """Of a platform without hosts, whatever another test has left."""
    hosts = served.world.hosts
    for host in served.world.memory.hosts():
        served.client.remove_host(host.name, is_lost=True)
    served.world.memory.forget_environment(SHOP)
    for known in (hosts.done, hosts.undone, hosts.keys, hosts.facts, hosts.edges, hosts.behind):
        known.clear()
    hosts.facts[WEB_1] = GOOD
    return served.client


def test_the_key_that_is_offered_is_told_before_anything_is_asked_of_the_host(client: Client, served: Served) -> None:
    plan = client.plan_host(HostRequest(address=WEB_1))
    assert (plan.host.name, plan.host.host_key, plan.facts) == ("web-1", KEY, None)
    assert plan.fingerprint.startswith("SHA256:")
    assert served.world.hosts.done == []


def test_the_plan_says_what_was_found_and_what_would_be_done_and_does_nothing(client: Client, served: Served) -> None:
    plan = client.plan_host(REQUEST)
    assert {finding.weight for finding in plan.preparation.findings} == {Weight.GOOD}
    assert [each.step for each in plan.preparation.steps] == [HostStep.CLAIM]
    assert (plan.host.bind, plan.host.memory, plan.host.processors) == ("10.0.0.5", 3_200_000_000, 2)
    assert served.world.hosts.done == []
    assert client.hosts() == ()


def test_a_host_is_prepared_once_and_used_from_then_on(client: Client, served: Served) -> None:
    added = client.add_host(REQUEST)
    assert len(added.done) == 1
    assert client.add_host(REQUEST).done == ()
    assert served.world.hosts.done == [(HostId("web-1"), HostStep.CLAIM)]
    (status,) = client.hosts()
    assert (status.host.name, status.host.region, status.instances) == ("web-1", "eu", 0)
    assert status.age is not None, "it is looked at though no app runs there"
    assert HostId("web-1") in served.services.platform.controller.fleet.budgets()


def test_the_engines_socket_is_found_or_chosen_and_remembered(client: Client, served: Served) -> None:
    served.world.hosts.facts[WEB_1] = msgspec.structs.replace(GOOD, engine_socket="/run/podman/podman.sock")
    assert client.add_host(REQUEST).host.engine_socket == "/run/podman/podman.sock"
    chosen = msgspec.structs.replace(REQUEST, engine_socket="unix:///run/user/1000/podman/podman.sock")
    client.add_host(chosen)
    assert [each.host.engine_socket for each in client.hosts()] == ["/run/user/1000/podman/podman.sock"]
    with pytest.raises(InvalidInput, match="no socket of an engine"):
        client.add_host(msgspec.structs.replace(REQUEST, engine_socket="tcp://10.0.0.5:2375"))


def test_through_a_bastion_both_keys_are_told_confirmed_and_pinned(client: Client, served: Served) -> None:
    gate, hosts = "deploy@gate.example.com", served.world.hosts
    hosts.behind[WEB_1] = gate
    with pytest.raises(Unavailable, match="cannot be reached"):
        client.plan_host(HostRequest(address=WEB_1))
    asked = HostRequest(address=WEB_1, bastion=gate)
    plan = client.plan_host(asked)
    assert plan.host.bastion is not None
    assert (plan.fingerprint, plan.host.bastion.host_key, plan.host.host_key) == ("", a_host_key(gate), "")
    asked = msgspec.structs.replace(asked, bastion_key=a_host_key(gate))
    assert client.plan_host(asked).host.host_key == KEY
    asked = msgspec.structs.replace(asked, host_key=KEY)
    assert client.add_host(asked).host.bastion == plan.host.bastion
    with pytest.raises(InvalidInput, match="no key of the bastion is given"):
        client.add_host(msgspec.structs.replace(asked, bastion_key=""))
    with pytest.raises(InvalidInput, match=f"{gate} is pinned to SHA256:.*, and this is another key"):
        client.add_host(msgspec.structs.replace(asked, bastion_key=a_host_key("another")))
    hosts.keys[gate] = a_host_key("another")
    with pytest.raises(NeedsPerson, match="another host key"):
        client.check_host("web-1")
    hosts.behind.clear()
    assert client.add_host(REQUEST).host.bastion is None, "without it, it is reached at once"


def test_a_host_with_a_fault_is_refused_with_the_first_thing_to_do(client: Client, served: Served) -> None:
    served.world.hosts.facts[WEB_1] = msgspec.structs.replace(GOOD, owner="another", disk_free=5)
    with pytest.raises(CapacityExceeded, match="it serves another controller, another") as refused:
        client.add_host(REQUEST)
    assert "make room" in refused.value.hint
    assert served.world.hosts.done == []
    assert client.hosts() == ()


def test_a_host_of_a_controller_that_is_gone_can_be_taken_over(client: Client, served: Served) -> None:
    served.world.hosts.facts[WEB_1] = msgspec.structs.replace(GOOD, owner="another")
    client.add_host(msgspec.structs.replace(REQUEST, take_over=True))
    assert served.world.hosts.facts[WEB_1].owner == "c0ffee"


def test_another_key_than_the_confirmed_one_is_never_accepted(client: Client, served: Served) -> None:
    served.world.hosts.keys[WEB_1] = a_host_key("somebody in between")
    with pytest.raises(NeedsPerson, match="another host key"):
        client.add_host(REQUEST)
    served.world.hosts.keys.clear()
    client.add_host(REQUEST)
    with pytest.raises(InvalidInput, match="web-1 is pinned to SHA256:"):
        client.add_host(msgspec.structs.replace(REQUEST, host_key=a_host_key("another")))


def test_a_host_that_does_not_answer_or_does_not_exist_is_said_to(client: Client) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        client.plan_host(HostRequest(address="root@192.0.2.1"))
    with pytest.raises(NotFound, match="no host web-9"):
        client.check_host("web-9")
    with pytest.raises(InvalidInput, match="no address of a host"):
        client.plan_host(HostRequest(address="web-1; touch /tmp/x"))
    with pytest.raises(InvalidInput, match="no host key is given"):
        client.add_host(HostRequest(address=WEB_1))
    with pytest.raises(InvalidInput, match="that is no host key"):
        client.add_host(msgspec.structs.replace(REQUEST, host_key="ssh-ed25519 ???"))


def test_a_host_is_drained_and_used_again(client: Client) -> None:
    client.add_host(REQUEST)
    assert client.drain_host("web-1", is_draining=True).is_draining
    assert client.hosts()[0].host.is_draining
    assert client.add_host(REQUEST).host.is_draining, "to prepare it again does not put it into use again"
    assert not client.drain_host("web-1", is_draining=False).is_draining


def test_a_host_in_use_is_not_taken_away_unless_it_is_lost(client: Client, served: Served) -> None:
    client.add_host(REQUEST)
    memory = served.world.memory
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=1.0))
    memory.add_release(a_release())
    placement = {ProcessName("web"): (HostId("web-1"),)}
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=1.0, revision=Revision(release=1, placement=placement)))
    with pytest.raises(Refused, match="shop/production still run on web-1"):
        client.remove_host("web-1")
    assert client.hosts()[0].environments == ("shop/production",)
    client.remove_host("web-1", is_lost=True)
    assert client.hosts() == ()
    assert served.world.hosts.undone == []


def test_what_was_done_on_a_host_is_undone_when_it_is_taken_away(client: Client, served: Served) -> None:
    client.add_host(REQUEST)
    client.remove_host("web-1")
    assert served.world.hosts.undone == [(HostId("web-1"), HostStep.CLAIM)]
    assert client.hosts() == ()


def test_a_user_of_systemd_without_root_gets_its_units_kept(client: Client, served: Served) -> None:
    address = "deploy@10.0.0.7:2222"
    served.world.hosts.facts[address] = msgspec.structs.replace(GOOD, user="deploy", is_root=False, engine="")
    request = HostRequest(address=address, host_key=a_host_key(address), runtime=HostRuntime.SYSTEMD)
    added = client.add_host(request)
    assert added.host.name == "host-10-0-0-7"
    assert [step for _, step in served.world.hosts.done] == [HostStep.CLAIM, HostStep.LINGER]
    docker = msgspec.structs.replace(request, runtime=HostRuntime.DOCKER, name="other")
    with pytest.raises(CapacityExceeded, match="there is none that deploy may use"):
        client.add_host(docker)


def test_ports_that_were_closed_stay_so_when_the_host_is_added_again_and_are_opened_when_it_is_taken_away(
    client: Client, served: Served
) -> None:
    asked = msgspec.structs.replace(REQUEST, firewall=True)
    (closing,) = [each for each in client.plan_host(asked).preparation.steps if each.step is HostStep.FIREWALL]
    assert "close ports 30000-32767 but from 10.0.0.1" in closing.what
    client.add_host(asked)
    assert client.add_host(REQUEST).host.has_firewall, "once it was asked for"
    assert {each.subject: each.weight for each in client.check_host("web-1").preparation.findings}["firewall"] is Weight.GOOD
    client.remove_host("web-1")
    assert (HostId("web-1"), HostStep.FIREWALL) in served.world.hosts.undone


def test_the_controllers_public_key_is_told(client: Client) -> None:
    assert client.host_key().public_key.startswith("ssh-ed25519 ")


def test_a_host_that_carries_an_edge_has_begun_to_serve_when_it_is_added(client: Client, served: Served) -> None:
    edges = served.services.platform.controller.edges
    added = client.add_host(EDGED)
    assert added.host.edge == EdgePorts(http=80, https=0)
    assert [step for _, step in served.world.hosts.done] == [HostStep.CLAIM, HostStep.EDGE]
    assert [sight.host for sight in edges.sights()] == ["web-1"]
    (status,) = client.hosts()
    assert status.edge_error == ""
    served.world.hosts.edges[HostId("web-1")].faults.is_down = True
    (status,) = client.hosts()
    assert status.edge_error == "the edge gives no answer"
    served.world.hosts.edges[HostId("web-1")].faults.is_down = False
    client.remove_host("web-1")
    assert [step for _, step in served.world.hosts.undone] == [HostStep.EDGE, HostStep.CLAIM]
    assert edges.sights() == ()


def test_a_host_that_is_added_again_without_an_edge_carries_none_any_more(client: Client, served: Served) -> None:
    client.add_host(EDGED)
    again = client.add_host(REQUEST)
    assert again.host.edge is None
    assert served.world.hosts.undone == [(HostId("web-1"), HostStep.EDGE)]
    assert served.services.platform.controller.edges.sights() == ()
    client.remove_host("web-1")
    assert served.world.hosts.undone[1:] == [(HostId("web-1"), HostStep.CLAIM)]


def test_an_edge_that_does_not_begin_to_serve_is_no_edge(client: Client, served: Served) -> None:
    served.world.hosts.edge(client.plan_host(EDGED).host).faults.is_down = True  # type: ignore[attr-defined]  # it is a fake
    try:
        with pytest.raises(Unavailable, match="the edge gives no answer"):
            client.add_host(EDGED)
        assert client.hosts() == ()
    finally:
        served.world.hosts.edges.clear()


def test_an_edge_needs_two_ports(client: Client) -> None:
    for ports in (EdgePorts(http=0), EdgePorts(http=80, https=80), EdgePorts(https=70_000)):
        with pytest.raises(InvalidInput, match="an edge cannot listen on"):
            client.plan_host(msgspec.structs.replace(REQUEST, edge=ports))


def test_a_firewall_never_keeps_out_the_edge_of_its_region(client: Client, served: Served) -> None:
    addresses = [f"root@web-{number}.example.com" for number in (2, 3)]
    served.world.hosts.facts.update(dict.fromkeys(addresses, GOOD))
    closed, edged = (HostRequest(address=each, host_key=a_host_key(each), region="eu") for each in addresses)
    closed, edged = msgspec.structs.replace(closed, firewall=True), msgspec.structs.replace(edged, edge=EdgePorts())
    client.add_host(msgspec.structs.replace(EDGED, firewall=True))
    with pytest.raises(InvalidInput, match="the edge on web-1 could not reach instances behind the firewall of web-2"):
        client.add_host(closed)
    with pytest.raises(InvalidInput, match="the edge on web-3 could not reach instances behind the firewall of web-1"):
        client.add_host(edged)
    client.add_host(msgspec.structs.replace(closed, region="us"))
