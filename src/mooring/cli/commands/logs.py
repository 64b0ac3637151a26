"""`mooring logs`. Must not: change anything."""

from __future__ import annotations

import click

from mooring.cli.options import command
from mooring.cli.session import Session
from mooring.model.environment import EnvironmentId
from mooring.model.names import process_name

PROCESS = click.argument("process", required=False, default="")
FOLLOW = click.option("-f", "--follow", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
LINES = click.option(
    "-n",
    "--lines",
    default=100,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="How many of the latest lines of each instance to begin with.",
)


@command("logs")
@PROCESS
@FOLLOW
@LINES
def logs_command(session: Session, process: str, follow: bool, lines: int) -> None:
    show(session, session.environment, process=process, follow=follow, lines=lines)


def show(session: Session, environment: EnvironmentId, *, process: str, follow: bool, lines: int) -> None:
    """The lines as they come. Raises InvalidName, NotFound."""
    from mooring.cli.render.log_lines import log_line

    chosen = process_name(process) if process else None
    for said in session.client.logs(environment, process=chosen, lines=lines, follow=follow):
        session.stream(said, [log_line(said)])
