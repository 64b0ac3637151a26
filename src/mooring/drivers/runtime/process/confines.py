"""What confined programs of this host reach: the platform's own directories are hidden from them, what they run from and write to is not.

They may not write to the account's home, so each environment of theirs has one of its own, with a directory for what is temporary.
Must not: decide who is confined, or ask the kernel to do it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mooring.drivers.runtime.process import landlock, record, surroundings
from mooring.drivers.runtime.process.bounds import Bounds, bounds_of
from mooring.drivers.runtime.process.secret_files import FOLDER
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceSpec, TaskSpec


def shortcoming(version: int, *, tells_apart: bool) -> str:
    """What confined programs can do all the same where Landlock is of this version; empty for nothing.

    `tells_apart`: whether the platform's sockets know who is confined (peers.py)."""
    if not version:
        return "Landlock is not in this kernel, or not switched on: they read whatever this account may read"
    said = []
    if version < landlock.REFERS:
        said.append(f"this kernel's Landlock is of version {version}, before {landlock.REFERS}: their builds are not confined")
    if version < landlock.WHOLE:
        said.append(
            f"this kernel's Landlock is of version {version}, before {landlock.WHOLE}: they may signal other programs of this account"
        )
    if not tells_apart:
        said.append("Mooring itself runs with no_new_privs: they may command it over its own sockets")
    return "; ".join(said)


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What is around a program: its bounds, and the home it has instead of the account's; neither where it is not confined."""

    bounds: Bounds | None = None
    home: str = ""


class Confines:
    """`homes`: the directory of all environments' own. `hidden`: what is the platform's, the homes included."""

    def __init__(self, homes: Path, *, hidden: Sequence[Path]) -> None:
        self._homes = homes
        self._hidden = tuple(str(place) for place in hidden)

    def around(self, spec: InstanceSpec | TaskSpec, *, program: Path | None = None, own: Sequence[str] = ()) -> Around:
        """`program`: where it is on record; `own`: what else it may write to. As everybody's where this kernel has no Landlock."""
        if spec.confinement is None or not landlock.version():
            return Around()
        home = self.home(spec.key.environment if isinstance(spec, InstanceSpec) else spec.environment)
        record.make_directory(str(home / surroundings.TEMPORARY))
        secrets = (str(program / FOLDER),) if program is not None else ()
        bounds = bounds_of(
            hidden=(*self._hidden, *spec.confinement.hidden),
            own=(spec.directory, str(home), *own, *spec.confinement.own),
            shown=(*secrets, *(spec.artifact.dependencies if spec.artifact is not None else ())),
        )
        return Around(bounds=bounds, home=str(home))

    def forget(self, environment: EnvironmentId) -> None:
        shutil.rmtree(self.home(environment), ignore_errors=True)

    def home(self, environment: EnvironmentId) -> Path:
        """Where its own is, or would be."""
        return self._homes / environment.slug
