"""Following one deployment to its end: live on a terminal, line by line elsewhere. Stopping to follow never stops the deployment.

Must not: decide how it ended; that is in its record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from mooring.cli import exit_codes
from mooring.cli.draining import told_while_draining
from mooring.cli.render.ending import ending_lines
from mooring.cli.render.progress import Entry, Progress
from mooring.cli.render.story import Story, moving, opening, output_in_full, plain_line
from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.session import Session
from mooring.cli.terminal import Terminal
from mooring.errors import NotFound
from mooring.model.deployment import Deployment
from mooring.model.events import Event
from mooring.model.release import Source

Tell = Callable[[list[Entry]], None]


def started(session: Session, deployment: Deployment, *, is_detached: bool, source: Source | None = None) -> int:
    """A deployment has been asked for: follow it, or only name it."""
    if not is_detached:
        return follow_to_the_end(session, deployment, source=source)
    session.answer(deployment, _named(deployment, width=session.out.width))
    return exit_codes.SERVING


def follow_to_the_end(session: Session, deployment: Deployment, *, source: Source | None = None) -> int:
    """Show what goes on until it has ended, then how; gives the deployment's exit code, or 130 after Ctrl-C."""
    terminal = session.err if session.is_json else session.out
    progress = Progress(deployment.requested_at)
    try:
        deployment = _begun(session, deployment)
        terminal.write(opening(deployment, width=terminal.width, source=source))
        _watch(session, terminal, progress, deployment)
        ended = _ended(session, deployment, progress)
    except KeyboardInterrupt:
        session.err.write(_left(deployment, width=session.err.width))
        return exit_codes.INTERRUPTED
    return tell_the_end(session, ended, progress)


def awaited(session: Session, deployment: Deployment) -> Deployment:
    """Its record once it has ended, without a word."""
    progress = Progress(deployment.requested_at)
    for event in session.client.deployment_events(deployment.id):
        progress.apply(event)
    return _ended(session, deployment, progress)


def stream_events(session: Session, deployment: Deployment) -> int:
    """Its events as JSON lines as they come; gives its exit code."""
    progress = Progress(deployment.requested_at)
    for event in session.client.deployment_events(deployment.id):
        progress.apply(event)
        session.stream(event, [])
    code = _ended(session, deployment, progress).exit_code
    return exit_codes.NEEDS_PERSON if code is None else code


def _begun(session: Session, deployment: Deployment) -> Deployment:
    """Looked at once more: it has mostly begun by now, and then its record says what it starts from."""
    try:
        return deployment if deployment.started_at is not None else session.client.deployment(deployment.id)
    except NotFound:
        return deployment


def _ended(session: Session, deployment: Deployment, progress: Progress) -> Deployment:
    try:
        return session.client.deployment(deployment.id)
    except NotFound:  # the record of a destroyed environment goes with it
        return progress.ended_record(deployment)


def tell_the_end(session: Session, ended: Deployment, progress: Progress | None = None) -> int:
    """The verdict with its proof; the record itself as JSON."""
    terminal = session.err if session.is_json else session.out
    code = exit_codes.NEEDS_PERSON if ended.exit_code is None else ended.exit_code
    output = progress.output_of_failed(ended) if terminal.is_live and progress is not None else []  # elsewhere it stands above
    apart: list[Line] = [()] if progress is not None and progress.has_told else []
    terminal.write([*apart, *output_in_full(output, width=terminal.width), *ending_lines(ended, width=terminal.width)])
    if session.is_json:
        session.answer(ended, [])
    return code


def _watch(session: Session, terminal: Terminal, progress: Progress, deployment: Deployment) -> None:
    events = session.client.deployment_events(deployment.id)
    if terminal.is_live:
        with told_while_draining(session, deployment.environment, progress):
            _watch_live(terminal, progress, events)
        return
    for event in events:
        terminal.write([plain_line(entry) for entry in progress.apply(event)])


def _watch_live(terminal: Terminal, progress: Progress, events: Iterable[Event]) -> None:
    from mooring.cli.live import LiveLines

    story = Story()
    clock = _ServerClock(progress)

    def frame(width: int, height: int) -> Sequence[Line]:
        spinner, gutter = terminal.spinner(time.monotonic()), story.gutter(progress.phase)
        return moving(progress, moment=clock.now(), width=width, spinner=spinner, gutter=gutter)[:height]

    with LiveLines(terminal, frame) as live:
        for event in events:
            entries = progress.apply(event)
            clock.tick()
            live.settle(row for entry in entries if not entry.is_passing for row in story.settled(entry, width=terminal.width))


class _ServerClock:
    """The server's wall time, from its last event and what has passed here since: the two clocks need not agree."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._heard_at = time.monotonic()

    def tick(self) -> None:
        self._heard_at = time.monotonic()

    def now(self) -> float:
        return self._progress.last_at + time.monotonic() - self._heard_at


def _named(deployment: Deployment, *, width: int | None) -> list[Line]:
    said = f"{deployment.environment}: {deployment.id} goes on in the server; `mooring follow {deployment.id}` shows it."
    return hanging((), said, width=width)


def _left(deployment: Deployment, *, width: int | None) -> list[Line]:
    said = f"{deployment.id} goes on in the server: nothing was stopped."
    return [
        (),
        *hanging(line(Span("· ", Style.DIM)), said, width=width),
        line("    ", Span(f"mooring follow {deployment.id}", Style.ACCENT), "   see it to its end"),
        line("    ", Span(f"mooring abort {deployment.id}", Style.ACCENT), "    stop it; the old release goes on serving"),
    ]
