"""`mooring version` and `mooring completion`: what needs no platform. Must not: import the client."""

from __future__ import annotations

import click

from mooring import __version__
from mooring.cli.options import command
from mooring.cli.render.styled import line
from mooring.cli.session import Session


@command("version", about_environment=False)
def version_command(session: Session) -> None:
    session.answer({"version": __version__}, [line(f"mooring {__version__}")])


@command("completion", about_environment=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(session: Session, shell: str) -> None:
    from click.shell_completion import get_completion_class

    from mooring.cli.group import root

    maker = get_completion_class(shell)
    assert maker is not None
    script = maker(root(), {}, "mooring", "_MOORING_COMPLETE").source()
    if session.is_json:
        session.answer({"shell": shell, "script": script}, [])
    else:
        session.out.write_raw(f"{script}\n")
