"""The issuer `acme` keeps every issuer's promises with a real ACME server, and survives what such a server does."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from authority.pebble import Front, Pebble, free_port
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from mooring.drivers.issuer.acme.account import account_key
from mooring.drivers.issuer.acme.issuer import AcmeIssuer
from mooring.drivers.issuer.acme.network import retry_at
from mooring.drivers.issuer.acme.settings import AcmeSettings
from mooring.drivers.issuer.contract import Challenge, ChallengeKind, NotIssued
from mooring.errors import StateDamaged
from mooring.testing.issuer_contract import BLOG, SHOP, Answers, IssuerContract


class AcmeRig:
    """Pebble looks for HTTP answers at a little server of the rig's."""

    def __init__(self, pebble: Pebble, http_port: int, directory: Path, url: str) -> None:
        self.pebble = pebble
        self.port = http_port
        self.found: dict[str, str] = {}
        settings = AcmeSettings(
            directory=url,
            email="ops@example.com",
            account=directory / "account.key",
            authorities=pebble.root,
            patience=20.0,
            look_every=0.05,
        )
        self.settings = settings
        self.issuer = AcmeIssuer(settings)

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._answer, "127.0.0.1", self.port)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = self.found.get(head.split(" ")[1].removeprefix("/.well-known/acme-challenge/"))
        status = "200 OK" if found else "404 Not Found"
        text = found or "nothing"
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n{text}".encode())
        writer.close()

    async def put(self, challenge: Challenge) -> None:
        self.found[challenge.place] = challenge.content
        if challenge.kind is ChallengeKind.DNS:
            await asyncio.to_thread(self.pebble.set_txt, challenge.place, challenge.content)

    async def take(self, challenge: Challenge) -> None:
        self.found.pop(challenge.place, None)
        if challenge.kind is ChallengeKind.DNS:
            await asyncio.to_thread(self.pebble.clear_txt, challenge.place)

    async def is_chain_of_authority(self, chain: str, hostname: str) -> bool:
        root = x509.load_pem_x509_certificate((await asyncio.to_thread(self.pebble.issuing_root)).encode())
        leaf, *between = x509.load_pem_x509_certificates(chain.encode())
        checker = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName(hostname))
        return bool(checker.verify(leaf, between))


@pytest.fixture(scope="module")
def http_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory, http_port: int) -> Iterator[Pebble]:
    found = Pebble(tmp_path_factory.mktemp("pebble"), http_port=http_port)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def front(pebble: Pebble) -> Iterator[Front]:
    found = Front(pebble)
    yield found
    found.close()


@pytest.fixture
async def rig(pebble: Pebble, http_port: int, front: Front, tmp_path: Path) -> AsyncIterator[AcmeRig]:
    rig = AcmeRig(pebble, http_port, tmp_path, front.url)
    server = await rig.serve()
    yield rig
    server.close()


class TestAcmeIssuer(IssuerContract):
    pass


async def test_the_account_key_is_for_the_owner_only_and_stays_the_same(rig: AcmeRig) -> None:
    await asyncio.gather(rig.issuer.issue(SHOP, Answers(rig)), rig.issuer.issue(BLOG, Answers(rig)))
    made = rig.settings.account.read_bytes()
    assert stat.S_IMODE(rig.settings.account.stat().st_mode) == 0o600
    await rig.issuer.issue(SHOP, Answers(rig))
    assert rig.settings.account.read_bytes() == made
    assert [path.name for path in rig.settings.account.parent.iterdir()] == ["account.key"]


async def test_a_garbled_account_key_is_refused_and_not_silently_replaced(rig: AcmeRig) -> None:
    rig.settings.account.write_text("garbage")
    with pytest.raises(StateDamaged, match="account's key"):
        await rig.issuer.issue(SHOP, Answers(rig))
    assert rig.settings.account.read_text() == "garbage"


async def test_an_authority_that_forgot_every_account_is_met_anew(rig: AcmeRig) -> None:
    await rig.issuer.issue(SHOP, Answers(rig))
    rig.pebble.kill_authority()
    with pytest.raises(NotIssued, match="does not answer"):
        await rig.issuer.issue(SHOP, Answers(rig))
    rig.pebble.start_authority()
    certificate = await rig.issuer.issue(SHOP, Answers(rig))
    assert await rig.is_chain_of_authority(certificate.chain, SHOP)


async def test_an_authority_that_nobody_answers_for_is_said_to_be_away(tmp_path: Path) -> None:
    settings = AcmeSettings(directory=f"https://localhost:{free_port()}/dir", email="ops@example.com", account=tmp_path / "account.key")
    with pytest.raises(NotIssued, match="does not answer"):
        await AcmeIssuer(settings).issue(SHOP, Answers(AcmeRigless()))


class AcmeRigless:
    """Nothing is ever presented."""

    async def put(self, challenge: Challenge) -> None:
        raise AssertionError(challenge)

    take = put


async def test_an_authority_whose_https_is_not_trusted_is_not_spoken_to(pebble: Pebble, tmp_path: Path) -> None:
    settings = AcmeSettings(directory=pebble.url, email="ops@example.com", account=tmp_path / "account.key")
    with pytest.raises(NotIssued, match="SSLError"):
        await AcmeIssuer(settings).issue(SHOP, Answers(AcmeRigless()))


