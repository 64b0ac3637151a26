"""The fake issuer keeps the same promises as the real one, and refuses when it is told to."""

from __future__ import annotations

import pytest
from cryptography import x509

from mooring.drivers.issuer.contract import Challenge, NotIssued
from mooring.engine.clock import SystemClock
from mooring.testing.issuer import FakeIssuer
from mooring.testing.issuer_contract import SHOP, Answers, IssuerContract


class FakeRig:
    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.issuer = FakeIssuer(SystemClock(), self._look, latency=0.01)

    async def _look(self, challenge: Challenge) -> str:
        return self.found.get(challenge.place, "")

    async def put(self, challenge: Challenge) -> None:
        self.found[challenge.place] = challenge.content

    async def take(self, challenge: Challenge) -> None:
        self.found.pop(challenge.place, None)

    async def is_chain_of_authority(self, chain: str, hostname: str) -> bool:
        leaf, signer = x509.load_pem_x509_certificates(chain.encode())
        leaf.verify_directly_issued_by(signer)
        return signer == x509.load_pem_x509_certificate(self.issuer.authority.intermediate.encode()) and hostname.endswith(".example.com")


@pytest.fixture
def rig() -> FakeRig:
    return FakeRig()


class TestFakeIssuer(IssuerContract):
    pass


async def test_a_refusal_is_raised_once(rig: FakeRig) -> None:
    rig.issuer.refusals = [NotIssued("rateLimited: enough", retry_at=5.0)]
    with pytest.raises(NotIssued, match="enough"):
        await rig.issuer.issue(SHOP, Answers(rig))
    assert (await rig.issuer.issue(SHOP, Answers(rig))).hostnames == (SHOP,)
    assert rig.issuer.issued[SHOP] == 1
