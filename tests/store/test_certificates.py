"""Certificates on disk: every memory's promises, and what only files can do wrong."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mooring.errors import Unavailable
from mooring.model.certificate import AttemptOutcome, CertificateSource
from mooring.store.memory import SqliteMemory
from mooring.testing.authority import DAY
from mooring.testing.certificate_memory import FakeCertificateMemory
from mooring.testing.certificate_memory_contract import AUTHORITY, EVERY, SHOP, CertificateMemoryContract

CERTIFICATE = AUTHORITY.issue([SHOP], starts_at=0, expires_at=DAY)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    yield memory
    memory.close()


class TestSqliteCertificates(CertificateMemoryContract):
    pass


class TestFakeCertificates(CertificateMemoryContract):
    @pytest.fixture
    def memory(self) -> FakeCertificateMemory:
        return FakeCertificateMemory()


def test_files_are_for_the_owner_only_and_nothing_lies_beside_them(memory: SqliteMemory, tmp_path: Path) -> None:
    for source in CertificateSource:
        memory.save_certificate(source, SHOP, CERTIFICATE)
    folder = tmp_path / "state" / "certificates"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == {
        "acme",
        "acme/shop.example.com.pem",
        "own",
        "own/shop.example.com.pem",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.pem")} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "acme", folder / "own")} == {0o700}


def test_all_is_still_known_after_a_restart(memory: SqliteMemory, tmp_path: Path) -> None:
    memory.save_certificate(CertificateSource.ACME, EVERY, CERTIFICATE)
    memory.begin_attempt(SHOP, at=1.0)
    memory.close()
    again = SqliteMemory.open(tmp_path / "state")
    assert again.certificates(CertificateSource.ACME) == {EVERY: CERTIFICATE}
    assert [each.outcome for each in again.attempts()] == [AttemptOutcome.OPEN]
    again.close()


@pytest.mark.parametrize("content", [b"", b"garbage", CERTIFICATE.chain.encode(), CERTIFICATE.key.reveal().encode()])
def test_a_damaged_file_is_told_and_spoils_no_other(memory: SqliteMemory, tmp_path: Path, content: bytes) -> None:
    memory.save_certificate(CertificateSource.ACME, SHOP, CERTIFICATE)
    memory.save_certificate(CertificateSource.ACME, EVERY, CERTIFICATE)
    (tmp_path / "state" / "certificates" / "acme" / "shop.example.com.pem").write_bytes(content)
    assert list(memory.certificates(CertificateSource.ACME)) == [EVERY]
    (damage,) = memory.damaged_certificates()
    assert "shop.example.com cannot be read" in str(damage)


def test_on_a_full_disk_the_old_certificate_stays(
    memory: SqliteMemory, unwritable_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    memory.save_certificate(CertificateSource.ACME, SHOP, CERTIFICATE)
    newer = AUTHORITY.issue([SHOP], starts_at=0, expires_at=2 * DAY)
    with unwritable_disk(), pytest.raises(Unavailable):
        memory.save_certificate(CertificateSource.ACME, SHOP, newer)
    assert memory.certificates(CertificateSource.ACME) == {SHOP: CERTIFICATE}


def test_attempts_that_ended_long_ago_are_forgotten_and_open_ones_never(memory: SqliteMemory) -> None:
    ended, young, still_open = memory.begin_attempt(SHOP, at=5.0), memory.begin_attempt(SHOP, at=50.0), memory.begin_attempt(SHOP, at=5.0)
    for sequence in (ended, young):
        memory.end_attempt(sequence, outcome=AttemptOutcome.ISSUED)
    assert memory.forget_attempts(before=10.0) == 1
    assert [each.sequence for each in memory.attempts()] == [young, still_open]
