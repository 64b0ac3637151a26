"""What every edge that shows certificates does, fake or real: a subclass gives the fixture `rig`, and pytest runs all of it.

Must not: look inside an edge, or count on real time beyond generous deadlines.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
import pytest

from mooring.drivers.edge.contract import PROBE_AGENT, SecureEdge
from mooring.model.certificate import Certificate
from mooring.model.edge import Access, HttpsSettings, digest_of
from mooring.model.names import Hostname
from mooring.model.routing import ChallengeAnswer, RouteTable
from mooring.testing.authority import DAY, PaperAuthority
from mooring.testing.edge_contract import EdgeRig, Shop, eventually

AUTHORITY = PaperAuthority()
CHALLENGE = "t-0_9"
RENEWED_WITHIN = 40.0  # seconds: an edge may look for a renewed certificate only now and then


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as a browser sees it; `leaf` is the certificate it was shown, PEM, empty without HTTPS."""

    status: int
    text: str
    location: str = ""
    strict_transport: str = ""
    leaf: str = ""


class SecureRig(EdgeRig, Protocol):
    @property
    def secure(self) -> SecureEdge:
        """The same edge."""

    async def visit(self, hostname: str, path: str = ..., *, is_secure: bool = ..., agent: str = ...) -> Visit:
        """By HTTPS a client that trusts everybody, so that it sees what is shown."""


class PublicShop(Shop):
    """An environment whose hostnames are of the wide web."""

    def __init__(self, rig: EdgeRig) -> None:
        super().__init__(rig)
        self.hostname = Hostname(f"{self.environment.app}.example.com")
        self.other = Hostname(f"www.{self.environment.app}.example.com")

    def with_https(self, table: RouteTable, **settings: float | bool) -> RouteTable:
        both = (self.hostname, self.other)
        return msgspec.structs.replace(table, hostnames=both, https=HttpsSettings(**settings))  # type: ignore[arg-type]


