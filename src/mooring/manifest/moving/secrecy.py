"""What looks like a secret, by its name or its value: better one too many than one in a file of the source. Must not: show a value."""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?:\A|_)(?:SECRETS?|PASSWORDS?|PASSWD|PASS|PWD|PASSPHRASE|TOKENS?|CREDENTIALS?|PRIVATE|AUTH|APIKEY|KEY|KEYS|SALT|DSN|COOKIE|HMAC|JWT)"
    r"(?:_|\Z)|(?:PASSWORD|SECRET|TOKEN|APIKEY)\Z",
    re.IGNORECASE,
)
_NOT_THE_VALUE = re.compile(r"_(?:FILE|PATH|DIR)\Z", re.IGNORECASE)
_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@"  # a password in an address
    r"|-----BEGIN"
    r"|\b(?:sk|rk|pk)_(?:live|test)_|\bgh[pousr]_|\bgithub_pat_|\bglpat-|\bxox[abprs]-|\bAKIA[0-9A-Z]{12}|\bAIza|\bSG\.|\beyJ[A-Za-z0-9_-]{10}"
    r"|[?&;](?:password|passwd|pwd|token|secret|key|sig|signature)="
    r"|(?:\A|;)\s*(?:password|pwd)=",
    re.IGNORECASE,
)
_RANDOM = re.compile(r"\A(?:[0-9a-fA-F]{32,}|(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/_-]{24,}={0,2})\Z")


def is_secret(name: str, value: str) -> bool:
    """Whether the variable should be a secret."""
    if _NAME.search(name) and not _NOT_THE_VALUE.search(name):
        return True
    return bool(_VALUE.search(value) or _RANDOM.match(value))
