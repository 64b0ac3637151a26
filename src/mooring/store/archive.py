"""What a backup file looks like: a ZIP of the database and named files, a manifest with their hashes, and a sealed part.

    mooring.db             the database, copied in one consistent state
    files/NAME[/…]         other files of the state directory
    manifest.json          format, versions, and size and SHA-256 of each of the above
    sealed                 the key file and other secret files, encrypted with a passphrase: salt, nonce, AES-256-GCM ciphertext

The key of the seal is scrypt of the passphrase; the manifest's bytes are its associated data, so with the passphrase the
whole backup is known to be as it was made. Without one the secret files are left out: they never lie beside the data in clear.
Must not: touch a state directory.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mooring.errors import InvalidInput, StateDamaged
from mooring.model.secret import Secret

FORMAT = 1
MANIFEST = "manifest.json"
SEALED = "sealed"
FILES = "files"
LARGEST_MANIFEST = 4_000_000  # bytes
LARGEST_SEALED = 16_000_000  # bytes
SHORTEST_PASSPHRASE = 8

_PART = re.compile(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
_DEEPEST = 8
_SALT = 16
_NONCE = 12


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`keys` are the ids of the keys that the database's config is sealed with; `has_sealed` says whether the sealed part is there."""

    format: int
    made_by: str
    made_at: float
    schema: str
    entries: tuple[Entry, ...]
    keys: tuple[str, ...]
    has_sealed: bool


def checked_name(name: str) -> str:
    """A relative path of plain names, none of which begins with a dot or dash; raises InvalidInput."""
    parts = name.split("/")
    if len(parts) > _DEEPEST or not all(_PART.match(part) for part in parts):
        raise InvalidInput(f"the file name {name!r} has no place in a backup", hint="use letters, digits and . _ -, at most 8 levels deep")
    return str(PurePosixPath(*parts))


def checked_passphrase(passphrase: Secret) -> Secret:
    """Raises InvalidInput when it is too short to protect anything."""
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise InvalidInput(
            f"the passphrase has less than {SHORTEST_PASSPHRASE} characters", hint="use a longer one; several words are good"
        )
    return passphrase


def seal_files(files: dict[str, bytes], *, passphrase: Secret, manifest: bytes) -> bytes:
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    content = msgspec.msgpack.encode(files)
    return salt + nonce + AESGCM(_derived(passphrase, salt)).encrypt(nonce, content, manifest)


def unseal_files(sealed: bytes, *, passphrase: Secret, manifest: bytes, where: str) -> dict[str, bytes]:
    """Raises StateDamaged when the passphrase, the sealed part or the manifest is not what it was."""
    salt, nonce, content = sealed[:_SALT], sealed[_SALT : _SALT + _NONCE], sealed[_SALT + _NONCE :]
    try:
        opened = AESGCM(_derived(passphrase, salt)).decrypt(nonce, content, manifest)
    except (InvalidTag, ValueError):
        message = "the passphrase does not open this backup, or the backup was changed"
        raise StateDamaged(message, hint="check the passphrase; if it is right, use another backup", where=where) from None
    return msgspec.msgpack.decode(opened, type=dict[str, bytes])


def _derived(passphrase: Secret, salt: bytes) -> bytes:
    """The parameters belong to the format: a backup cannot ask for more memory than these 128 MiB."""
    return Scrypt(salt=salt, length=32, n=2**17, r=8, p=1).derive(passphrase.reveal().encode("utf-8", "surrogateescape"))
