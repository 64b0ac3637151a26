"""`mooring logs`. Must not: change anything."""

from __future__ import annotations

import click

from mooring.cli.options import command
from mooring.cli.session import Session
from mooring.model.names import process_name


@command("logs")
@click.argument("process", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    default=100,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="How many of the latest lines of each instance to begin with.",
)
def logs_command(session: Session, process: str, follow: bool, lines: int) -> None:
    from mooring.cli.render.log_lines import log_line

    chosen = process_name(process) if process else None
    for said in session.client.logs(session.environment, process=chosen, lines=lines, follow=follow):
        session.stream(said, [log_line(said)])
