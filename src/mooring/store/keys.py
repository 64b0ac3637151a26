"""The key file beside the database: the AES keys that the config snapshots are sealed with. Must not: replace a key that is missing.

One line per key, `mooring-key-1 BASE64`, the first is the one to seal with; more than one only while keys are being rotated.
A key's id is taken from the key itself, so a garbled key never passes for the one that a record was sealed with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mooring.errors import StateDamaged
from mooring.store import directory as directories

_FORMAT = "mooring-key-1"
_BYTES = 32
_LARGEST_FILE = 4096
_HINT = "put back the key file that belongs to this state (a backup made with a passphrase holds it); the encrypted config needs it"


class Key:
    """One AES-256 key, never shown."""

    __slots__ = ("id", "material")

    def __init__(self, material: bytes) -> None:
        self.material = material
        self.id = hashlib.sha256(b"mooring key id" + material).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<key {self.id}>"


class KeyRing:
    """The keys by which records can be opened; new ones are sealed with the first."""

    def __init__(self, keys: tuple[Key, ...], *, where: Path) -> None:
        self.keys = keys
        self._where = where

    @property
    def active(self) -> Key:
        return self.keys[0]

    def find(self, key_id: str) -> Key:
        """Raises StateDamaged when a record was sealed with a key that is not here."""
        for key in self.keys:
            if key.id == key_id:
                return key
        raise StateDamaged(f"the key {key_id} of encrypted config is not in the key file", hint=_HINT, where=str(self._where))

    def to_bytes(self) -> bytes:
        return b"".join(f"{_FORMAT} {base64.b64encode(key.material).decode()}\n".encode() for key in self.keys)

    def save(self) -> None:
        directories.replace(self._where, self.to_bytes())

    def rotated(self) -> KeyRing:
        """With a fresh key in front of the others."""
        return KeyRing((new_key(), *self.keys), where=self._where)

    def retired(self) -> KeyRing:
        """With the active key only."""
        return KeyRing(self.keys[:1], where=self._where)


def new_key() -> Key:
    return Key(AESGCM.generate_key(bit_length=_BYTES * 8))


def joined(newer: KeyRing | None, older: KeyRing | None, *, where: Path) -> KeyRing | None:
    """The keys of both, the newer's first."""
    keys = {key.id: key for ring in (newer, older) if ring is not None for key in ring.keys}
    return KeyRing(tuple(keys.values()), where=where) if keys else None


def read_ring(path: Path) -> KeyRing:
    """Raises StateDamaged when the file is missing, empty or garbled."""
    try:
        content = directories.read(path, at_most=_LARGEST_FILE)
    except FileNotFoundError:
        raise StateDamaged("the key file is missing", hint=_HINT, where=str(path)) from None
    except OSError as error:
        raise StateDamaged(f"the key file cannot be read: {error.strerror}", hint=_HINT, where=str(path)) from error
    return parse_ring(content, where=path)


def parse_ring(content: bytes, *, where: Path) -> KeyRing:
    """Raises StateDamaged."""
    lines = content.splitlines()
    if not lines:
        raise StateDamaged("the key file is empty", hint=_HINT, where=str(where))
    return KeyRing(tuple(_parse(line, where=where) for line in lines), where=where)


def _parse(line: bytes, *, where: Path) -> Key:
    form, _, text = line.partition(b" ")
    try:
        material = base64.b64decode(text, validate=True)
    except binascii.Error:
        material = b""
    if form != _FORMAT.encode() or len(material) != _BYTES:
        raise StateDamaged("the key file is garbled", hint=_HINT, where=str(where))
    return Key(material)
