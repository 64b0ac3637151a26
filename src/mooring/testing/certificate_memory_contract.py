"""What every memory of certificates keeps, fake or real: a subclass gives the fixture `memory`, and pytest runs all of it.

Must not: look inside a memory.
"""

from __future__ import annotations

import pytest

from mooring.engine.contract import CertificateMemory
from mooring.errors import NotFound
from mooring.model.certificate import Attempt, AttemptOutcome, CertificateSource
from mooring.model.names import Hostname
from mooring.testing.authority import DAY, PaperAuthority

SHOP, EVERY = Hostname("shop.example.com"), Hostname("*.example.com")
AUTHORITY = PaperAuthority()


class CertificateMemoryContract:
    def test_a_certificate_is_kept_as_it_was_saved_last_and_by_who_keeps_it_fresh(self, memory: CertificateMemory) -> None:
        older, newer, own = (AUTHORITY.issue([SHOP], starts_at=0, expires_at=days * DAY) for days in (1, 2, 3))
        memory.save_certificate(CertificateSource.ACME, SHOP, older)
        memory.save_certificate(CertificateSource.ACME, SHOP, newer)
        memory.save_certificate(CertificateSource.OWN, SHOP, own)
        assert memory.certificates(CertificateSource.ACME) == {SHOP: newer}
        assert memory.certificates(CertificateSource.OWN) == {SHOP: own}
        assert memory.certificates(CertificateSource.ACME)[SHOP].expires_at == 2 * DAY
        assert memory.damaged_certificates() == ()

    def test_a_wildcard_has_a_name_like_any_other(self, memory: CertificateMemory) -> None:
        memory.save_certificate(CertificateSource.ACME, EVERY, AUTHORITY.issue([EVERY], starts_at=0, expires_at=DAY))
        assert list(memory.certificates(CertificateSource.ACME)) == [EVERY]

    def test_a_removed_certificate_is_gone_and_others_stay(self, memory: CertificateMemory) -> None:
        for name in (SHOP, EVERY):
            memory.save_certificate(CertificateSource.OWN, name, AUTHORITY.issue([name], starts_at=0, expires_at=DAY))
        memory.remove_certificate(CertificateSource.OWN, SHOP)
        assert list(memory.certificates(CertificateSource.OWN)) == [EVERY]
        with pytest.raises(NotFound, match=SHOP):
            memory.remove_certificate(CertificateSource.OWN, SHOP)

    def test_an_attempt_is_open_until_it_has_ended(self, memory: CertificateMemory) -> None:
        first, second = memory.begin_attempt(SHOP, at=5.0), memory.begin_attempt(EVERY, at=6.0)
        memory.end_attempt(first, outcome=AttemptOutcome.FAILED, detail="no", retry_at=9.0)
        assert memory.attempts() == (
            Attempt(sequence=first, hostname=SHOP, at=5.0, outcome=AttemptOutcome.FAILED, detail="no", retry_at=9.0),
            Attempt(sequence=second, hostname=EVERY, at=6.0),
        )

    def test_the_end_of_an_attempt_that_is_not_known_is_no_error(self, memory: CertificateMemory) -> None:
        memory.end_attempt(77, outcome=AttemptOutcome.ISSUED)
        assert memory.attempts() == ()
