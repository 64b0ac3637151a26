"""About the app's own files: init and explain. Must not: ask the platform anything."""

from __future__ import annotations

import click

from mooring.cli.options import command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError


@command("init")
def init_command(session: Session) -> None:
    from mooring.cli.detection import detected
    from mooring.cli.whereabouts import MANIFEST
    from mooring.manifest.starter import starter

    file = session.directory / MANIFEST
    found = detected(session.directory, session.environment, variables=session.variables)
    try:
        with file.open("x", encoding="utf-8") as into:
            into.write(starter(found))
    except FileExistsError:
        raise UsageError(f"{file} exists already", hint="it is left as it is; `mooring explain` lists what may stand in it") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}", hint="choose a directory of yours") from error
    because = f": {found.reason}" if found.reason else ""
    builder = f"builder {found.builder}{because}" if found.builder else "no builder fits what is here: add a Procfile"
    session.answer({"file": str(file), "detected": found}, [line(f"{file} is written ({builder}).")])


@command("explain", about_environment=False)
@click.argument("key", required=False, default="")
def explain_command(session: Session, key: str) -> None:
    from mooring.manifest.explain import explain

    text = explain(key)
    session.answer({"key": key, "text": text}, [line(row) for row in text.split("\n")])
