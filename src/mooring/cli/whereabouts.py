"""Which app is meant when nobody says: the one whose directory we stand in. Must not: repair a name."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mooring.errors import InvalidInput, InvalidName
from mooring.model.names import AppName, app_name

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
        from mooring.manifest.keys.names import likely_label

        likely = likely_label(directory.name) or "my-app"
        raise InvalidName(
            f"the directory's name {directory.name!r} cannot be an app's name",
            hint=f'choose one, such as -a {likely}, or {NAME_KEY} = "{likely}" in {MANIFEST}: a-z, 0-9 and single dashes, a letter first',
            where=str(directory),
        ) from error


def _written_name(manifest: Path) -> str:
    """Read quickly; a file with a fault is read again by the manifest's own reader, which says where the fault is."""
    try:
        content = manifest.read_bytes()
        written = tomllib.loads(content.decode()).get(NAME_KEY, "")
    except FileNotFoundError:
        return ""
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        from mooring.manifest import app_name_of

        return app_name_of({MANIFEST: content}) or ""
    except OSError as error:
        raise InvalidInput(
            f"{MANIFEST} cannot be read: {error.strerror}", hint="choose the app with -a NAME", where=str(manifest)
        ) from error
    return written if isinstance(written, str) else ""