async def test_a_rate_limit_is_told_with_the_time_that_the_authority_names(rig: AcmeRig, front: Front) -> None:
    front.refuse_once("/order-plz", 429, "rateLimited", "too many certificates already issued", **{"Retry-After": "3600"})
    with pytest.raises(NotIssued, match="rateLimited: too many certificates") as caught:
        await rig.issuer.issue(SHOP, Answers(rig))
    assert caught.value.retry_at == pytest.approx(time.time() + 3600, abs=60)
    assert (await rig.issuer.issue(SHOP, Answers(rig))).hostnames == (SHOP,)


async def test_bad_nonces_are_replaced_however_often_they_come(http_port: int, tmp_path: Path, rig: AcmeRig) -> None:
    """Every second good nonce is refused: one retry, as the library has it, would fail at once."""
    strict = Pebble(tmp_path / "strict", http_port=http_port, nonces_refused=50)
    strict.start()
    try:
        picky = AcmeRig(strict, http_port, tmp_path, strict.url)
        picky.found = rig.found
        for _ in range(3):
            assert (await picky.issuer.issue(SHOP, Answers(picky))).hostnames == (SHOP,)
    finally:
        strict.stop()


async def test_what_the_authority_knows_to_be_ours_is_not_proven_again(http_port: int, tmp_path: Path, rig: AcmeRig) -> None:
    reusing = Pebble(tmp_path / "reusing", http_port=http_port, is_reusing=True)
    reusing.start()
    try:
        known = AcmeRig(reusing, http_port, tmp_path, reusing.url)
        known.found = rig.found
        first, second = Answers(known), Answers(known)
        for answers in (first, second):
            certificate = await known.issuer.issue(SHOP, answers)
            assert await known.is_chain_of_authority(certificate.chain, SHOP)
        assert (len(first.presented), second.presented) == (1, [])
    finally:
        reusing.stop()


async def test_a_directory_may_hold_more_than_is_known(rig: AcmeRig, front: Front) -> None:
    """As Let's Encrypt's does: random keys, so that nobody counts on there being none."""
    found = json.loads(await asyncio.to_thread(front.fetch, "/dir"))
    more = {"wI3RrJ4b1cA": "https://community.example.com/", "renewalInfo": f"{front.url}/ari", "unheard": {"of": [1, None]}}
    meta = {**found["meta"], "profiles": {"shortlived": "six days"}, "caaIdentities": ["example.com"]}
    body = json.dumps({**found, **more, "meta": meta}).encode()
    front.refuse = lambda path: (200, {"Content-Type": "application/json"}, body) if path == "/dir" else None
    assert (await rig.issuer.issue(SHOP, Answers(rig))).hostnames == (SHOP,)


async def test_a_host_that_cannot_be_reached_is_told_in_the_authoritys_words(tmp_path: Path) -> None:
    unreachable = Pebble(tmp_path / "pebble", http_port=free_port())
    unreachable.start()
    try:
        rig = AcmeRig(unreachable, 0, tmp_path, unreachable.url)
        answers = Answers(rig)
        with pytest.raises(NotIssued, match=r"^(connection|unauthorized): .*refused"):
            await rig.issuer.issue(SHOP, answers)
        assert answers.open == []
    finally:
        unreachable.stop()


@pytest.mark.parametrize("path", ["/dir", "/sign-me-up", "/order-plz"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"status": 7, "authorizations": 7, "newNonce": 7}', b"\xff\xfe"])
async def test_an_answer_that_makes_no_sense_is_no_certificate_and_no_crash(rig: AcmeRig, front: Front, path: str, body: bytes) -> None:
    front.refuse = lambda asked: (200, {"Content-Type": "application/json", "Replay-Nonce": "AAAA"}, body) if asked == path else None
    with pytest.raises(NotIssued):
        await rig.issuer.issue(SHOP, Answers(rig))


@pytest.mark.parametrize("sent", ["another's certificate", "garbage", "nothing"])
async def test_what_was_not_asked_for_is_not_taken(rig: AcmeRig, front: Front, sent: str) -> None:
    other = await rig.issuer.issue(BLOG, Answers(rig))
    body = {"another's certificate": other.chain.encode(), "garbage": b"-----BEGIN CERTIFICATE-----", "nothing": b""}[sent]
    headers = {"Content-Type": "application/pem-certificate-chain", "Replay-Nonce": "AAAA"}
    front.refuse = lambda path: (200, headers, body) if path.startswith("/certZ/") else None
    with pytest.raises(NotIssued, match="something else than a certificate for shop"):
        await rig.issuer.issue(SHOP, Answers(rig))


def test_the_authoritys_patience_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_at("120", now=1000.0) == 1120.0
    assert retry_at("Fri, 15 Jan 2027 08:00:00 GMT", now=0.0) == 1_800_000_000.0
    assert [retry_at(word, now=5.0) for word in ("", "soon", "-3", "٣", "9" * 40)] == [0.0] * 5


def test_an_account_key_made_by_two_at_once_is_one_key(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "account.key"
    assert account_key(path).key.private_numbers() == account_key(path).key.private_numbers()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
