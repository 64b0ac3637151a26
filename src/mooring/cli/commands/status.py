"""`mooring status`: the platform at a glance. Must not: change anything."""

from __future__ import annotations

import time

import msgspec

from mooring.cli.options import command
from mooring.cli.session import Session


@command("status")
def status_command(session: Session) -> None:
    from mooring.cli.render.status import status_lines

    status = session.client.status()
    if session.has_chosen:
        chosen = tuple(summary for summary in status.environments if summary.environment == session.environment)
        status = msgspec.structs.replace(status, environments=chosen)
    session.answer(status, status_lines(status, now=time.time(), width=session.out.width))
