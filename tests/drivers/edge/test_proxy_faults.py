"""What happens when a proxy is away, asked twice at once or asked too much. With a real Envoy and a real HAProxy."""

from __future__ import annotations

import asyncio

import pytest

from mooring.errors import Unavailable
from mooring.testing.edge_contract import PATIENCE, Shop, eventually
from mooring.testing.proxy import ProxyRig


@pytest.fixture
def shop(rig: ProxyRig) -> Shop:
    return Shop(rig)


async def test_a_change_while_the_proxy_is_down_is_refused_and_not_kept(rig: ProxyRig, shop: Shop) -> None:
    old, new = await rig.listen("old"), await rig.listen("new")
    await shop.apply(shop.table(shop.endpoint(old)))
    rig.platform.kill("edge")
    with pytest.raises(Unavailable, match="does not run"):
        await shop.apply(shop.table(shop.endpoint(new, release=2)))
    with pytest.raises(Unavailable):
        await rig.edge.observe()
    rig.platform.start_program(rig.platform.program("edge"))
    await asyncio.to_thread(rig.platform.wait_until_listening)
    assert (await shop.ask()).text == "old"


async def test_two_changes_at_once_come_one_after_the_other(rig: ProxyRig) -> None:
    shops = [Shop(rig) for _ in range(6)]
    apps = [await rig.listen(f"app{number}") for number in range(6)]
    await asyncio.gather(*(shop.apply(shop.table(shop.endpoint(app))) for shop, app in zip(shops, apps, strict=True)))
    answers = await asyncio.gather(*(shop.ask() for shop in shops))
    assert [answer.text for answer in answers] == [app.name for app in apps]


async def test_held_requests_are_bounded(rig: ProxyRig, shop: Shop) -> None:
    """The platform of the tests holds as many as the settings say; the rest is told to come back."""
    most = rig.platform.settings.max_held
    await shop.apply(shop.table(hold=PATIENCE))
    asking = [asyncio.create_task(shop.ask()) for _ in range(most + 5)]
    try:

        async def are_refused() -> bool:
            return sum(task.done() for task in asking) >= 5

        await eventually(are_refused)
        assert {task.result().status for task in asking if task.done()} == {503}
        assert all("Too many requests are waiting" in task.result().text for task in asking if task.done())
    finally:
        app = await rig.listen("late")
        await shop.apply(shop.table(shop.endpoint(app), hold=PATIENCE))
        served = [reply for reply in await asyncio.gather(*asking) if reply.status == 200]
    assert len(served) == most
