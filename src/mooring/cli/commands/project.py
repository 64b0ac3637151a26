"""About the app's own files: init and explain. Must not: ask the platform anything."""

from __future__ import annotations

from pathlib import Path

import click

from mooring.cli.options import command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError


@command("init")
@click.option(
    "--from", "source", metavar="FILE", help="Translate another tool's file: its path, or compose, kamal, fly, heroku, app.json, procfile."
)
@click.option("--force", "is_forced", is_flag=True, help="Write over a mooring.toml that exists.")
def init_command(session: Session, source: str | None, is_forced: bool) -> None:
    from mooring.cli.detection import detected
    from mooring.cli.source_file import files_here
    from mooring.cli.whereabouts import MANIFEST
    from mooring.manifest.starter import starter

    file = session.directory / MANIFEST
    if source is not None:
        _translated(session, file, source, is_forced=is_forced)
        return
    found = detected(session.directory, session.environment, variables=session.variables)
    _write(file, starter(found), is_forced=is_forced)
    because = f": {found.reason}" if found.reason else ""
    builder = f"builder {found.builder}{because}" if found.builder else "no builder fits what is here: add a Procfile"
    for dialect, place in files_here(session.directory):
        session.remark(f"{place} is here too: `mooring init --from {dialect} --force` translates it")
    session.answer({"file": str(file), "detected": found}, [line(f"{file} is written ({builder}).")])


def _translated(session: Session, file: Path, source: str, *, is_forced: bool) -> None:
    """Write what another tool's file comes to, and account for each of its keys."""
    from mooring.cli.render.moving import translation_lines
    from mooring.cli.source_file import source_file
    from mooring.manifest.moving import translate
    from mooring.model.names import app_name

    name, files = source_file(session.directory, source)
    made = translate(files, name, app=app_name(session.chosen_app) if session.chosen_app else "")
    if not made.app:
        made = translate(files, name, app=str(session.environment.app))
    _write(file, made.toml, is_forced=is_forced)
    session.answer(
        {"file": str(file), "from": name, "translation": made, "commands": made.commands},
        [*translation_lines(made, width=session.out.width), (), line(f"{file} is written.")],
    )


def _write(file: Path, text: str, *, is_forced: bool) -> None:
    """Beside it first, so that there is never half a file. Raises UsageError where there is one already."""
    beside = file.with_name(f".{file.name}.new")
    try:
        if not is_forced:
            with file.open("x", encoding="utf-8") as into:
                into.write(text)
            return
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except FileExistsError:
        hint = "it is left as it is; `mooring explain` lists what may stand in it, and --force writes over it"
        raise UsageError(f"{file} exists already", hint=hint) from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}", hint="choose a directory of yours") from error


@command("explain", about_environment=False)
@click.argument("key", required=False, default="")
def explain_command(session: Session, key: str) -> None:
    from mooring.manifest.explain import explain

    text = explain(key)
    session.answer({"key": key, "text": text}, [line(row) for row in text.split("\n")])
