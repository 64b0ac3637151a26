"""Reading a secret's value: from a file, from a pipe, or unseen from a terminal.

Must not: take it from the command line, show it, or keep it.
"""

from __future__ import annotations

import getpass
from pathlib import Path

from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError
from mooring.model.secret import Secret

MOST_BYTES = 120_000


def read_file(path: Path, name: str) -> Secret:
    """The file's content, byte for byte. Raises InvalidInput when it cannot be read, is empty or too long."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as foreign:
        raise InvalidInput(f"{path} cannot be read: {foreign.strerror}", hint="name a file that you may read") from foreign
    return _checked(name, _sized(raw, name).decode("utf-8", "surrogateescape"))


def read_secret(session: Session, name: str, *, again: str = "") -> Secret:
    """The value for `name`. One line end at the end of piped input is not part of it. Raises InvalidInput when it is empty.

    `again`: the command to be piped into; else the one that sets a secret."""
    if session.stdin.isatty():
        return _asked(session, name, again)
    raw = session.stdin.buffer.read(MOST_BYTES + 1)
    try:
        text = _sized(raw, name).decode("utf-8")
    except UnicodeDecodeError:
        hint = f"give it as a file, byte for byte: mooring secret set {name} --file FILE"
        raise InvalidInput(f"the value of {name} is not UTF-8 text", hint=hint) from None
    return _checked(name, text.removesuffix("\n").removesuffix("\r"), again=again)


def read_password(session: Session, whose: str, *, command: str) -> Secret:
    """As `read_secret`; `command` is what it was asked for by. Raises InvalidInput, UsageError."""
    if not session.stdin.isatty():
        raw = _sized(session.stdin.buffer.read(MOST_BYTES + 1), f"password of {whose}")
        text = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    elif session.is_interactive:
        text = getpass.getpass(f"Password of {whose} (not shown): ", stream=session.err.stream)
    else:
        raise UsageError("nobody can be asked for the password here", hint=f'pipe it in: printf %s "$PASSWORD" | {command}')
    if not text:
        raise InvalidInput(f"the password of {whose} is empty", hint=f'pipe it in: printf %s "$PASSWORD" | {command}')
    return Secret(text)


def _sized(raw: bytes, name: str) -> bytes:
    if len(raw) > MOST_BYTES:
        raise InvalidInput(
            f"the value of {name} is longer than {MOST_BYTES:,} bytes", hint="no process can be given more; keep it elsewhere"
        )
    return raw


def _asked(session: Session, name: str, again: str) -> Secret:
    if not session.is_interactive:
        raise UsageError(
            "nobody can be asked for the value here", hint=f'pipe it in: printf %s "$VALUE" | {again or f"mooring secret set {name}"}'
        )
    return _checked(name, getpass.getpass(f"Value of {name} (not shown): ", stream=session.err.stream), again=again)


def _checked(name: str, text: str, *, again: str = "") -> Secret:
    if not text:
        hint = f'pipe it in: printf %s "$VALUE" | {again}' if again else f"to remove it: mooring secret unset {name}"
        raise InvalidInput(f"the value of {name} is empty", hint=hint)
    return Secret(text)
