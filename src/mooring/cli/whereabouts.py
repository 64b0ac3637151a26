"""Which app is meant when nobody says: the one whose directory we stand in. Must not: repair a name."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mooring.errors import InvalidName, ManifestInvalid
from mooring.model.names import AppName, app_name
from mooring.model.problem import Problem

MANIFEST = "mooring.toml"
NAME_KEY = "app"
_SIGNS = (MANIFEST, "Procfile", "app.json")


def project_directory(start: Path) -> Path:
    """The nearest directory from `start` upwards that describes an app, up to the repository's top; else `start` itself."""
    for directory in (start, *start.parents):
        if any((directory / sign).is_file() for sign in _SIGNS):
            return directory
        if (directory / ".git").exists():
            return directory
    return start


def app_of(directory: Path) -> AppName:
    """The name in mooring.toml, else the directory's own name. Raises InvalidName, saying how to choose one."""
    written = _written_name(directory / MANIFEST)
    if written:
        return app_name(written)
    try:
        return app_name(directory.name)
    except InvalidName as error:
        raise InvalidName(
            f"the directory's name {directory.name!r} cannot be an app's name",
            hint=f'choose one with -a NAME, or with {NAME_KEY} = "NAME" in {MANIFEST}: a-z, 0-9 and single dashes, a letter first',
            where=str(directory),
        ) from error


def _written_name(manifest: Path) -> str:
    try:
        with manifest.open("rb") as stream:
            written = tomllib.load(stream).get(NAME_KEY, "")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        hint = "mend it, or choose the app with -a NAME"
        raise ManifestInvalid([Problem(file=MANIFEST, line=0, key="", message=f"it cannot be read: {error}", hint=hint)]) from error
    return written if isinstance(written, str) else ""
