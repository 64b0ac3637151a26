"""The account key: made once, 0600, never replaced by itself. Must not: speak to an authority."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWKEC

from mooring.drivers.pem import new_key
from mooring.errors import StateDamaged, Unavailable

_HINT = "put it back from a backup; or move it away, and the next order makes a new account"


def account_key(path: Path) -> JWKEC:
    """Of this file; made when there is none. Raises StateDamaged when it cannot be used, Unavailable when the disk does not work."""
    try:
        content = _kept(path)
    except OSError as error:
        raise Unavailable(f"the ACME account's key {path} cannot be kept: {error.strerror}") from error
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StateDamaged("the ACME account's key cannot be read", hint=_HINT, where=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StateDamaged("the ACME account's key is of another kind than Mooring makes", hint=_HINT, where=str(path))
    return JWKEC(key=key)


def _kept(path: Path) -> bytes:
    """Whoever makes it first makes it for all: linking does not replace."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
        try:
            _write(beside, new_key().reveal().encode())
            path.hardlink_to(beside)
        except FileExistsError:
            pass
        finally:
            beside.unlink(missing_ok=True)
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
