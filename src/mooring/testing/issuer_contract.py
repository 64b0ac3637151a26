"""What every issuer does, fake or real: a subclass gives the fixture `rig`, and pytest runs all of it.

Must not: look inside an issuer, or count on real time beyond generous deadlines.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import pytest

from mooring.drivers.issuer.contract import Answering, Challenge, ChallengeKind, Issuer, NotIssued
from mooring.model.names import Hostname

SHOP, BLOG, EVERY = Hostname("shop.example.com"), Hostname("blog.example.com"), Hostname("*.example.com")


class IssuerRig(Protocol):
    """An issuer, and the place where its authority looks for answers."""

    @property
    def issuer(self) -> Issuer: ...

    async def put(self, challenge: Challenge) -> None:
        """From now on the authority finds it."""

    async def take(self, challenge: Challenge) -> None: ...

    async def is_chain_of_authority(self, chain: str, hostname: str) -> bool:
        """Whether a client that trusts the authority takes the chain for this hostname."""


class Answers:
    """Presents as a keeper would, and remembers; `spoil` changes what is presented."""

    def __init__(self, rig: IssuerRig, *, spoil: str = "") -> None:
        self.rig = rig
        self.spoil = spoil
        self.presented: list[Challenge] = []
        self.open: list[Challenge] = []
        self.something = asyncio.Event()

    async def present(self, challenge: Challenge) -> None:
        self.presented.append(challenge)
        self.open.append(challenge)
        if self.spoil != "nothing":
            content = self.spoil or challenge.content
            await self.rig.put(Challenge(hostname=challenge.hostname, kind=challenge.kind, place=challenge.place, content=content))
        self.something.set()

    async def withdraw(self, challenge: Challenge) -> None:
        self.open.remove(challenge)
        await self.rig.take(challenge)


class IssuerContract:
    async def test_a_hostname_is_proven_by_http_and_its_certificate_is_the_authoritys(self, rig: IssuerRig) -> None:
        answers = Answers(rig)
        certificate = await rig.issuer.issue(SHOP, answers)
        assert certificate.hostnames == (SHOP,)
        assert certificate.starts_at < certificate.expires_at
        assert [(each.kind, each.hostname) for each in answers.presented] == [(ChallengeKind.HTTP, SHOP)]
        assert answers.open == []
        assert await rig.is_chain_of_authority(certificate.chain, SHOP)

    async def test_a_wildcard_is_proven_by_dns(self, rig: IssuerRig) -> None:
        answers = Answers(rig)
        certificate = await rig.issuer.issue(EVERY, answers)
        assert certificate.hostnames == (EVERY,)
        assert [each.kind for each in answers.presented] == [ChallengeKind.DNS]
        assert await rig.is_chain_of_authority(certificate.chain, "anything.example.com")

    async def test_each_certificate_has_a_key_of_its_own(self, rig: IssuerRig) -> None:
        first, second = [await rig.issuer.issue(SHOP, Answers(rig)) for _ in range(2)]
        assert first.key != second.key

    @pytest.mark.parametrize("spoil", ["something else", "nothing"])
    async def test_a_wrong_or_missing_answer_is_refused_in_the_authoritys_words_and_withdrawn(self, rig: IssuerRig, spoil: str) -> None:
        answers = Answers(rig, spoil=spoil)
        with pytest.raises(NotIssued) as caught:
            await rig.issuer.issue(SHOP, answers)
        assert caught.value.message.startswith("unauthorized: ")
        assert answers.presented
        assert answers.open == []

    async def test_what_presenting_raises_is_raised_and_nothing_stays_open(self, rig: IssuerRig) -> None:
        class Failing(Answers):
            async def present(self, challenge: Challenge) -> None:
                await super().present(challenge)
                raise NotIssued("the edge is away")

        answers = Failing(rig)
        with pytest.raises(NotIssued, match="the edge is away"):
            await rig.issuer.issue(SHOP, answers)
        assert answers.open == []

    async def test_a_cancelled_order_leaves_nothing_open(self, rig: IssuerRig) -> None:
        answers = Answers(rig, spoil="nothing")
        order = asyncio.create_task(rig.issuer.issue(SHOP, answers))
        await answers.something.wait()
        order.cancel()
        with pytest.raises(asyncio.CancelledError):
            await order
        assert answers.open == []

    async def test_several_may_be_under_way_at_once(self, rig: IssuerRig) -> None:
        found = await asyncio.gather(*(rig.issuer.issue(name, Answers(rig)) for name in (SHOP, BLOG, EVERY)))
        assert [each.hostnames for each in found] == [(SHOP,), (BLOG,), (EVERY,)]


_: type[Answering] = Answers
