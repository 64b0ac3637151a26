"""Whether a message is the forge's: compared in constant time, over the bytes as they came, before they are looked into.

Must not: believe anything where there is no secret.
"""

from __future__ import annotations

import hashlib
import hmac

from mooring.errors import InvalidInput, Unauthorized
from mooring.model.secret import Secret

LEAST = 16  # characters of a hook's secret


def check_signed(body: bytes, given: str, secret: Secret) -> None:
    """`given` is HMAC-SHA256 in hex. Raises Unauthorized."""
    if not secret.reveal():
        raise _not_believed("no secret was agreed with this forge")
    wanted = hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
        raise _not_believed("it is not signed with the secret of this hook")


def check_token(given: str, secret: Secret) -> None:
    """For a forge that sends the secret itself. Raises Unauthorized."""
    if not secret.reveal():
        raise _not_believed("no secret was agreed with this forge")
    if not hmac.compare_digest(secret.reveal().encode(), given.encode("utf-8", "replace")):
        raise _not_believed("it does not carry the secret of this hook")


def check_hook_secret(secret: Secret) -> None:
    """Long enough not to be guessed. Raises InvalidInput."""
    if len(secret.reveal()) < LEAST:
        raise InvalidInput(f"the hook's secret has fewer than {LEAST} characters", hint="make one: openssl rand -hex 32")


def _not_believed(why: str) -> Unauthorized:
    return Unauthorized(f"the message is not believed: {why}", hint="give the forge's hook the secret of `mooring forge add`")
