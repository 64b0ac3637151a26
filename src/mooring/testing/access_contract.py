"""Who every edge lets in, fake or real: a subclass gives the fixture `rig`, as for the edge contract. Must not: look inside an edge.

Whoever asks is on this machine, or on a private network 10.0.0.0/8.
"""

from __future__ import annotations

import msgspec
import pytest

from mooring.drivers.edge.contract import PROBE_AGENT
from mooring.model.edge import Access, digest_of
from mooring.testing.edge_contract import EdgeRig, Shop


class AccessContract:
    @pytest.fixture
    def shop(self, rig: EdgeRig) -> Shop:
        return Shop(rig)

    async def test_a_guarded_app_is_reached_with_its_password_alone_and_may_be_opened_again(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        opened = shop.table(shop.endpoint(app))
        access = Access(user="review", digest=digest_of("correct horse"), is_indexed=False)
        await shop.apply(msgspec.structs.replace(opened, access=access))
        for sent in ("", "review:wrong", "review:", "root:correct horse", "nobody:x", f"review:{access.digest}"):
            reply = await rig.ask(shop.hostname, "/", sent=sent)
            assert (reply.status, reply.edge, reply.robots) == (401, "password-wanted", "noindex"), sent
        assert (await rig.ask(shop.hostname, "/", agent=PROBE_AGENT)).status == 401, "nobody gets in by what they say they are"
        assert app.asked == 0
        reply = await rig.ask(shop.hostname, "/", sent="review:correct horse")
        assert (reply.status, reply.text, reply.robots) == (200, "one", "noindex")
        await shop.apply(opened)
        reply = await shop.ask()
        assert (reply.status, reply.text, reply.robots) == (200, "one", "")

    async def test_a_guard_stands_before_the_pages_too_and_over_a_restart_of_the_edge(self, rig: EdgeRig, shop: Shop) -> None:
        access = Access(user="review", digest=digest_of("correct horse"))
        await shop.apply(msgspec.structs.replace(shop.table(), access=access, is_maintenance=True))
        await rig.restart_edge()
        assert (await shop.ask()).status == 401
        assert (await rig.ask(shop.hostname, "/", sent="review:correct horse")).edge == "maintenance"

    async def test_an_app_of_some_networks_is_reached_from_them_alone_whatever_a_request_says(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        opened = shop.table(shop.endpoint(app))
        access = Access(user="review", digest=digest_of("correct horse"), is_indexed=False, networks=("203.0.113.0/24", "2001:db8::/32"))
        await shop.apply(msgspec.structs.replace(opened, access=access))
        for claimed in ("", "203.0.113.7", "2001:db8::1", "127.0.0.1, 203.0.113.7"):
            reply = await rig.ask(shop.hostname, "/", sent="review:correct horse", claimed=claimed)
            assert (reply.status, reply.edge, reply.robots) == (403, "not-from-here", "noindex"), claimed
        assert (await rig.ask(shop.hostname, "/", agent=PROBE_AGENT)).status == 403, "nobody gets in by what they say they are"
        assert app.asked == 0
        here = msgspec.structs.replace(access, networks=("203.0.113.0/24", "127.0.0.0/8", "10.0.0.0/8", "::1/128"))
        await shop.apply(msgspec.structs.replace(opened, access=here))
        assert (await rig.ask(shop.hostname, "/", sent="review:wrong")).status == 401, "one has to know the password all the same"
        assert (await rig.ask(shop.hostname, "/", sent="review:correct horse", claimed="198.51.100.1")).text == "one"
