"""Sealing one value with AES-256-GCM so that it opens only in its own place. Must not: keep a key or write a file.

A sealed value is a fresh 12-byte nonce, then the ciphertext with its tag. Environment, version, name and kind are the
associated data: a blob moved to another row, or a secret relabelled as plain, does not open.
"""

from __future__ import annotations

import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mooring.errors import InvalidInput, StateDamaged
from mooring.store.keys import Key

_NONCE = 12


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a sealed value belongs; what is the platform's own has no environment."""

    environment: str
    version: int
    name: str
    kind: str

    def __str__(self) -> str:
        match self.kind:
            case "server":
                return f"the address of the server {self.name}"
            case "service":
                return f"the passwords of the service {self.name} of {self.environment}"
            case _ if not self.environment:
                return f"the password of {self.kind} {self.name}"
            case _:
                return f"the value of {self.name} in config version {self.version} of {self.environment}"

    def associated(self) -> bytes:
        return b"mooring-config-1" + msgspec.json.encode(self)


def seal(text: str, *, key: Key, place: Place) -> bytes:
    """Raises InvalidInput for text that came from no bytes (a lone surrogate)."""
    nonce = os.urandom(_NONCE)
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidInput(f"the value of {place.name} is no text", hint="use Unicode text, or encode it, say as base64") from None
    return nonce + AESGCM(key.material).encrypt(nonce, content, place.associated())


def unseal(sealed: bytes, *, key: Key, place: Place) -> str:
    """Raises StateDamaged when the bytes, the key or the place are not those it was sealed with."""
    try:
        content = AESGCM(key.material).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.associated())
    except (InvalidTag, ValueError):
        raise StateDamaged(
            f"{place} was changed from outside", hint="restore a backup with `mooring state restore`, or set the value again"
        ) from None
    return content.decode("utf-8", "surrogateescape")
