"""A certificate that a person brings is checked before it is used: each fault has its own sentence."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.drivers.pem import checked_certificate, key_pem, new_key, read_certificate, request_for, to_pem
from mooring.errors import InvalidInput
from mooring.model.certificate import Certificate
from mooring.model.names import Hostname
from mooring.model.secret import Secret
from mooring.testing.authority import DAY, PaperAuthority

NOW = time.time()
AUTHORITY = PaperAuthority()
GOOD = AUTHORITY.issue(["shop.example.com", "*.shop.example.com"], starts_at=NOW - DAY, expires_at=NOW + DAY)
LEAF = GOOD.chain.removesuffix(AUTHORITY.intermediate)
KEY = GOOD.key.reveal()


def test_what_is_good_is_read_with_names_issuer_and_times() -> None:
    found = checked_certificate(to_pem(GOOD), now=NOW)
    assert found == GOOD
    assert (found.hostnames, found.issuer) == (("shop.example.com", "*.shop.example.com"), "Paper authority 1")
    assert (found.starts_at, found.expires_at) == (float(int(NOW - DAY)), float(int(NOW + DAY)))
    assert checked_certificate((KEY + LEAF).encode(), now=NOW).chain == LEAF


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        ("", "no certificate can be read"),
        ("garbage", "no certificate can be read"),
        (KEY, "no certificate can be read"),
        (GOOD.chain, "no key can be read"),
        (GOOD.chain + new_key().reveal(), "the key belongs to none of the certificates"),
        (AUTHORITY.intermediate + LEAF + KEY, "the key belongs to certificate 2 of the chain"),
        (LEAF + AUTHORITY.root + KEY, r"certificate 2 of the chain has not signed the one before it \(shop.example.com\)"),
        (LEAF + AUTHORITY.root + AUTHORITY.intermediate + KEY, "certificate 2 of the chain has not signed"),
        ("x" * 100_001, "chain and key have 100001 bytes"),
    ],
)
def test_each_fault_has_its_own_sentence(pem: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        checked_certificate(pem.encode(), now=NOW)


def test_a_certificate_out_of_its_time_is_refused() -> None:
    with pytest.raises(InvalidInput, match="expired on"):
        checked_certificate(to_pem(GOOD), now=NOW + 2 * DAY)
    with pytest.raises(InvalidInput, match="is not valid before"):
        checked_certificate(to_pem(GOOD), now=NOW - 2 * DAY)


def test_a_key_with_a_passphrase_is_refused_with_what_takes_it_off(tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(KEY.encode(), None)
    form = serialization.PrivateFormat.PKCS8
    sealed = key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"word")).decode()
    with pytest.raises(InvalidInput, match="the key has a passphrase") as caught:
        checked_certificate((GOOD.chain + sealed).encode(), now=NOW)
    (tmp_path / "key").write_text(sealed)
    command = caught.value.hint.split("`")[1].replace("KEY", str(tmp_path / "key")).replace("PLAIN", str(tmp_path / "plain"))
    subprocess.run([*command.split(), "-passin", "pass:word"], check=True)
    assert checked_certificate((GOOD.chain + (tmp_path / "plain").read_text()).encode(), now=NOW) == GOOD


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 1024), ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP192R1())],
    ids=["RSA 1024", "Ed25519", "P-192"],
)
def test_a_key_that_browsers_do_not_take_is_refused(key, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(key_pem(key))
    made = ["openssl", "req", "-x509", "-key", "key", "-out", "leaf", "-subj", "/CN=shop.example.com", "-days", "2"]
    subprocess.run([*made, "-addext", "subjectAltName=DNS:shop.example.com"], cwd=tmp_path, check=True, capture_output=True)
    pem = (tmp_path / "leaf").read_bytes() + key_pem(key).encode()
    with pytest.raises(InvalidInput, match="browsers do not take a key of this kind"):
        checked_certificate(pem, now=time.time() + 1)


def test_a_certificate_without_a_hostname_is_refused(tmp_path: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key"]
    made = ["openssl", "req", "-x509", *key, "-out", "leaf", "-subj", "/CN=x", "-days", "2"]
    for extra, said in (([], "names no hostname"), (["-addext", "subjectAltName=DNS:a_b.example.com"], "which is no hostname")):
        subprocess.run([*made, *extra], cwd=tmp_path, check=True, capture_output=True)
        with pytest.raises(InvalidInput, match=said):
            checked_certificate((tmp_path / "leaf").read_bytes() + (tmp_path / "key").read_bytes(), now=time.time() + 1)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("/C=US/O=Let's Encrypt/CN=R11", "Let's Encrypt R11"),
        ("/O=Example/CN=Example Root 1", "Example Root 1"),
        ("/CN=R11", "R11"),
        ("/O=Example/OU=Signing", "OU=Signing,O=Example"),
    ],
)
def test_the_issuer_is_called_by_its_organization_and_its_name(subject: str, said: str, tmp_path: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key"]
    made = ["openssl", "req", "-x509", *key, "-out", "leaf", "-subj", subject, "-days", "2"]
    subprocess.run([*made, "-addext", "subjectAltName=DNS:shop.example.com"], cwd=tmp_path, check=True, capture_output=True)
    found = read_certificate((tmp_path / "leaf").read_bytes() + (tmp_path / "key").read_bytes())
    assert found is not None
    assert found.issuer == said


def test_a_request_is_for_the_one_name_and_signed_by_its_key() -> None:
    key = new_key()
    signed = AUTHORITY.sign(request_for(Hostname("*.example.com"), key), starts_at=NOW, expires_at=NOW + DAY)
    found = read_certificate((signed + key.reveal()).encode())
    assert found is not None
    assert found.hostnames == ("*.example.com",)


@pytest.mark.parametrize(
    ("asked", "is_covered"),
    [
        ("shop.example.com", True),
        ("a.shop.example.com", True),
        ("a.b.shop.example.com", False),
        ("*.shop.example.com", True),
        ("*.example.com", False),
        ("example.com", False),
        ("com", False),
    ],
)
def test_a_wildcard_stands_for_one_label(asked: str, is_covered: bool) -> None:
    assert GOOD.covers(asked) == is_covered


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_nothing_and_never_a_crash(pem: bytes) -> None:
    assert read_certificate(pem) is None
    with pytest.raises(InvalidInput):
        checked_certificate(pem, now=NOW)


def test_two_certificates_are_equal_by_chain_and_key() -> None:
    other = Certificate(chain=GOOD.chain, key=Secret("other"), hostnames=GOOD.hostnames, expires_at=GOOD.expires_at)
    assert other != GOOD
    assert len({GOOD, checked_certificate(to_pem(GOOD), now=NOW)}) == 1
