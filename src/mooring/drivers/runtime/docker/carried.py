"""How an environment reaches a container: what may be seen in the engine's own records, and what may not. Must not: write anything.

The engine shows a container's environment to whoever may ask it, and keeps it on disk. So plain variables go that way, and secrets as
files in memory, mounted at /run/secrets: a SecretFile for the app to read, the others as lines that a shell reads before it becomes
the app. The engine's records are JSON, in which not every byte can stand: a plain value that is no UTF-8 goes the way of a secret.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mooring.drivers.runtime.shell import SHELL
from mooring.model.config import revealed
from mooring.model.secret import Secret, SecretFile, path_variable

PLACE = "/run/secrets"
_EXPORTS = ".exports"  # no variable can be called so
_READ_THEN_BECOME = f'. {PLACE}/{_EXPORTS}; exec "$@"'


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """`environment` goes with the container, `files` by their names below PLACE."""

    environment: dict[str, str]
    files: dict[str, bytes]

    @property
    def has_exports(self) -> bool:
        return _EXPORTS in self.files


def carried(variables: Mapping[str, str | Secret]) -> Carried:
    files = {name: _bytes(value) for name, value in variables.items() if isinstance(value, SecretFile)}
    others = {name: value for name, value in variables.items() if name not in files}
    plain = {name: value for name, value in others.items() if isinstance(value, str) and _is_text(value)}
    hidden = {name: _bytes(value) for name, value in others.items() if name not in plain}
    exports = {_EXPORTS: b"".join(_export(name, value) for name, value in hidden.items())} if hidden else {}
    paths = {path_variable(name): f"{PLACE}/{name}" for name in files}
    return Carried(environment={**plain, **paths}, files={**files, **exports})


def started_by(argv: tuple[str, ...], carried: Carried) -> tuple[str, ...]:
    """What the container's first program is: a shell that reads the secrets and becomes `argv`, where there are any to read."""
    return (SHELL, "-c", _READ_THEN_BECOME, SHELL, *argv) if carried.has_exports else argv


def entered_by(argv: tuple[str, ...], entrypoint: tuple[str, ...]) -> tuple[str, ...]:
    """What is run in a container that was started so: its secrets are read again where it read them."""
    is_reading = entrypoint[:3] == (SHELL, "-c", _READ_THEN_BECOME)
    return (SHELL, "-c", _READ_THEN_BECOME, SHELL, *argv) if is_reading else argv


def needs_shell(argv: tuple[str, ...]) -> bool:
    return argv[:1] == (SHELL,)


def _bytes(value: str | Secret) -> bytes:
    return revealed(value).encode("utf-8", "surrogateescape")


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _export(name: str, value: bytes) -> bytes:
    """Nothing but a quote ends a text in single quotes. Source: POSIX, Shell Command Language, 2.2.2."""
    quoted = value.replace(b"'", b"'\"'\"'")
    return b"export " + name.encode() + b"='" + quoted + b"'\n"