def leaf_of(certificate: Certificate) -> str:
    return certificate.chain.partition("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"


def a_certificate(rig: EdgeRig, *names: str) -> Certificate:
    return AUTHORITY.issue(names, starts_at=rig.wall() - DAY, expires_at=rig.wall() + 90 * DAY)


class SecureEdgeContract:
    @pytest.fixture
    def shop(self, rig: SecureRig) -> PublicShop:
        return PublicShop(rig)

    async def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        first, second = a_certificate(rig, shop.hostname), a_certificate(rig, "*." + shop.hostname)
        await rig.secure.show({shop.hostname: first, shop.other: second})
        visits = [await rig.visit(name, is_secure=True) for name in (shop.hostname, shop.other)]
        assert [(visit.text, visit.leaf) for visit in visits] == [("one", leaf_of(first)), ("one", leaf_of(second))]

    async def test_a_renewed_certificate_takes_the_place_of_the_old_one(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        await rig.visit(shop.hostname, is_secure=True)
        newer = a_certificate(rig, shop.hostname)
        await rig.secure.show({shop.hostname: newer})

        async def is_shown() -> bool:
            return (await rig.visit(shop.hostname, is_secure=True)).leaf == leaf_of(newer)

        await eventually(is_shown, within=RENEWED_WITHIN)

    async def test_what_is_shown_lasts_over_a_restart_of_edge_and_controller(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        shown = a_certificate(rig, shop.hostname)
        await rig.secure.show({shop.hostname: shown})
        await rig.restart_controller()
        await rig.restart_edge()
        assert (await rig.visit(shop.hostname, is_secure=True)).leaf == leaf_of(shown)
        assert (await rig.visit(shop.hostname)).status == 308

    async def test_what_is_not_named_any_more_is_shown_no_more_and_not_redirected(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        kept, dropped = a_certificate(rig, shop.hostname), a_certificate(rig, shop.other)
        await rig.secure.show({shop.hostname: kept, shop.other: dropped})
        await rig.secure.show({shop.hostname: kept})
        assert (await rig.visit(shop.hostname, is_secure=True)).leaf == leaf_of(kept)
        assert (await rig.visit(shop.other, is_secure=True)).leaf != leaf_of(dropped)
        assert (await rig.visit(shop.other)).text == "one"

    async def test_only_a_name_with_a_certificate_is_sent_to_https(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        assert (await rig.visit(shop.hostname)).text == "one"
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        visit = await rig.visit(shop.hostname, "/basket?item=7")
        assert (visit.status, visit.location) == (308, f"https://{shop.hostname}/basket?item=7")
        assert (await rig.visit(shop.other)).text == "one"

    async def test_without_the_setting_nobody_is_sent_to_https(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app)), redirect=False))
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        assert (await rig.visit(shop.hostname)).text == "one"

    async def test_the_platforms_own_probes_are_not_sent_to_https(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        assert (await rig.visit(shop.hostname, agent=f"{PROBE_AGENT}/1")).text == "one"

    async def test_hsts_is_told_by_https_alone_and_to_names_with_a_certificate(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app)), redirect=False, hsts=86_400.0, hsts_subdomains=True))
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        assert (await rig.visit(shop.hostname, is_secure=True)).strict_transport == "max-age=86400; includeSubDomains"
        assert (await rig.visit(shop.hostname)).strict_transport == ""
        assert (await rig.visit(shop.other, is_secure=True)).strict_transport == ""

    async def test_without_the_setting_hsts_is_not_told(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        assert (await rig.visit(shop.hostname, is_secure=True)).strict_transport == ""

    @pytest.mark.parametrize("situation", ["serving", "no instance", "maintenance", "redirect"])
    async def test_a_challenge_is_answered_whatever_becomes_of_the_app(self, rig: SecureRig, shop: PublicShop, situation: str) -> None:
        app = await rig.listen("one")
        table = shop.with_https(shop.table(*([] if situation == "no instance" else [shop.endpoint(app)])))
        await shop.apply(msgspec.structs.replace(table, is_maintenance=situation == "maintenance"))
        if situation == "redirect":
            await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        await rig.secure.answer((ChallengeAnswer(hostname=shop.hostname, token=CHALLENGE, content=f"{CHALLENGE}.thumb"),))
        visit = await rig.visit(shop.hostname, "/.well-known/acme-challenge/" + CHALLENGE)
        assert (visit.status, visit.text) == (200, f"{CHALLENGE}.thumb")

    async def test_a_password_is_not_asked_for_in_the_clear_nor_for_a_challenge(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        access = Access(user="review", digest=digest_of("correct horse"))
        await shop.apply(msgspec.structs.replace(shop.with_https(shop.table(shop.endpoint(app))), access=access))
        await rig.secure.show({shop.hostname: a_certificate(rig, shop.hostname)})
        await rig.secure.answer((ChallengeAnswer(hostname=shop.hostname, token=CHALLENGE, content="answer"),))
        assert (await rig.visit(shop.hostname, "/.well-known/acme-challenge/" + CHALLENGE)).text == "answer"
        assert (await rig.visit(shop.hostname)).status == 308
        assert (await rig.visit(shop.hostname, is_secure=True)).status == 401

    async def test_a_challenge_is_answered_for_its_name_alone_and_until_it_ends(self, rig: SecureRig, shop: PublicShop) -> None:
        app = await rig.listen("one")
        path = f"/.well-known/acme-challenge/{CHALLENGE}"
        await shop.apply(shop.with_https(shop.table(shop.endpoint(app))))
        await rig.secure.answer((ChallengeAnswer(hostname=shop.hostname, token=CHALLENGE, content="answer"),))
        assert (await rig.visit(shop.hostname, f"{path}-other")).text == "one"
        assert (await rig.visit(shop.other, path)).text == "one"
        await rig.secure.answer(())
        assert (await rig.visit(shop.hostname, path)).text == "one"

    async def test_tables_tell_what_is_routed(self, rig: SecureRig, shop: PublicShop) -> None:
        table = shop.with_https(shop.table())
        await shop.apply(table)
        assert table in rig.secure.tables()
        await shop.remove()
        assert table not in rig.secure.tables()
