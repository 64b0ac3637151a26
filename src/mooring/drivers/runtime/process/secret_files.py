"""Secrets that a process finds as files: DIRECTORY/secrets/NAME, 0600 in a directory 0700, the path in NAME_FILE of its environment.

The directory is of one program, outside every release, and goes with it. Must not: leave a value behind, or put one into an environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mooring.drivers.runtime.process import record
from mooring.model.secret import Secret, SecretFile, path_variable

FOLDER = "secrets"


def laid_out(directory: Path, variables: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    """The variables with a path in place of each file, which is written; files of variables that are gone are removed."""
    files = {name: value for name, value in variables.items() if isinstance(value, SecretFile)}
    folder = directory / FOLDER
    if files:
        record.make_directory(str(folder))
    for name, value in files.items():
        record.write_whole(str(folder / name), value.reveal().encode("utf-8", "surrogateescape"))
    for stale in folder.iterdir() if folder.is_dir() else ():
        if stale.name not in files:
            stale.unlink()
    plain = {name: value for name, value in variables.items() if name not in files}
    return {**plain, **{path_variable(name): str(folder / name) for name in files}}
