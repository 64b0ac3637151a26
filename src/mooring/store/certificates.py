"""Certificates as files of their own, 0600, and every order placed for one. Must not: know an authority, or which one is shown.

A certificate and its key are one file, replaced whole. The folder says who keeps it fresh: `acme` or `own`.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, insert, select, update

from mooring.drivers.pem import LARGEST, read_certificate, to_pem
from mooring.errors import NotFound, StateDamaged
from mooring.model.certificate import Attempt, AttemptOutcome, Certificate, CertificateSource
from mooring.model.names import Hostname
from mooring.store import directory as directories
from mooring.store import schema
from mooring.store.shelf import Shelf
from mooring.store.translation import translated

FOLDER = "certificates"
_table = schema.certificate_attempts


class CertificateShelf(Shelf):
    def save_certificate(self, source: CertificateSource, name: Hostname, certificate: Certificate) -> None:
        """In the place of an older one of that name. Raises Unavailable; then the older one is as it was."""
        path = self._certificate(source, name)
        with translated(str(path)):
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(mode=directories.DIRECTORY_MODE, exist_ok=True)
            directories.replace(path, to_pem(certificate))

    def certificates(self, source: CertificateSource) -> dict[Hostname, Certificate]:
        """By the name they were saved under; those that cannot be read are told by `damaged_certificates`."""
        return {name: found for name, found in self._read_certificates(source).items() if found is not None}

    def damaged_certificates(self) -> tuple[StateDamaged, ...]:
        """Files that hold no whole certificate: their names are as if they had none."""
        hint = "remove the file; a certificate of the platform's is ordered anew, one of your own is added again"
        return tuple(
            StateDamaged(f"the certificate of {name} cannot be read", hint=hint, where=str(self._certificate(source, name)))
            for source in CertificateSource
            for name, found in self._read_certificates(source).items()
            if found is None
        )

    def remove_certificate(self, source: CertificateSource, name: Hostname) -> None:
        """Raises NotFound."""
        path = self._certificate(source, name)
        with translated(str(path)):
            if not path.exists():
                raise NotFound(f"there is no certificate named {name}", hint="`mooring certs` lists them")
            path.unlink()
            directories.sync_directory(path.parent)

    def begin_attempt(self, hostname: Hostname, *, at: float) -> int:
        """Synced before it returns; gives the attempt's sequence."""
        row = {"hostname": hostname, "at": at, "outcome": AttemptOutcome.OPEN.value, "detail": "", "retry_at": 0.0}
        with self._database.write() as connection:
            return int(connection.execute(insert(_table).values(row)).lastrowid)

    def end_attempt(self, sequence: int, *, outcome: AttemptOutcome, detail: str = "", retry_at: float = 0.0) -> None:
        """One that was forgotten since is passed over."""
        with self._database.write() as connection:
            values = {"outcome": outcome.value, "detail": detail, "retry_at": retry_at}
            connection.execute(update(_table).where(_table.c.sequence == sequence).values(values))

    def attempts(self) -> tuple[Attempt, ...]:
        """All that are remembered, oldest first."""
        with self._database.read() as connection:
            return tuple(
                Attempt(
                    sequence=row.sequence,
                    hostname=row.hostname,
                    at=row.at,
                    outcome=AttemptOutcome(row.outcome),
                    detail=row.detail,
                    retry_at=row.retry_at,
                )
                for row in connection.execute(select(_table).order_by(_table.c.sequence))
            )

    def forget_attempts(self, *, before: float) -> int:
        """Those placed before this time that have ended; how many."""
        with self._database.write() as connection:
            is_old = (_table.c.at < before) & (_table.c.outcome != AttemptOutcome.OPEN.value)
            return connection.execute(delete(_table).where(is_old)).rowcount

    def _read_certificates(self, source: CertificateSource) -> dict[Hostname, Certificate | None]:
        """None for what is not whole."""
        folder = self._directory / FOLDER / source.value
        with translated(str(folder)):
            paths = sorted(folder.glob("*.pem")) if folder.is_dir() else []
            return {_named(path): read_certificate(directories.read(path, at_most=LARGEST * 2)) for path in paths}

    def _certificate(self, source: CertificateSource, name: Hostname) -> Path:
        return self._directory / FOLDER / source.value / f"{name.replace('*', '_')}.pem"


def _named(path: Path) -> Hostname:
    return Hostname(path.stem.replace("_", "*"))
