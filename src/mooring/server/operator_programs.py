"""The operator's own programs, as options name them: their words, and whether they can be run. Must not: run one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from mooring.errors import InvalidInput


def words(option: str, text: str) -> tuple[str, ...]:
    """A command's words as a shell would part them; none is ever run. Raises InvalidInput."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InvalidInput(f"{option} {text!r} cannot be read: {error}", hint="close every quote") from error


def check_program(option: str, argv: Sequence[str]) -> None:
    """Raises InvalidInput where there is one and it cannot be run."""
    if argv and not (Path(argv[0]).is_absolute() and os.access(argv[0], os.X_OK)):
        hint = "name an executable file by its whole path, its arguments behind it"
        raise InvalidInput(f"{option} {argv[0]} is no program that can be run", hint=hint)
