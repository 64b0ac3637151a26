"""What becomes of HTTPS when Envoy's attendant is away, or a certificate's file is garbled. With a real Envoy."""

from __future__ import annotations

import asyncio

import pytest

from mooring.drivers.edge.envoy.settings import Layout
from mooring.testing.edge_contract import Shop
from mooring.testing.envoy import EnvoyRig
from mooring.testing.secure_edge_contract import PublicShop, a_certificate, leaf_of

PROXIES = ("envoy",)


@pytest.fixture
def shop(rig: EnvoyRig) -> PublicShop:
    return PublicShop(rig)


async def test_with_the_controller_and_the_attendant_away_a_shown_certificate_is_still_shown(rig: EnvoyRig, shop: PublicShop) -> None:
    await shop.apply(shop.with_https(shop.table(shop.endpoint(await rig.listen("one")))))
    shown = a_certificate(rig, shop.hostname)
    await rig.edge.show({shop.hostname: shown})
    assert (await rig.visit(shop.hostname, is_secure=True)).leaf == leaf_of(shown)
    rig.platform.kill("edge-attendant")
    try:
        assert (await rig.visit(shop.hostname, is_secure=True)).leaf == leaf_of(shown)
    finally:
        rig.platform.start_program(rig.platform.program("edge-attendant"))
        await asyncio.to_thread(rig.platform.wait_until_listening)


async def test_a_garbled_certificate_hurts_only_its_own_name_and_is_made_anew(rig: EnvoyRig) -> None:
    shop, other = Shop(rig), Shop(rig)
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    await other.apply(other.table(other.endpoint(await rig.listen("two"))))
    Layout(rig.platform.directory, rig.platform.run_directory).certificate(other.hostname).write_bytes(b"garbage")
    strangers = (await rig.visit("stranger.localhost", is_secure=True)).leaf
    assert (await rig.visit(other.hostname, is_secure=True)).leaf == strangers
    visit = await rig.visit(shop.hostname, is_secure=True)
    assert visit.text == "one"
    assert visit.leaf != strangers
    await rig.restart_controller()
    await rig.restart_edge()
    visit = await rig.visit(other.hostname, is_secure=True)
    assert visit.text == "two"
    assert visit.leaf != strangers
