"""A certificate authority for tests: root, intermediate and leaves of any names and times. Must not: be trusted by anybody."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from mooring.drivers.pem import key_pem, read_certificate
from mooring.model.certificate import Certificate

DAY = 86_400.0


class PaperAuthority:
    """`root` is what a client trusts, `intermediate` goes with each leaf; both PEM."""

    def __init__(self, name: str = "Paper authority") -> None:
        self._root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.name = name
        self.root = _pem(_signed(name, name, self._root_key.public_key(), self._root_key, starts_at=0, expires_at=4e9))
        between = f"{name} 1"
        self.intermediate = _pem(_signed(between, name, self._key.public_key(), self._root_key, starts_at=0, expires_at=4e9))

    def issue(self, hostnames: Sequence[str], *, starts_at: float, expires_at: float) -> Certificate:
        """With a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _signed(
            hostnames[0], f"{self.name} 1", key.public_key(), self._key, starts_at=starts_at, expires_at=expires_at, hostnames=hostnames
        )
        found = read_certificate((_pem(leaf) + self.intermediate + key_pem(key)).encode())
        assert found is not None
        return found

    def sign(self, request: bytes, *, starts_at: float, expires_at: float) -> str:
        """The chain for a signing request."""
        asked = x509.load_pem_x509_csr(request)
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        public = asked.public_key()
        leaf = _signed(names[0], f"{self.name} 1", public, self._key, starts_at=starts_at, expires_at=expires_at, hostnames=names)
        return _pem(leaf) + self.intermediate


def _signed(
    name: str,
    issuer: str,
    key: CertificatePublicKeyTypes,
    signing: ec.EllipticCurvePrivateKey,
    *,
    starts_at: float,
    expires_at: float,
    hostnames: Sequence[str] = (),
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        subject_name=_named(name),
        issuer_name=_named(issuer),
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=_moment(starts_at),
        not_valid_after=_moment(expires_at),
    ).add_extension(x509.BasicConstraints(ca=not hostnames, path_length=None), critical=True)
    if hostnames:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in hostnames]), critical=False)
    return builder.sign(signing, hashes.SHA256())


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), tz=datetime.UTC)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
