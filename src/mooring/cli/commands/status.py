"""`mooring status`: the platform at a glance. Must not: change anything."""

from __future__ import annotations

import time

import click
import msgspec

from mooring.cli import exit_codes
from mooring.cli.options import command
from mooring.cli.session import Session


@command("status")
@click.option("--check", is_flag=True, help="End with 4 where something is at fault, for programs that watch over it.")
def status_command(session: Session, check: bool) -> int:
    from mooring.cli.render.status import status_lines
    from mooring.model.host import Weight

    status = session.client.status()
    if session.has_chosen:
        chosen = tuple(summary for summary in status.environments if summary.environment == session.environment)
        status = msgspec.structs.replace(status, environments=chosen)
    session.answer(status, status_lines(status, now=time.time(), width=session.out.width))
    is_at_fault = any(trouble.weight is Weight.FAULT for trouble in status.troubles)
    return exit_codes.NEEDS_PERSON if check and is_at_fault else exit_codes.SERVING
