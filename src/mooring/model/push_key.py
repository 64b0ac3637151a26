"""A public key that may push to this platform, and nothing else. Must not: know the file that it stands in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import msgspec

from mooring.errors import InvalidInput, InvalidName
from mooring.model.names import AppName, schema_pattern

KINDS = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
LONGEST = 20_000  # characters of a public key: RSA of 65,536 bits has 11,000
_NAME = re.compile(r"\A[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\Z")
PUSH_KEY_PATTERN = schema_pattern(_NAME)


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """`blob` in base64, as OpenSSH writes it. Source: RFC 4253, section 6.6; sshd(8), AUTHORIZED_KEYS FILE FORMAT."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` says it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class PushKey(msgspec.Struct, frozen=True, kw_only=True):
    """`apps` empty: every app."""

    name: str
    kind: str
    fingerprint: str
    apps: tuple[AppName, ...] = ()


def push_key_name(text: str) -> str:
    """1-64 letters, digits, dots, dashes and underscores, beginning and ending with a letter or digit; raises InvalidName."""
    if not _NAME.match(text):
        raise InvalidName(
            f"the key's name {text[:80]!r} is not allowed", hint="use 1-64 letters, digits and . _ -, like anna or anna-laptop"
        )
    return text


def public_key(text: str) -> PublicKey:
    """One line of a `.pub` file; its comment is left out. Raises InvalidInput."""
    words = text.split()
    if "PRIVATE KEY" in text:
        raise InvalidInput("that is a private key, which nobody else may have", hint="give the file whose name ends in .pub")
    if len(text) > LONGEST or len(text.strip().splitlines()) != 1 or len(words) < 2:
        raise InvalidInput("that is not one public key", hint="give the one line of a file like ~/.ssh/id_ed25519.pub")
    kind, blob = words[0], words[1]
    if kind not in KINDS or _kind_inside(blob) != kind:
        raise InvalidInput(f"that is no public key of a kind taken here ({kind[:40]!r})", hint=f"the kinds are {', '.join(KINDS)}")
    return PublicKey(kind=kind, blob=blob)


def _kind_inside(blob: str) -> str:
    """A key begins with its own kind, length first; empty when this is no key."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return ""
    length = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + length].decode("ascii", "replace") if 0 < length < len(raw) - 4 else ""
