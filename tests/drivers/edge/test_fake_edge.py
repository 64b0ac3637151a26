"""The fake edge fulfils the contract that the real one fulfils; and its faults do what they say."""

from __future__ import annotations

import itertools

import pytest

from mooring.drivers.edge.contract import Edge
from mooring.engine.clock import SystemClock
from mooring.errors import OutcomeUnknown, Unavailable
from mooring.testing.access_contract import AccessContract
from mooring.testing.edge import FakeEdge
from mooring.testing.edge_contract import App, EdgeContract, EdgeRig, Reply, Shop
from mooring.testing.secure_edge_contract import SecureEdgeContract, Visit, leaf_of


class FakeRig:
    def __init__(self) -> None:
        self.edge: Edge = FakeEdge(SystemClock())
        self._ports = itertools.count(20_000)

    @property
    def fake(self) -> FakeEdge:
        assert isinstance(self.edge, FakeEdge)
        return self.edge

    async def listen(self, name: str) -> App:
        app = App(name, "127.0.0.1", next(self._ports))
        self.fake.upstreams[app.address, app.port] = app.respond
        return app

    async def ask(self, hostname: str, path: str = "/", *, agent: str = "", accept: str = "", sent: str = "", claimed: str = "") -> Reply:
        """What a request claims reaches nobody here."""
        answer = await self.fake.ask(hostname, path, agent=agent, sent=sent, accept=accept)
        return Reply(status=answer.status, text=answer.text, edge=answer.edge, robots=answer.robots)

    @property
    def secure(self) -> FakeEdge:
        return self.fake

    async def visit(self, hostname: str, path: str = "/", *, is_secure: bool = False, agent: str = "browser") -> Visit:
        answer = await self.fake.ask(hostname, path, agent=agent, is_secure=is_secure)
        shown = self.fake.shown.get(hostname) if is_secure else None
        return Visit(
            status=answer.status,
            text=answer.text,
            location=answer.location,
            strict_transport=answer.strict_transport,
            leaf=leaf_of(shown) if shown else "",
        )

    def wall(self) -> float:
        return SystemClock().wall()

    async def restart_edge(self) -> None:
        self.fake.restart()

    async def restart_controller(self) -> None:
        """Its state is all in the fake, as the real one's is on disk."""


@pytest.fixture
def rig() -> EdgeRig:
    return FakeRig()


class TestFakeEdge(EdgeContract, AccessContract):
    pass


class TestFakeSecureEdge(SecureEdgeContract):
    pass


async def test_a_failing_effect_changes_nothing(rig: FakeRig) -> None:
    shop = Shop(rig)
    rig.fake.faults.fail("apply")
    with pytest.raises(Unavailable):
        await shop.apply(shop.table())
    assert await rig.edge.observe() == ()
    await shop.apply(shop.table())
    assert len(await rig.edge.observe()) == 1


async def test_an_effect_whose_answer_is_lost_has_happened(rig: FakeRig) -> None:
    shop = Shop(rig)
    rig.fake.faults.lose_answer("apply")
    with pytest.raises(OutcomeUnknown):
        await shop.apply(shop.table())
    assert len(await rig.edge.observe()) == 1


async def test_an_edge_that_is_down_answers_nothing(rig: FakeRig) -> None:
    shop = Shop(rig)
    await shop.apply(shop.table())
    rig.fake.faults.is_down = True
    with pytest.raises(Unavailable):
        await rig.edge.observe()
    with pytest.raises(Unavailable):
        await shop.remove()
