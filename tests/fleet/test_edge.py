"""The edge `haproxy` on a real host, over SSH: what every edge does, under the host's own systemd."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fleet.edge_rig import SETTINGS, HostEdgePlatform, HostEdgeRig
from fleet.rig import Fleet

from mooring.drivers.edge.haproxy.another_host import AnotherHost
from mooring.drivers.edge.haproxy.edge import HaproxyEdge
from mooring.drivers.edge.haproxy.preparation import ACCOUNT, DIRECTORY, UNIT
from mooring.drivers.transport.ssh import SshTransport
from mooring.errors import StaleFence, Unavailable
from mooring.model.lease import Mark
from mooring.testing.access_contract import AccessContract
from mooring.testing.edge_contract import EdgeContract, Shop
from mooring.testing.secure_edge_contract import SecureEdgeContract


@pytest.fixture(scope="module")
def platform(fleet: Fleet) -> Iterator[HostEdgePlatform]:
    with tempfile.TemporaryDirectory(prefix="mooring-edge-") as directory:
        platform = HostEdgePlatform(Path(directory), fleet.hosts[0], gateway=fleet.network.gateway)
        platform.start()
        yield platform
        platform.stop()


@pytest.fixture
async def rig(platform: HostEdgePlatform) -> AsyncIterator[HostEdgeRig]:
    platform.transport = SshTransport(platform.host.ssh())
    rig = HostEdgeRig(platform)
    yield rig
    await rig.close()
    await platform.transport.close()


class TestHaproxyOnAHost(EdgeContract, AccessContract):
    pass


class TestSecureHaproxyOnAHost:
    """What crosses the line: certificates and challenges. The rest is HAProxy's own, wherever it runs."""

    shop = SecureEdgeContract.shop
    test_a_renewed_certificate_takes_the_place_of_the_old_one = SecureEdgeContract.test_a_renewed_certificate_takes_the_place_of_the_old_one
    test_what_is_shown_lasts_over_a_restart = SecureEdgeContract.test_what_is_shown_lasts_over_a_restart_of_edge_and_controller
    test_a_challenge_is_answered_for_its_name_alone = SecureEdgeContract.test_a_challenge_is_answered_for_its_name_alone_and_until_it_ends


async def test_an_older_controller_changes_nothing_on_the_host_though_its_own_record_knows_of_no_newer_one(
    rig: HostEdgeRig, tmp_path: Path
) -> None:
    """Fences are compared there: another controller keeps another record."""
    shop, app = Shop(rig), await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)), fence=7)
    other = HaproxyEdge(tmp_path, AnotherHost(rig.platform.transport, tmp_path), SETTINGS)
    other.prepare()
    with pytest.raises(StaleFence):
        await other.apply(Mark(shop.environment, "test", 6), shop.table())
    rig.edge = rig.platform.edge()  # it brings what the other has put there for everybody back
    await shop.apply(shop.table(shop.endpoint(app)), fence=7)
    assert (await shop.ask()).text == "one"


async def test_a_host_that_boots_serves_without_a_controller(rig: HostEdgeRig) -> None:
    shop, host = Shop(rig), rig.platform.host
    app = await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    assert host.says("systemctl", "is-enabled", UNIT).strip() == "enabled"
    modes = host.says("find", DIRECTORY, "-type", "f", "-not", "-name", "lock", "-printf", "%m\n").split()
    assert set(modes) == {"600"}
    assert set(host.says("ps", "-o", "user=", "-C", "haproxy").split()) == {ACCOUNT}
    host.says("systemctl", "stop", UNIT)
    with pytest.raises(Unavailable):
        await rig.edge.apply(Mark(shop.environment, "test", 2), shop.table())
    host.says("systemctl", "start", UNIT)
    await asyncio.to_thread(rig.platform.wait_until_listening)
    assert (await shop.ask()).text == "one"
