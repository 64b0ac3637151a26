"""Where a platform keeps its state and its sockets, computed alike by server and client. Must not: make anything.

Socket paths have at most 107 bytes, so a deep state directory gets a short one elsewhere for its sockets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from mooring.errors import Forbidden

SOCKET = "controller.sock"
_LONGEST_RUN_DIRECTORY = 80  # bytes; leaves 27 for the names of sockets in it


def state_directory(variables: Mapping[str, str] | None = None) -> Path:
    """`$MOORING_STATE`, else `mooring` in `$XDG_STATE_HOME`, else `~/.local/state/mooring`; absolute."""
    variables = os.environ if variables is None else variables
    if chosen := variables.get("MOORING_STATE"):
        return Path(chosen).expanduser().absolute()
    base = variables.get("XDG_STATE_HOME") or ""
    home = variables.get("HOME") or str(Path.home())
    return (Path(base) if base.startswith("/") else Path(home) / ".local" / "state") / "mooring"


def run_directory(state: Path, variables: Mapping[str, str] | None = None) -> Path:
    """Where this state's sockets are: in it, or when that is too long below `$XDG_RUNTIME_DIR` or /tmp."""
    variables = os.environ if variables is None else variables
    inside = state / "run"
    if len(os.fsencode(inside)) <= _LONGEST_RUN_DIRECTORY:
        return inside
    digest = blake2b(os.fsencode(state), digest_size=6).hexdigest()
    runtime = variables.get("XDG_RUNTIME_DIR") or ""
    if runtime.startswith("/") and len(os.fsencode(runtime)) <= _LONGEST_RUN_DIRECTORY - 21:
        return Path(runtime) / f"mooring-{digest}"
    return Path(f"/tmp/mooring-{os.getuid()}-{digest}")  # noqa: S108 (its owner and mode are checked before it is trusted)


def controller_socket(state: Path, variables: Mapping[str, str] | None = None) -> Path:
    """The socket that the controller listens on."""
    return run_directory(state, variables) / SOCKET


def check_private(directory: Path) -> None:
    """Raises Forbidden when a directory for sockets could have been put there by somebody else."""
    try:
        seen = directory.lstat()
    except FileNotFoundError:
        return
    is_private = stat.S_ISDIR(seen.st_mode) and not seen.st_mode & 0o077
    if not is_private or (seen.st_uid != os.getuid() and os.getuid() != 0):
        hint = f"it must be a directory of yours with mode 0700; remove it, or choose another place with MOORING_STATE ({directory})"
        raise Forbidden(f"{directory} is not a private directory of yours", hint=hint)
