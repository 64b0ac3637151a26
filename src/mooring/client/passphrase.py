"""Reads a passphrase from a file, since a command line can be seen by others. Must not: keep or show it."""

from __future__ import annotations

from pathlib import Path

from mooring.errors import InvalidInput
from mooring.model.secret import Secret


def read_passphrase(file: Path) -> Secret:
    """The file's first line. Raises InvalidInput."""
    try:
        return Secret(file.read_text().split("\n", 1)[0])
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the passphrase file {file} cannot be read", hint="it holds the passphrase as one line of text") from error
