"""The local authority signs names under localhost, and nothing else; what it leaves on disk is private."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from cryptography import x509

from mooring.drivers.edge.certificates import LocalAuthority, is_due
from mooring.drivers.pem import read_certificate, to_pem
from mooring.errors import InvalidInput, StateDamaged

NOW = time.time()
DAY = 86_400


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    return LocalAuthority(tmp_path / "authority")


def test_a_signed_certificate_is_read_back_as_it_was(authority: LocalAuthority) -> None:
    certificate = authority.sign(("shop.localhost", "*.shop.localhost"), now=NOW)
    assert read_certificate(to_pem(certificate)) == certificate


def test_a_certificate_lives_at_most_398_days_and_is_due_30_days_before(authority: LocalAuthority) -> None:
    certificate = authority.sign(("shop.localhost",), now=NOW)
    assert certificate.expires_at - NOW <= 398 * DAY
    assert not is_due(certificate, certificate.expires_at - 31 * DAY)
    assert is_due(certificate, certificate.expires_at - 29 * DAY)


@pytest.mark.parametrize("name", ["example.com", "localhost.example.com", "evillocalhost", "shop.localhost.evil"])
def test_a_name_outside_localhost_is_not_signed(authority: LocalAuthority, name: str) -> None:
    with pytest.raises(InvalidInput, match="does not sign"):
        authority.sign(("shop.localhost", name), now=NOW)


def test_the_authority_itself_may_sign_nothing_else(authority: LocalAuthority) -> None:
    authority.prepare(NOW)
    certificate = x509.load_pem_x509_certificate(authority.certificate_path.read_bytes())
    constraint = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraint.critical
    assert constraint.value.permitted_subtrees == [x509.DNSName("localhost")]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_its_key_is_for_the_owner_only(authority: LocalAuthority) -> None:
    authority.prepare(NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in authority.certificate_path.parent.iterdir()}
    assert modes == {"authority.crt": 0o600, "authority.key": 0o600}
    assert stat.S_IMODE(authority.certificate_path.parent.stat().st_mode) == 0o700


def test_the_authority_is_made_once(authority: LocalAuthority) -> None:
    authority.prepare(NOW)
    before = authority.certificate_path.read_bytes()
    LocalAuthority(authority.certificate_path.parent).prepare(NOW)
    assert authority.certificate_path.read_bytes() == before


@pytest.mark.parametrize("name", ["authority.crt", "authority.key"])
def test_a_garbled_authority_is_refused_and_not_silently_replaced(authority: LocalAuthority, name: str) -> None:
    authority.prepare(NOW)
    (authority.certificate_path.parent / name).write_bytes(b"garbage")
    with pytest.raises(StateDamaged, match="cannot be read"):
        LocalAuthority(authority.certificate_path.parent).prepare(NOW)


def test_a_key_of_another_certificate_is_noticed(authority: LocalAuthority) -> None:
    one, two = (authority.sign(("shop.localhost",), now=NOW) for _ in range(2))
    assert read_certificate((one.chain + two.key.reveal()).encode()) is None


def test_what_is_to_be_trusted_is_told_as_argument_lists(authority: LocalAuthority) -> None:
    for platform in ("linux", "darwin"):
        trust = authority.trust(platform)
        assert trust.certificate == authority.certificate_path
        assert all(isinstance(word, str) for command in (*trust.system, *trust.browsers) for word in command)
        assert str(trust.certificate) in trust.system[0]
