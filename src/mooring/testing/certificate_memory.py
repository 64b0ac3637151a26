"""The memory of certificates without a disk. It forgets everything when the program ends.

Must not: be used where something has to survive.
"""

from __future__ import annotations

import msgspec

from mooring.engine.contract import CertificateMemory
from mooring.errors import NotFound, StateDamaged
from mooring.model.certificate import Attempt, AttemptOutcome, Certificate, CertificateSource
from mooring.model.names import Hostname
from mooring.testing.faults import WriteFaults


class FakeCertificateMemory:
    """`faults` makes writes fail."""

    def __init__(self) -> None:
        self.faults = WriteFaults()
        self._certificates: dict[tuple[CertificateSource, Hostname], Certificate] = {}
        self._attempts: dict[int, Attempt] = {}

    def save_certificate(self, source: CertificateSource, name: Hostname, certificate: Certificate) -> None:
        with self.faults.around("save_certificate"):
            self._certificates[source, name] = certificate

    def certificates(self, source: CertificateSource) -> dict[Hostname, Certificate]:
        return {name: found for (whose, name), found in sorted(self._certificates.items(), key=lambda item: item[0][1]) if whose is source}

    def damaged_certificates(self) -> tuple[StateDamaged, ...]:
        return ()

    def remove_certificate(self, source: CertificateSource, name: Hostname) -> None:
        with self.faults.around("remove_certificate"):
            if self._certificates.pop((source, name), None) is None:
                raise NotFound(f"there is no certificate named {name}", hint="`mooring certs` lists them")

    def begin_attempt(self, hostname: Hostname, *, at: float) -> int:
        with self.faults.around("begin_attempt"):
            sequence = len(self._attempts) + 1
            self._attempts[sequence] = Attempt(sequence=sequence, hostname=hostname, at=at)
            return sequence

    def end_attempt(self, sequence: int, *, outcome: AttemptOutcome, detail: str = "", retry_at: float = 0.0) -> None:
        with self.faults.around("end_attempt"):
            known = self._attempts.get(sequence)
            if known is not None:
                self._attempts[sequence] = msgspec.structs.replace(known, outcome=outcome, detail=detail, retry_at=retry_at)

    def attempts(self) -> tuple[Attempt, ...]:
        return tuple(self._attempts[sequence] for sequence in sorted(self._attempts))


_: type[CertificateMemory] = FakeCertificateMemory
