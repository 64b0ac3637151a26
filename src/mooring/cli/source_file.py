"""The file of another tool that `mooring init --from` is given: by its path, or by the tool's name. Must not: translate it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mooring.errors import InvalidInput, NotFound
from mooring.manifest.moving import DIALECTS
from mooring.manifest.sources import FILES, PROCFILE

_LARGEST = 10_000_000  # no more is even read; what may be read at most is the reader's to say


def source_file(directory: Path, asked: str) -> tuple[str, Mapping[str, bytes]]:
    """The file's name as it was asked for, and its content and a Procfile's by name. Raises NotFound or InvalidInput."""
    name = _placed(directory, asked) if asked in DIALECTS else asked
    procfile = directory / PROCFILE
    beside = {PROCFILE: _content(procfile, PROCFILE)} if procfile.is_file() else {}
    return name, {**beside, name: _content(directory / name, name)}


def files_here(directory: Path) -> list[tuple[str, str]]:
    """Files that could be translated, each with whose it is; not those that Mooring reads as they are."""
    placed = [
        (dialect.name, next((place for place in dialect.places if (directory / place).is_file()), "")) for dialect in DIALECTS.values()
    ]
    return [(name, place) for name, place in placed if place and place not in FILES]


def _placed(directory: Path, dialect: str) -> str:
    """Where the file of this dialect usually lies."""
    places = DIALECTS[dialect].places
    for place in places:
        if (directory / place).is_file():
            return place
    raise NotFound(
        f"there is no file of {dialect} here: {', '.join(places)}", hint="name the file: mooring init --from FILE", where=str(directory)
    )


def _content(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        known = ", ".join(DIALECTS)
        raise NotFound(f"there is no file {name}", hint=f"give its path, or one of {known}", where=str(path.parent)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise InvalidInput(f"{name} cannot be read: {reason}", hint="give the path of a file", where=str(path.parent)) from None
