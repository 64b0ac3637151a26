"""Reads a folder of tests/cases/moving, and says what came out as text. Run as a program, it writes that text as expected."""

from __future__ import annotations

import sys
from pathlib import Path

from mooring.cli.render.moving import translation_lines
from mooring.cli.render.styled import joined
from mooring.errors import UsageError
from mooring.manifest.moving import DIALECTS, Translation, translate
from mooring.manifest.sources import PROCFILE

FOLDER = Path(__file__).parents[2] / "cases" / "moving"
EXPECTED = ("mooring.toml", "table.txt", "problems.txt")
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
PLACES = [place for dialect in DIALECTS.values() for place in dialect.places]


def source(name: str) -> tuple[str, dict[str, bytes]]:
    """The file to translate, and all files by their names. A Procfile beside another file is only looked at."""
    folder = FOLDER / name
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in EXPECTED]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    meant = [file for file in files if file != PROCFILE] or [PROCFILE]
    return meant[0], files


def translation(name: str) -> Translation:
    file, files = source(name)
    return translate(files, file)


def outcome(name: str) -> dict[str, str]:
    """The files that should lie beside the source, with what should stand in them."""
    try:
        made = translation(name)
    except UsageError as error:
        return {"problems.txt": f"{error}\n"}
    return {"mooring.toml": made.toml, "table.txt": joined(translation_lines(made, width=140))}


def write(name: str) -> None:
    for file in EXPECTED:
        (FOLDER / name / file).unlink(missing_ok=True)
    for file, text in outcome(name).items():
        (FOLDER / name / file).write_text(text)


if __name__ == "__main__":
    for each in sys.argv[1:] or NAMES:
        write(each)
