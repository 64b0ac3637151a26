"""What a command typed by somebody may be, and how the audit log remembers it. Must not: run one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.usecases.platform import Platform

_LONGEST = 100_000  # bytes of command line
_LARGEST_WINDOW = 1000
_REMEMBERED = 1000  # characters of it in the audit log


def check_command(command: Sequence[str], *, example: str) -> None:
    """Raises InvalidInput."""
    if not command or not command[0]:
        raise InvalidInput("no command is given", hint=example)
    size = sum(len(word.encode("utf-8", "surrogateescape")) for word in command)
    if any("\0" in word for word in command) or size > _LONGEST:
        hint = f"at most {_LONGEST} bytes; put long input into standard input"
        raise InvalidInput("the command is too long or holds a NUL byte", hint=hint)


def check_window(*, rows: int, columns: int) -> None:
    """Raises InvalidInput."""
    if not (1 <= rows <= _LARGEST_WINDOW and 1 <= columns <= _LARGEST_WINDOW):
        raise InvalidInput(f"a window of {columns}x{rows} is none", hint=f"1 to {_LARGEST_WINDOW} each way")


def remembered(platform: Platform, environment: EnvironmentId, command: Sequence[str]) -> str:
    """As a shell would show it, without the environment's secrets: redacted before quoting changes them, and before it is cut."""
    redactor = platform.secrets.redactor(environment)
    return redactor.redact(shlex.join(redactor.redact(word) for word in command))[:_REMEMBERED]
