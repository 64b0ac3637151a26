"""A certificate authority of this machine's own, for `*.localhost` names only, and the certificates it signs.

Its own certificate may sign nothing but names under localhost (a critical name constraint), so that trusting it trusts no one
with the rest of the web. Keys are 0600. Must not: install itself anywhere, or serve.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mooring.drivers.edge.files import make_directory, read_whole, write_whole
from mooring.drivers.pem import key_pem
from mooring.errors import InvalidInput, StateDamaged
from mooring.model.certificate import Certificate
from mooring.model.secret import Secret

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397  # browsers refuse more than 398; source: CA/Browser Forum baseline requirements 6.3.2
RENEW_DAYS = 30
NAME = "Mooring local authority"


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Where the authority's certificate is, and the commands (as argument lists) with which a person lets this machine trust it."""

    certificate: Path
    system: tuple[tuple[str, ...], ...]
    browsers: tuple[tuple[str, ...], ...]


def is_local(hostname: str) -> bool:
    """Whether the local authority may sign for it."""
    return hostname == "localhost" or hostname.endswith(".localhost")


class LocalAuthority:
    """The authority, its key in `directory`; made on first use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loaded: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None

    @property
    def certificate_path(self) -> Path:
        return self._directory / "authority.crt"

    def prepare(self, now: float) -> None:
        """Make the authority unless it is there. Raises StateDamaged when half of it is missing or it cannot be read."""
        self._authority(now)

    def sign(self, hostnames: Sequence[str], *, now: float) -> Certificate:
        """A new key and certificate for these names. Raises InvalidInput for a name that is not local."""
        foreign = next((name for name in hostnames if not is_local(name)), None)
        if foreign is not None or not hostnames:
            raise InvalidInput(f"the local authority does not sign for {foreign!r}", hint="it signs names under .localhost only")
        authority, signing_key = self._authority(now)
        key = ec.generate_private_key(ec.SECP256R1())
        expires = _moment(now) + datetime.timedelta(days=LEAF_DAYS)
        certificate = _leaf(hostnames, key.public_key(), authority, now=now, expires=expires).sign(signing_key, hashes.SHA256())
        return Certificate(
            chain=_pem(certificate),
            key=Secret(key_pem(key)),
            hostnames=tuple(hostnames),
            issuer=NAME,
            starts_at=certificate.not_valid_before_utc.timestamp(),
            expires_at=certificate.not_valid_after_utc.timestamp(),
        )

    def trust(self, platform: str = sys.platform) -> Trust:
        path = str(self.certificate_path)
        database = f"sql:{Path.home() / '.pki' / 'nssdb'}"
        nss = ("certutil", "-d", database, "-A", "-t", "C,,", "-n", NAME, "-i", path)
        if platform == "darwin":
            keychain = "/Library/Keychains/System.keychain"
            system: tuple[tuple[str, ...], ...] = (("security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, path),)
        else:
            target = "/usr/local/share/ca-certificates/mooring-local.crt"
            system = (("install", "-m", "0644", path, target), ("update-ca-certificates",))
        return Trust(certificate=self.certificate_path, system=system, browsers=(nss,))

    def _authority(self, now: float) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if self._loaded is None:
            self._loaded = self._read() or self._make(now)
        return self._loaded

    def _read(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        key_path = self._directory / "authority.key"
        key, certificate = read_whole(key_path), read_whole(self.certificate_path)
        if key is None:
            return None
        try:
            loaded = serialization.load_pem_private_key(key, None)
            if certificate is None or not isinstance(loaded, ec.EllipticCurvePrivateKey):
                raise ValueError("incomplete")
            return x509.load_pem_x509_certificate(certificate), loaded
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise StateDamaged(
                "the local certificate authority cannot be read",
                hint=f"move {self._directory} away to have a new one made (it must then be trusted anew)",
                where=str(key_path),
            ) from error

    def _make(self, now: float) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _root(key.public_key(), now).sign(key, hashes.SHA256())
        make_directory(self._directory)
        write_whole(self.certificate_path, _pem(certificate).encode())
        write_whole(self._directory / "authority.key", key_pem(key).encode())
        return certificate, key


def is_due(certificate: Certificate, now: float) -> bool:
    """Whether one of this authority's should be made anew."""
    return certificate.expires_at - now < RENEW_DAYS * 86400


def _root(public_key: ec.EllipticCurvePublicKey, now: float) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    constraint = x509.NameConstraints(permitted_subtrees=[x509.DNSName("localhost")], excluded_subtrees=None)
    usage = _usage(signs_certificates=True)
    return (
        _builder(name, name, public_key, now=now, expires=_moment(now) + datetime.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(constraint, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _leaf(
    hostnames: Sequence[str],
    public_key: ec.EllipticCurvePublicKey,
    authority: x509.Certificate,
    *,
    now: float,
    expires: datetime.datetime,
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostnames[0][:64])])
    issuer_key = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(name, authority.subject, public_key, now=now, expires=expires)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in hostnames]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, *, now: float, expires: datetime.datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public_key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(_moment(now) - datetime.timedelta(hours=1)).not_valid_after(expires)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), tz=datetime.UTC)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
