"""Which platform is meant: names for platforms elsewhere, kept in one file of the person's. Must not: connect."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mooring.errors import InvalidInput, NotFound

LOCAL = "local"  # this machine's platform
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")


class SshTarget(msgspec.Struct, frozen=True, kw_only=True):
    """`state` empty: where that user's platform keeps its state by itself. `program`: what to type there for `mooring`."""

    host: str
    user: str = ""
    port: int = 0
    state: str = ""
    program: str = "mooring"

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{user}{host}{f':{self.port}' if self.port else ''}{self.state}"


class Contexts(msgspec.Struct, frozen=True, kw_only=True):
    """`current` is the one that is meant when nobody says which."""

    current: str = LOCAL
    targets: dict[str, SshTarget] = {}

    def target(self, name: str) -> SshTarget | None:
        """None for this machine. Raises NotFound."""
        if name == LOCAL:
            return None
        if name not in self.targets:
            hint = "`mooring context ls` lists them, `mooring context add` makes one"
            raise NotFound(f"there is no context {name!r}", hint=hint)
        return self.targets[name]


def contexts_file(variables: Mapping[str, str]) -> Path:
    """`mooring/contexts.json` in `$XDG_CONFIG_HOME` or `~/.config`."""
    base = variables.get("XDG_CONFIG_HOME") or ""
    home = variables.get("HOME") or str(Path.home())
    return (Path(base) if base.startswith("/") else Path(home) / ".config") / "mooring" / "contexts.json"


def load(file: Path) -> Contexts:
    """Raises InvalidInput when it is damaged."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Contexts)
    except FileNotFoundError:
        return Contexts()
    except (msgspec.MsgspecError, OSError) as error:
        raise InvalidInput(f"the contexts cannot be read: {error}", hint="mend the file or remove it", where=str(file)) from error


def save(file: Path, contexts: Contexts) -> None:
    """Whole or not at all, mode 0600. Raises InvalidInput."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as new:
            new.write(msgspec.json.format(msgspec.json.encode(contexts)) + b"\n")
        beside.replace(file)
    except OSError as error:
        raise InvalidInput(f"the contexts cannot be written: {error.strerror}", where=str(file)) from error


def check_name(name: str) -> str:
    """Raises InvalidInput."""
    if not _NAME.match(name) or name == LOCAL:
        raise InvalidInput(f"{name!r} cannot be a context's name", hint=f"a-z, 0-9 and dashes, at most 31, and not {LOCAL!r}: that is here")
    return name


def meant(variables: Mapping[str, str], contexts: Contexts, *, chosen: str = "") -> str:
    """The name of the context that is meant: what was said, else $MOORING_CONTEXT, else the current one.

    Who names this machine's state with $MOORING_STATE, or a platform with $MOORING_URL, means that and no context.
    """
    if said := chosen or variables.get("MOORING_CONTEXT", ""):
        return said
    return LOCAL if variables.get("MOORING_STATE") or variables.get("MOORING_URL") else contexts.current
