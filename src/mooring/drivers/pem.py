"""Certificates and keys as PEM: read, checked, written, asked for. Must not: touch a file, or sign."""

from __future__ import annotations

import itertools

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import NameOID

from mooring.errors import InvalidInput, InvalidName
from mooring.model.certificate import Certificate
from mooring.model.names import Hostname, hostname
from mooring.model.secret import Secret

LEAST_RSA_BITS = 2048
LARGEST = 100_000  # bytes of a chain with its key
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def to_pem(certificate: Certificate) -> bytes:
    """Chain and key in one, so that they can never be of different ages."""
    return (certificate.chain + certificate.key.reveal()).encode()


def read_certificate(pem: bytes) -> Certificate | None:
    """What `to_pem` made, read back; None when it is not whole, or key and certificate do not belong together."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, None)
        names = _names(certificates[0])
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm):
        return None
    if not names or _public(key.public_key()) != _public(certificates[0].public_key()):
        return None
    return _certificate(certificates, key, names)


def checked_certificate(pem: bytes, *, now: float) -> Certificate:
    """A chain and a key that a person brings. Raises InvalidInput with what is wrong with them."""
    if len(pem) > LARGEST:
        raise InvalidInput(f"chain and key have {len(pem)} bytes", hint=f"give the chain of one certificate alone: at most {LARGEST} bytes")
    certificates, key = _read_chain(pem), _read_key(pem)
    names = _names(certificates[0])
    _check_key(certificates, key)
    _check_order(certificates)
    _check_time(certificates, now=now)
    _check_names(names)
    return _certificate(certificates, key, names)


def new_key() -> Secret:
    """An ECDSA P-256 key as PEM."""
    return Secret(key_pem(ec.generate_private_key(ec.SECP256R1())))


def request_for(name: Hostname, key: Secret) -> bytes:
    """A certificate signing request for this name alone, as PEM."""
    signing = serialization.load_pem_private_key(key.reveal().encode(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=True)
    return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKeyTypes) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _certificate(certificates: list[x509.Certificate], key: PrivateKeyTypes, names: tuple[str, ...]) -> Certificate:
    leaf = certificates[0]
    return Certificate(
        chain="".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates),
        key=Secret(key_pem(key)),
        hostnames=names,
        issuer=_called(leaf.issuer),
        starts_at=leaf.not_valid_before_utc.timestamp(),
        expires_at=leaf.not_valid_after_utc.timestamp(),
    )


def _read_chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise InvalidInput("no certificate can be read", hint="give the chain as PEM, the site's own certificate first") from error


def _read_key(pem: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, None)
    except TypeError as error:
        raise InvalidInput("the key has a passphrase", hint="`openssl pkey -in KEY -out PLAIN` takes it off") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("no key can be read", hint="give the private key as PEM") from error


def _check_key(certificates: list[x509.Certificate], key: PrivateKeyTypes) -> None:
    public = _public(key.public_key())
    owner = next((number for number, each in enumerate(certificates) if _public(each.public_key()) == public), None)
    if owner is None:
        raise InvalidInput("the key belongs to none of the certificates", hint="give the key with which the certificate was asked for")
    if owner:
        raise InvalidInput(f"the key belongs to certificate {owner + 1} of the chain", hint="put the site's own certificate first")
    is_usual = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES
    if not is_usual and not (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS):
        raise InvalidInput("browsers do not take a key of this kind", hint=f"use ECDSA P-256, or RSA of {LEAST_RSA_BITS} bits or more")


def _check_order(certificates: list[x509.Certificate]) -> None:
    for number, (signed, signer) in enumerate(itertools.pairwise(certificates), 2):
        try:
            signed.verify_directly_issued_by(signer)
        except (ValueError, TypeError, InvalidSignature) as error:
            message = f"certificate {number} of the chain has not signed the one before it ({_called(signed.subject)})"
            raise InvalidInput(message, hint="the site's own first, then the one that signed it, and so on") from error


def _check_time(certificates: list[x509.Certificate], *, now: float) -> None:
    for each in certificates:
        if each.not_valid_after_utc.timestamp() <= now:
            expired = f"{_called(each.subject)} expired on {each.not_valid_after_utc:%Y-%m-%d}"
            raise InvalidInput(expired, hint="give a certificate that is valid")
        if each.not_valid_before_utc.timestamp() > now:
            raise InvalidInput(f"{_called(each.subject)} is not valid before {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def _check_names(names: tuple[str, ...]) -> None:
    if not names:
        raise InvalidInput("the certificate names no hostname", hint="it needs them as subject alternative names; browsers read no others")
    for name in names:
        try:
            hostname(name)
        except InvalidName as error:
            raise InvalidInput(f"the certificate is for {name!r}, which is no hostname") from error


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))


def _called(name: x509.Name) -> str:
    """`Let's Encrypt R11`: who, and by which of its names; else the whole."""
    common = [str(each.value) for each in name.get_attributes_for_oid(NameOID.COMMON_NAME)][:1]
    if not common:
        return name.rfc4514_string()
    organization = [str(each.value) for each in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)][:1]
    return " ".join([*(each for each in organization if each not in common[0]), *common])


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
