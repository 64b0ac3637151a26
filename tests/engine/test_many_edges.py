"""Several edges keep what one edge promises; certificates and challenges go to all of them, and one that is off holds nobody up."""

from __future__ import annotations

import itertools

import pytest

from mooring.engine.clock import SystemClock
from mooring.engine.edges import Edges
from mooring.engine.secure_edges import SecureEdges
from mooring.errors import Unavailable
from mooring.model.names import LOCAL, HostId, Hostname, RegionName
from mooring.model.routing import ChallengeAnswer
from mooring.testing.access_contract import AccessContract
from mooring.testing.edge import FakeEdge
from mooring.testing.edge_contract import App, EdgeContract, EdgeRig, Reply, Shop
from mooring.testing.secure_edge_contract import a_certificate

HOST = HostId("eu-1")


class ManyRig:
    """Two edges that route the same: a visitor comes to one, then to the other."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.fakes = (FakeEdge(clock), FakeEdge(clock))
        self._turns = itertools.cycle(self.fakes)
        self._ports = itertools.count(20_000)
        self.edge = self._edges()

    def _edges(self) -> Edges:
        edges = Edges(SystemClock(), self.fakes[0])
        for host in (LOCAL, HOST):
            edges.place(host, RegionName("eu"))
        edges.add(HOST, self.fakes[1])
        return edges

    async def listen(self, name: str) -> App:
        app = App(name, "127.0.0.1", next(self._ports))
        for fake in self.fakes:
            fake.upstreams[app.address, app.port] = app.respond
        return app

    async def ask(self, hostname: str, path: str = "/", *, agent: str = "", accept: str = "", sent: str = "", claimed: str = "") -> Reply:
        """Of an environment without an instance so far only the controller's own edge knows."""
        fake = next(self._turns)
        routed = {name for table in fake.tables() for name in table.hostnames}
        answer = await (fake if hostname in routed else self.fakes[0]).ask(hostname, path, agent=agent, sent=sent, accept=accept)
        return Reply(status=answer.status, text=answer.text, edge=answer.edge, robots=answer.robots)

    def wall(self) -> float:
        return SystemClock().wall()

    async def restart_edge(self) -> None:
        for fake in self.fakes:
            fake.restart()

    async def restart_controller(self) -> None:
        self.edge = self._edges()


@pytest.fixture
def rig() -> EdgeRig:
    return ManyRig()


class TestManyEdges(EdgeContract, AccessContract):
    pass


async def test_certificates_and_challenges_are_given_to_all_and_one_that_is_off_is_given_them_later() -> None:
    rig = ManyRig()
    local, other = rig.fakes
    secure = SecureEdges(local, rig.edge.others)
    shop = Shop(rig)
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    assert secure.tables() == local.tables()
    name, certificate = Hostname(shop.hostname), a_certificate(rig, shop.hostname)
    answer = ChallengeAnswer(hostname=name, token="token", content="content")
    other.faults.is_down = True
    await secure.show({name: certificate})
    await secure.answer((answer,))
    assert (local.shown, local.answers) == ({name: certificate}, (answer,))
    assert (other.shown, other.answers) == ({}, ())
    other.faults.is_down = False
    await secure.show({name: certificate})
    await secure.answer((answer,))
    assert (other.shown, other.answers) == (local.shown, local.answers)
    local.faults.is_down = True
    with pytest.raises(Unavailable):
        await secure.show({})
    assert other.shown == {}
