"""`mooring events`. Must not: change anything."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from mooring.cli.options import command
from mooring.cli.session import Session

if TYPE_CHECKING:
    from mooring.model.events import Event


@command("events")
@click.option("-f", "--follow", is_flag=True, help="Go on with new events as they come, until Ctrl-C.")
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(0, 10_000), help="How many of the latest to begin with.")
@click.option("--all", "is_all", is_flag=True, help="Of all environments and the platform.")
def events_command(session: Session, follow: bool, lines: int, is_all: bool) -> None:
    from mooring.cli.render.happenings import happening_line

    environment = None if is_all else session.environment
    offset = datetime.now().astimezone().utcoffset() or timedelta()

    def show(events: Iterable[Event]) -> None:
        for event in events:
            session.stream(event, [happening_line(event, offset=offset, width=session.out.width)])

    stored = session.client.events(after=-max(lines, 1), environment=environment)
    show(stored[len(stored) - lines :] if lines else ())
    if follow:
        show(session.client.follow_events(after=stored[-1].sequence if stored else 0, environment=environment))
