"""A review app is taken down: followed to its end, then what is left of it is told, kind by kind. Must not: decide what may be left."""

from __future__ import annotations

from mooring.cli import exit_codes
from mooring.cli.follow import awaited, follow_to_the_end
from mooring.cli.render.reviews import trace_lines
from mooring.cli.session import Session
from mooring.model.names import AppName
from mooring.model.trace import alarming


def torn_down(session: Session, app: AppName, branch: str) -> int:
    """Gives 0 when it is gone, and nothing is left that nobody gave a reason for; else what its deployment ended with."""
    going = session.client.review_down(app, branch)
    ended = awaited(session, going) if session.is_json else None
    code = follow_to_the_end(session, going) if ended is None else ended.exit_code
    if code == exit_codes.INTERRUPTED:
        return code
    traces = session.client.review_traces(app, branch, going.id)
    session.answer({"deployment": ended, "traces": traces}, trace_lines(traces, width=session.out.width))
    return exit_codes.NEEDS_PERSON if code is None or (code == exit_codes.SERVING and alarming(traces)) else code
