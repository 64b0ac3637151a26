"""Settings and secrets. A secret's value never stands on a command line. Must not: print a secret's value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mooring.cli.options import DETACH, command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError
from mooring.model.names import variable_name

if TYPE_CHECKING:
    from mooring.usecases.answers import ConfigChange


@command("config set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
@DETACH
def config_set_command(session: Session, pairs: tuple[str, ...], detach: bool) -> int:
    return _changed(session, session.client.change_config(session.environment, set=parsed_pairs(pairs)), is_detached=detach)


@command("config unset")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@DETACH
def config_unset_command(session: Session, names: tuple[str, ...], detach: bool) -> int:
    checked = tuple(variable_name(name) for name in names)
    return _changed(session, session.client.change_config(session.environment, unset=checked), is_detached=detach)


@command("config show")
@click.option("--origin", is_flag=True, help="Also show where each value comes from.")
def config_show_command(session: Session, origin: bool) -> None:
    from mooring.cli.render.variables import variable_lines

    variables = session.client.config(session.environment, origin=origin)
    session.answer(variables, variable_lines(variables, shows_origin=origin, width=session.out.width))


@command("secret set")
@click.argument("name")
@click.argument("surplus", nargs=-1, metavar="")
@click.option("--file", type=click.Path(), help="Take the value from this file, byte for byte.")
@DETACH
def secret_set_command(session: Session, name: str, surplus: tuple[str, ...], file: str | None, detach: bool) -> int:
    from mooring.cli.secret_input import read_file, read_secret

    if "=" in name or surplus:
        raise UsageError(
            "a secret's value does not go on the command line: other users of this machine can see it there, and your shell remembers it",
            hint=f'pipe it: printf %s "$VALUE" | mooring secret set {_shown_name(name)}; or give the name alone, and it is asked for',
        )
    checked = variable_name(name)
    value = read_file(Path(file), checked) if file is not None else read_secret(session, checked)
    if "\0" in value.reveal():
        session.remark(f'no environment can carry {checked}: it reaches an app whose mooring.toml has [secrets] files = ["{checked}"]')
    return _changed(session, session.client.set_secret(session.environment, name, value), is_detached=detach)


@command("secret unset")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@DETACH
def secret_unset_command(session: Session, names: tuple[str, ...], detach: bool) -> int:
    checked = tuple(variable_name(name) for name in names)
    return _changed(session, session.client.change_config(session.environment, unset=checked), is_detached=detach)


@command("secret ls")
def secret_ls_command(session: Session) -> None:
    from mooring.cli.render.variables import secret_lines, secret_names

    names = secret_names(session.client.config(session.environment))
    session.answer({"environment": str(session.environment), "secrets": names}, secret_lines(names))


@command("secret rotate", about_environment=False)
def secret_rotate_command(session: Session) -> None:
    rotation = session.client.rotate_keys()
    counted = f"{rotation.resealed} stored value{'s' if rotation.resealed != 1 else ''}"
    session.answer(rotation, [line(f"A new key seals {counted}; apps go on as they are. The old key opens old backups only.")])


def parsed_pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; a value may be empty and may hold `=`. Raises InvalidInput, InvalidName."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise InvalidInput(f"{text!r} sets nothing", hint="write NAME=VALUE; to remove a variable: mooring config unset NAME")
        if variable_name(name) in pairs:
            raise InvalidInput(f"{name} is given twice", hint="say each variable once")
        pairs[name] = value
    return pairs


def _shown_name(name: str) -> str:
    return name.partition("=")[0] or "NAME"


def _changed(session: Session, change: ConfigChange, *, is_detached: bool) -> int:
    """A change makes a new release where one runs; else the values wait for the first deploy."""
    from mooring.cli.follow import started

    if change.deployment is not None:
        return started(session, change.deployment, is_detached=is_detached)
    session.answer(change, [line(f"{session.environment}: stored; nothing had to be restarted.")])
    return 0
